import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Host, startHost } from "../../support/host.ts";
import { ensureInstalled } from "../../support/install.ts";
import { TEST_SECRET, type TestServer } from "../../support/server.ts";
import { makeCertificates, type TestCertificates } from "../../support/tls.ts";
import { startVaultServer } from "../../support/vault.ts";
import { createStore, DOCUMENTS } from "./harness/documents.ts";

/** The retrieval side of `@auth0/ai` 5.1.1 as published, with `@openfga/sdk` 0.8 and tokens of this server. */
describe("the published Auth0 packages' relationship checks", () => {
  let certificates: TestCertificates;
  let server: TestServer;
  let host: Host;

  before(async () => {
    const folder = ensureInstalled("test/conformance/auth0/ai-vercel");
    certificates = await makeCertificates();
    certificates.trust();
    server = await startVaultServer({
      tls: { certFile: certificates.certFile, keyFile: certificates.keyFile },
      connect: () => [],
      policies: {},
      change(config) {
        const [assistant] = config["clients"] as { apis: Record<string, { scopes: string[] }> }[];
        if (assistant) assistant.apis[`${config["issuer"]}fga/`] = { scopes: [] };
      },
    });
    const url = server.url.replace(/\/$/, "");
    host = startHost(join(folder, "driver.cjs"), {
      AUTH0_DOMAIN: new URL(url).host,
      AUTH0_CLIENT_ID: "assistant",
      AUTH0_CLIENT_SECRET: TEST_SECRET,
      NODE_EXTRA_CA_CERTS: certificates.caFile,
      FGA_API_URL: url,
      FGA_STORE_ID: await createStore(server.url),
      // The packages add https:// and /oauth/token themselves.
      FGA_API_TOKEN_ISSUER: new URL(url).host,
      FGA_API_AUDIENCE: `${server.url}fga/`,
      FGA_CLIENT_ID: "assistant",
      FGA_CLIENT_SECRET: TEST_SECRET,
    });
  });
  after(async () => {
    await host?.stop();
    await server?.close();
    certificates?.remove();
  });

  const ask = (userId: string, command: string, params: object) =>
    host.ask(command, { session: { userId }, threadID: "thread", ...params });

  it("keep the documents that the user may see, in their order", async () => {
    const seen = await ask("anne", "filter", { documents: DOCUMENTS });
    assert.deepEqual(seen, [{ id: "d3" }, { id: "d77" }, { id: "d119" }]);
  });

  it("keep for a stranger what everybody may see, and nothing else", async () => {
    assert.deepEqual(await ask("nobody", "filter", { documents: DOCUMENTS }), [{ id: "d119" }]);
  });

  it("let a tool run for whom the relation holds", async () => {
    assert.deepEqual(await ask("anne", "deleteDocument", { document: "d3" }), { deleted: "d3" });
  });

  it("keep a tool from running for whom it does not hold", async () => {
    const refusal = "The user is not allowed to perform the action.";
    assert.equal(await ask("anne", "deleteDocument", { document: "d77" }), refusal);
  });
});
