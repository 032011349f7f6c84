import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { decodeJwt } from "jose";
import { Provider } from "oidc-provider";
import { type Config, parseConfig } from "../config.ts";
import { systemClock } from "../lib/clock.ts";
import { openTestStorage } from "../storage/testing.ts";
import { createAdapter } from "./adapter.ts";
import { createClients, toCoreMetadata } from "./clients.ts";
import { addDirectGrants } from "./direct.ts";
import { toCoreResource } from "./grants/refresh.ts";
import type { DirectProof, DirectRefusal, GrantRequest } from "./index.ts";
import { createResources } from "./resources.ts";

const GRANT = "urn:okta:params:oauth:grant-type:webauthn";
const SHOP = "https://shop.example/";
const SECRET = "s".repeat(43);
const AT = Date.UTC(2026, 0, 1);
const ACME = {
  id: "org_acme",
  name: "acme",
  displayName: "Acme",
  branding: {},
  metadata: {},
  disabledAt: undefined,
};

function configOf(issuer: string): Config {
  const grantTypes = ["passkey", "refresh_token"];
  const apis = { [SHOP]: { scopes: ["orders:read"] } };
  return parseConfig(
    {
      issuer,
      storage: "sqlite::memory:",
      rootKey: { env: "KEY" },
      apis: [{ audience: SHOP, name: "Shop", scopes: { "orders:read": "See", "orders:create": "Order" } }],
      clients: [
        { id: "web", name: "Web", secret: { env: "SECRET" }, firstParty: true, grantTypes, apis },
        { id: "app", name: "App", firstParty: true, grantTypes: ["passkey"] },
        { id: "business", name: "B", firstParty: true, grantTypes: ["passkey"], organizations: "required" },
        { id: "stranger", name: "Stranger", grantTypes },
        { id: "other", name: "Other", firstParty: true, redirectUris: ["https://app.example/cb"] },
      ],
    },
    { env: { KEY: Buffer.alloc(32, 1).toString("base64"), SECRET }, baseDir: "." },
  );
}

