import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Host, startHost } from "../../support/host.ts";
import { ensureInstalled } from "../../support/install.ts";
import { tokenRequest } from "../../support/person.ts";
import { TEST_SECRET, type TestServer } from "../../support/server.ts";
import { makeCertificates, type TestCertificates } from "../../support/tls.ts";
import { startVaultServer } from "../../support/vault.ts";

/** A document has an owner and viewers; both may see it. */
const MODEL = {
  schema_version: "1.1",
  type_definitions: [
    { type: "user" },
    {
      type: "doc",
      relations: {
        owner: { this: {} },
        viewer: { this: {} },
        can_view: {
          union: {
            child: [{ computedUserset: { relation: "owner" } }, { computedUserset: { relation: "viewer" } }],
          },
        },
      },
      metadata: {
        relations: {
          owner: { directly_related_user_types: [{ type: "user" }] },
          viewer: { directly_related_user_types: [{ type: "user" }, { type: "user", wildcard: {} }] },
        },
      },
    },
  ],
};

/** More than the packages' batch of 50, so that several requests carry one question. */
const DOCUMENTS = Array.from({ length: 120 }, (_, i) => ({ id: `d${i}` }));

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
    host = startHost(join(folder, "fga-driver.cjs"), {
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

/** A store with the model: anne owns d3 and views d77; everybody views d119; ben owns d5. */
async function createStore(issuer: string): Promise<string> {
  const token = await tokenRequest(issuer, {
    grant_type: "client_credentials",
    audience: `${issuer}fga/`,
    client_id: "assistant",
    client_secret: TEST_SECRET,
  });
  const { access_token: accessToken } = await token.json();
  const post = async (path: string, body: object) => {
    const response = await fetch(`${issuer}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, text);
    return JSON.parse(text);
  };
  const { id } = await post("stores", { name: "documents" });
  await post(`stores/${id}/authorization-models`, MODEL);
  const tuple = (user: string, relation: string, object: string) => ({ user, relation, object });
  const tuples = [
    tuple("user:anne", "owner", "doc:d3"),
    tuple("user:anne", "viewer", "doc:d77"),
    tuple("user:*", "viewer", "doc:d119"),
    tuple("user:ben", "owner", "doc:d5"),
  ];
  await post(`stores/${id}/write`, { writes: { tuple_keys: tuples } });
  return id;
}
