import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import * as client from "openid-client";
import { APP_URL, SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { createUserAgent, type UserAgent } from "../support/user-agent.ts";

const PASSWORD = "correct horse battery staple";
const CALLBACK = `${APP_URL}/auth/callback`;
const atCallback = (address: string) => address.startsWith(APP_URL);

describe("OAuth as openid-client speaks it", () => {
  let server: TestServer;
  let config: client.Configuration;

  before(async () => {
    server = await startTestServer();
    config = await discover("assistant", client.ClientSecretPost(TEST_SECRET));
  });
  after(() => server.close());

  const discover = (id: string, auth: client.ClientAuth) =>
    client.discovery(new URL(server.url), id, undefined, auth, { execute: [client.allowInsecureRequests] });

  async function signUp(agent: UserAgent, email: string): Promise<void> {
    const form = await agent.open(`${server.url}signup`);
    const page = await agent.submit(form, { name: "Test Person", email, password: PASSWORD });
    assert.equal(page.status, 200, page.text.slice(0, 500));
  }

  async function authorize(agent: UserAgent, extra: Record<string, string> = {}, from = config) {
    const verifier = client.randomPKCECodeVerifier();
    const address = client.buildAuthorizationUrl(from, {
      redirect_uri: CALLBACK,
      scope: "openid profile email offline_access",
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state: "the-state",
      nonce: "the-nonce",
      ...extra,
    });
    const page = await agent.open(address.href, { stopAt: atCallback });
    return { page, verifier };
  }

  const redeem = (callback: string, verifier: string, from = config) =>
    client.authorizationCodeGrant(from, new URL(callback), {
      pkceCodeVerifier: verifier,
      expectedState: "the-state",
      expectedNonce: "the-nonce",
    });

  it("signs a person up, logs in, and gives tokens for a code", async () => {
    const agent = createUserAgent();
    const { page, verifier } = await authorize(agent);
    assert.match(page.text, /Log in/);
    await signUp(agent, "first@example.com");
    const again = await authorize(agent);
    const tokens = await redeem(again.page.address, again.verifier);
    assert.equal(tokens.claims()?.["email"], "first@example.com");
    assert.ok(tokens.refresh_token);
    assert.ok(verifier);
  });

  it("answers a code that comes a second time with invalid_grant", async () => {
    const agent = createUserAgent();
    await signUp(agent, "replay@example.com");
    const { page, verifier } = await authorize(agent);
    await redeem(page.address, verifier);
    await assert.rejects(redeem(page.address, verifier), { error: "invalid_grant" });
  });

  it("gives an access token for the audience, with its scopes", async () => {
    const agent = createUserAgent();
    await signUp(agent, "audience@example.com");
    const { page, verifier } = await authorize(agent, { audience: SHOP, scope: "openid orders:read offline_access" });
    const tokens = await redeem(page.address, verifier);
    const claims = JSON.parse(Buffer.from(tokens.access_token.split(".")[1] ?? "", "base64url").toString());
    assert.equal(claims.aud, SHOP);
    assert.equal(claims.scope, "orders:read");
    assert.equal(claims.azp, "assistant");
  });

  it("refuses a redirect address that is not registered, without going there", async () => {
    const { page } = await authorize(createUserAgent(), { redirect_uri: `${APP_URL}/elsewhere` });
    assert.equal(page.status, 400);
    assert.match(page.text, /invalid_redirect_uri/);
  });

  it("refuses an authorization request without PKCE", async () => {
    const address = `${server.url}authorize?client_id=assistant&response_type=code&scope=openid&redirect_uri=${encodeURIComponent(CALLBACK)}`;
    const page = await createUserAgent().open(address, { stopAt: atCallback });
    assert.equal(new URL(page.address).searchParams.get("error"), "invalid_request");
  });

  it("refuses a wrong client secret with invalid_client", async () => {
    const wrong = await discover("assistant", client.ClientSecretPost(`${TEST_SECRET}x`));
    await assert.rejects(client.clientCredentialsGrant(wrong, { audience: SHOP }), { error: "invalid_client" });
  });

  it("takes client credentials as form and as JSON", async () => {
    const tokens = await client.clientCredentialsGrant(config, { audience: SHOP, scope: "orders:read" });
    assert.equal(tokens.scope, "orders:read");
    const response = await fetch(`${server.url}oauth/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        grant_type: "client_credentials",
        client_id: "assistant",
        client_secret: TEST_SECRET,
        audience: SHOP,
      }),
    });
    assert.equal(response.status, 200);
  });

  it("accepts a pushed authorization request", async () => {
    const agent = createUserAgent();
    await signUp(agent, "par@example.com");
    const verifier = client.randomPKCECodeVerifier();
    const address = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: CALLBACK,
      scope: "openid",
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state: "the-state",
      nonce: "the-nonce",
    });
    const page = await agent.open(address.href, { stopAt: atCallback });
    assert.ok((await redeem(page.address, verifier)).id_token);
  });

  it("answers userinfo for the token of a person", async () => {
    const agent = createUserAgent();
    await signUp(agent, "info@example.com");
    const { page, verifier } = await authorize(agent);
    const tokens = await redeem(page.address, verifier);
    const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims()?.sub ?? "");
    assert.equal(info.email, "info@example.com");
  });

  it("gives a token for another API of the same first-party client on refresh", async () => {
    const agent = createUserAgent();
    await signUp(agent, "mrrt@example.com");
    const { page, verifier } = await authorize(agent);
    const tokens = await redeem(page.address, verifier);
    const me = await client.refreshTokenGrant(config, tokens.refresh_token ?? "", {
      audience: `${server.url}me/`,
      scope: "openid profile email offline_access create:me:connected_accounts",
    });
    assert.match(me.scope ?? "", /create:me:connected_accounts/);
  });

  it("asks for consent before another party's client gets anything, and takes no for an answer", async () => {
    const agent = createUserAgent();
    await signUp(agent, "consent@example.com");
    const other = await discover("other", client.ClientSecretPost(TEST_SECRET));
    const asked = await authorize(agent, {}, other);
    assert.match(asked.page.text, /Allow Other agent\?/);
    const denied = await agent.submit(asked.page, { decision: "deny" }, { stopAt: atCallback });
    assert.equal(new URL(denied.address).searchParams.get("error"), "access_denied");
    const again = await authorize(agent, {}, other);
    const allowed = await agent.submit(again.page, { decision: "allow" }, { stopAt: atCallback });
    assert.ok((await redeem(allowed.address, again.verifier, other)).access_token);
  });
});
