import "reflect-metadata";
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { connect } from "node:tls";
import * as x509 from "@peculiar/x509";
import { ensureCertificates } from "./certificates.ts";
import { type CommandFolder, openFolder } from "./testing.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

/** Serves with the certificate and connects under `name`; resolves with the reason when it is not trusted. */
async function handshake(files: { key: string; cert: string; ca: string }, name: string): Promise<string> {
  const server = createServer({ key: readFileSync(files.key), cert: readFileSync(files.cert) });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server has one
  const options = { port, host: "127.0.0.1", servername: name, ca: readFileSync(files.ca) };
  const outcome = await new Promise<string>((resolve) => {
    const socket = connect(options, () => socket.end(() => resolve("trusted")));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(`${error.code} ${error.message}`));
  });
  server.closeAllConnections();
  server.close();
  return outcome;
}

describe("behalf dev-cert", () => {
  let at: CommandFolder;
  beforeEach(() => {
    at = openFolder();
  });
  afterEach(() => at.close());

  const served = (folder = "tls") => ({
    key: at.path(`${folder}/server.key`),
    cert: at.path(`${folder}/server.pem`),
    ca: at.path(`${folder}/authority.pem`),
  });
  const text = (name: string) => readFileSync(at.path(name), "utf8");

  it("makes a certificate that is trusted for this machine by whoever trusts the authority", async () => {
    const { code, out } = await at.behalf("dev-cert");
    assert.equal(code, 0);
    assert.match(out, /NODE_EXTRA_CA_CERTS=.*authority\.pem/);
    assert.match(out, /REQUESTS_CA_BUNDLE=/);
    assert.match(out, /SSL_CERT_FILE=/);
    assert.match(out, /tls: \{ certFile: tls\/server\.pem, keyFile: tls\/server\.key \}/);
    assert.equal(await handshake(served(), "localhost"), "trusted");
    assert.match(await handshake(served(), "auth.example.test"), /ERR_TLS_CERT_ALTNAME_INVALID/);
  });

  it("is good for the names that were asked for, and for no other", async () => {
    await at.behalf("dev-cert --host auth.example.test");
    assert.equal(await handshake(served(), "auth.example.test"), "trusted");
    assert.match(await handshake(served(), "example.test"), /ERR_TLS_CERT_ALTNAME_INVALID/);
  });

  it("has an authority that can vouch for nothing else", async () => {
    await at.behalf("dev-cert --dir small");
    await at.behalf("dev-cert --dir large --host other.example.test");
    // Whoever holds the smaller authority's key signs the larger one's name with it.
    const forged = await x509.X509CertificateGenerator.create({
      subject: "CN=x",
      issuer: new x509.X509Certificate(text("small/authority.pem")).subject,
      publicKey: new x509.X509Certificate(
        text("large/server.pem").split(/(?<=-----END CERTIFICATE-----)/)[0] ?? "",
      ).publicKey,
      signingKey: await crypto.subtle.importKey(
        "pkcs8",
        x509.PemConverter.decodeFirst(text("small/authority.key")),
        ALGORITHM,
        false,
        ["sign"],
      ),
      signingAlgorithm: ALGORITHM,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "other.example.test" }])],
    });
    writeFileSync(at.path("forged.pem"), forged.toString("pem"));
    const files = { ...served("large"), cert: at.path("forged.pem"), ca: at.path("small/authority.pem") };
    assert.match(await handshake(files, "other.example.test"), /permitted subtree violation/);
  });

  it("keeps its keys readable by their owner alone", { skip: process.platform === "win32" }, async () => {
    await at.behalf("dev-cert");
    for (const name of ["tls/authority.key", "tls/server.key"])
      assert.equal(statSync(at.path(name)).mode & 0o777, 0o600, name);
  });

  it("changes nothing the second time, with the names of the first", async () => {
    await at.behalf("dev-cert --host auth.example.test");
    const before = text("tls/server.pem");
    const { json } = await at.behalf("dev-cert --json");
    const answer = json as { made: string; hosts: string[] };
    assert.equal(answer.made, "nothing");
    assert.deepEqual(answer.hosts, ["localhost", "127.0.0.1", "::1", "auth.example.test"]);
    assert.equal(text("tls/server.pem"), before);
  });

  it("renews a certificate that is about to expire, of the same authority", async () => {
    await at.behalf("dev-cert");
    const authority = text("tls/authority.pem");
    const { validTo } = new X509Certificate(text("tls/server.pem"));
    const folder = at.path("tls");
    const early = await ensureCertificates({ folder, hosts: [], now: Date.parse(validTo) - 31 * DAY_MS });
    assert.equal(early.made, "nothing");
    const late = await ensureCertificates({ folder, hosts: [], now: Date.parse(validTo) - 29 * DAY_MS });
    assert.equal(late.made, "certificate");
    assert.equal(text("tls/authority.pem"), authority);
    assert.ok(Date.parse(new X509Certificate(text("tls/server.pem")).validTo) > Date.parse(validTo));
  });

  it("makes a new authority for a new name, and when the old one ends", async () => {
    await at.behalf("dev-cert");
    const { json } = await at.behalf("dev-cert --json --host auth.example.test");
    assert.equal((json as { made: string }).made, "authority");
    const { validTo } = new X509Certificate(text("tls/authority.pem"));
    const made = await ensureCertificates({ folder: at.path("tls"), hosts: [], now: Date.parse(validTo) });
    assert.equal(made.made, "authority");
  });

  for (const name of ["server.pem", "server.key", "authority.pem"])
    it(`makes anew what is broken: ${name}`, async () => {
      await at.behalf("dev-cert");
      if (name === "server.key") await at.behalf("dev-cert --dir other");
      writeFileSync(at.path(`tls/${name}`), name === "server.key" ? text("other/server.key") : "broken");
      await at.behalf("dev-cert");
      assert.equal(await handshake(served(), "localhost"), "trusted");
    });

  for (const host of ["https://example.test", "exa mple", "10.0.0.1", "-a.test", "*.example.test", "a..b"])
    it(`refuses the name ${host}`, async () => {
      const { code, err } = await at.behalf("", {}, ["dev-cert", `--host=${host}`]);
      assert.equal(code, 2);
      assert.match(err, /--host must be a host name/);
    });
});
