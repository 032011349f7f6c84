import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { generate } from "selfsigned";

/** A certificate for `localhost` and the authority that signed it, as files in a folder of their own. */
export interface TestCertificates {
  /** For `NODE_EXTRA_CA_CERTS` of other processes. */
  readonly caFile: string;
  /** For `listen.tls` of the server. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Makes `fetch` and `node:https` of this process trust the authority, beside those it trusts anyway. */
  trust(): void;
  /** Removes the files. */
  remove(): void;
}

/** Made for one test run; long enough for a clock that is a little off. */
const LIFE_MS = 86_400_000;

/** Makes an authority and a certificate for `localhost` and `127.0.0.1`, good for a day. */
export async function makeCertificates(): Promise<TestCertificates> {
  const validity = {
    keyType: "ec",
    algorithm: "sha256",
    notBeforeDate: new Date(Date.now() - LIFE_MS),
    notAfterDate: new Date(Date.now() + LIFE_MS),
  } as const;
  const authority = await generate([{ name: "commonName", value: "Behalf test authority" }], {
    ...validity,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const leaf = await generate([{ name: "commonName", value: "localhost" }], {
    ...validity,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" },
        ],
      },
    ],
  });
  const folder = mkdtempSync(join(tmpdir(), "behalf-tls-"));
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  return {
    caFile: write("ca.pem", authority.cert),
    certFile: write("cert.pem", leaf.cert),
    keyFile: write("key.pem", leaf.private),
    trust: () => setDefaultCACertificates([...getCACertificates("default"), authority.cert]),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