describe("a direct grant", () => {
  const server = createServer((request, response) => void handle(request, response));
  let handle: ReturnType<Provider["callback"]>;
  let issuer: string;
  let answer: DirectProof | DirectRefusal;
  let asked: GrantRequest[] = [];
  const bound: (readonly string[])[] = [];

  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    issuer = `http://localhost:${(server.address() as AddressInfo).port}/`;
    const config = configOf(issuer);
    const storage = await openTestStorage();
    const clock = systemClock;
    const clients = createClients({ storage, config, clock, secretKeys: [Buffer.alloc(32, 2)] });
    const resources = createResources(config);
    const findClient = async (id: string) => {
      const client = await clients.find(id);
      const metadata = client && toCoreMetadata(client, config.apis);
      // The stock core compares secrets as they are.
      return metadata && { ...metadata, ...(client.confidential ? { client_secret: SECRET } : {}) };
    };
    const provider = new Provider(issuer, {
      adapter: createAdapter({ storage, clock, findClient }),
      conformIdTokenClaims: false,
      scopes: ["openid", "profile", "email", "offline_access"],
      clientAuthMethods: ["client_secret_basic", "client_secret_post", "none"],
      findAccount: (_ctx, sub) =>
        sub === "off" ? undefined : { accountId: sub, claims: () => ({ sub, email: "anne@example.com" }) },
      issueRefreshToken: (_ctx, client, source) =>
        client.grantTypeAllowed("refresh_token") && source.scopes.has("offline_access"),
      claims: { openid: ["sub", "amr", "acr", "auth_time"], email: ["email"], acr: null, auth_time: null },
      features: {
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: async (_ctx, audience) => {
            const resource = resources.find(audience);
            assert.ok(resource);
            return { ...toCoreResource(resource), jwt: { sign: { alg: "RS256" } } };
          },
        },
      },
    });
    provider.use(async (ctx: { body: object; state: Record<string, object> }, next) => {
      await next();
      if (typeof ctx.body === "object" && "error" in ctx.body)
        Object.assign(ctx.body, ctx.state["errorMembers"]);
    });
    const prove = async (request: GrantRequest) => {
      asked.push(request);
      return answer;
    };
    const organizations = {
      find: async (name: string) => (name === "acme" ? ACME : undefined),
      membershipOf: async (userId: string) => (userId === "anne" ? { joinedAt: AT } : undefined),
      allowedConnections: async () => new Set(["passkey"]),
      bindGrant: async (...of: readonly string[]) => void bound.push(of),
    };
    addDirectGrants({ provider, clients, resources, organizations }, [
      { name: "passkey", grantType: GRANT, parameters: ["proof"], prove },
    ]);
    handle = provider.callback();
  });
  after(() => server.close());

  const proven: DirectProof = { userId: "anne", amr: ["pop", "mfa"], acr: "phr", authenticatedAt: AT };

  async function ask(params: Record<string, string>, given: DirectProof | DirectRefusal = proven) {
    answer = given;
    asked = [];
    const body = { grant_type: GRANT, client_id: "web", client_secret: SECRET, proof: "p", ...params };
    const kept = Object.entries(body).filter(([, value]) => value !== "");
    const response = await fetch(`${issuer}token`, { method: "POST", body: new URLSearchParams(kept) });
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  }

  it("brings ID, access and refresh token that say how and when the user proved it", async () => {
    const { status, body } = await ask({ scope: "openid email offline_access" });
    assert.equal(status, 200, JSON.stringify(body));
    assert.ok(body["access_token"] && body["refresh_token"]);
    const claims = decodeJwt(body["id_token"] ?? "");
    assert.equal(claims.sub, "anne");
    assert.equal(claims["email"], "anne@example.com");
    assert.deepEqual(claims["amr"], ["pop", "mfa"]);
    assert.equal(claims["acr"], "phr");
    assert.equal(claims["auth_time"], AT / 1_000);
  });

  it("brings an access token of the API asked for, with the scopes the client may have", async () => {
    const { body } = await ask({ scope: "openid orders:read orders:create", resource: SHOP.slice(0, -1) });
    const claims = decodeJwt(body["access_token"] ?? "");
    assert.equal(claims.aud, SHOP);
    assert.equal(claims["scope"], "orders:read");
    assert.equal(claims.sub, "anne");
    assert.equal(body["scope"], "orders:read");
  });

  it("brings no ID token without openid, and no refresh token to a client that may not refresh", async () => {
    assert.equal((await ask({ scope: "email" })).body["id_token"], undefined);
    const app = { client_id: "app", client_secret: "", scope: "openid offline_access" };
    const { status, body } = await ask(app);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body["refresh_token"], undefined);
  });

  it("hands over the parameters that it named, and no others", async () => {
    await ask({ scope: "openid", stray: "x" });
    assert.equal(asked.length, 1);
    assert.deepEqual(asked[0]?.params, { proof: "p", scope: "openid" });
    assert.equal(asked[0]?.client.id, "web");
  });

  it("asks for no proof when the client, its grant, its consent or the audience fails", async () => {
    const cases: [Record<string, string>, string][] = [
      [{ client_secret: "wrong" }, "invalid_client"],
      [{ client_id: "nobody" }, "invalid_client"],
      [{ client_id: "other", client_secret: "" }, "invalid_request"],
      [{ client_id: "stranger", client_secret: "" }, "unauthorized_client"],
      [{ resource: "https://unknown.example/" }, "invalid_target"],
      [{ client_id: "app", client_secret: "", resource: SHOP }, "invalid_target"],
    ];
    for (const [params, error] of cases) {
      assert.equal((await ask(params)).body["error"], error, JSON.stringify(params));
      assert.equal(asked.length, 0, JSON.stringify(params));
    }
  });

  it("answers a refusal in its own words, with its status and members", async () => {
    const refused = { error: "mfa_required", description: "more", status: 403, members: { mfa_token: "t" } };
    const { status, body } = await ask({ scope: "openid" }, refused);
    assert.equal(status, 403);
    assert.deepEqual(body, { error: "mfa_required", error_description: "more", mfa_token: "t" });
  });

  it("is for the organization asked for, its members, and the connections that it takes", async () => {
    const business = { client_id: "business", client_secret: "", scope: "openid" };
    const withPasskey = { ...proven, connection: "passkey" };
    assert.equal((await ask({ ...business, organization: "acme" }, withPasskey)).status, 200);
    assert.deepEqual(bound.at(-1)?.slice(1), ["org_acme", "anne"]);
    const bindings = bound.length;
    const cases: [Record<string, string>, DirectProof, string][] = [
      [business, withPasskey, "invalid_request"],
      [{ ...business, organization: "nobody" }, withPasskey, "access_denied"],
      [{ ...business, organization: "acme" }, { ...withPasskey, userId: "ben" }, "access_denied"],
      [{ ...business, organization: "acme" }, { ...proven, connection: "password" }, "access_denied"],
      [{ ...business, organization: "acme" }, proven, "access_denied"],
      [{ organization: "acme" }, withPasskey, "invalid_request"],
    ];
    for (const [params, proof, error] of cases)
      assert.equal((await ask(params, proof)).body["error"], error, JSON.stringify(params));
    assert.equal(bound.length, bindings);
  });

  it("issues nothing to a user who is switched off", async () => {
    const { status, body } = await ask({ scope: "openid" }, { ...proven, userId: "off" });
    assert.equal(status, 400);
    assert.equal(body["error"], "invalid_grant");
  });
});
