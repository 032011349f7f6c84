import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { ensureCertificates } from "../../packages/server/src/commands/certificates.ts";

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

/** Makes what `behalf dev-cert` makes, in a temporary folder; `hosts` are names beside `localhost`. */
export async function makeCertificates(hosts: readonly string[] = []): Promise<TestCertificates> {
  const folder = mkdtempSync(join(tmpdir(), "behalf-tls-"));
  const { files } = await ensureCertificates({ folder, hosts: [...hosts], now: Date.now() });
  return {
    caFile: files.authority,
    certFile: files.certificate,
    keyFile: files.key,
    trust: () =>
      setDefaultCACertificates([...getCACertificates("default"), readFileSync(files.authority, "utf8")]),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
