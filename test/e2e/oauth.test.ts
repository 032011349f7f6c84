import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import * as client from "openid-client";
import { authorize, CALLBACK, logIn, redeem, relyingParty, signUp } from "../support/person.ts";
import { APP_URL, SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { createUserAgent, type UserAgent } from "../support/user-agent.ts";

describe("OAuth as openid-client speaks it", () => {
  let server: TestServer;
  let party: client.Configuration;

  before(async () => {
    server = await startTestServer();
    party = await relyingParty(server.url);
  });
  after(() => server.close());

  it("shows the log-in page to somebody it does not know", async () => {
    const { page } = await authorize(party, createUserAgent());
    assert.match(page.text, /Log in/);
    assert.match(page.text, /to continue to Assistant/);
  });

  it("opens sign-up first when the app expects somebody new", async () => {
    const { page } = await authorize(party, createUserAgent(), { screen_hint: "signup" });
    assert.match(page.text, /Create your account/);
    assert.match(page.text, /to continue to Assistant/);
  });

  it("gives tokens that say who the person is", async () => {
    const { agent, email } = await signUp(server.url);
    const { page, verifier } = await authorize(party, agent);
    const tokens = await redeem(party, page.address, verifier);
    assert.equal(tokens.claims()?.["email"], email);
    assert.ok(tokens.refresh_token);
  });

  it("answers a code that comes a second time with invalid_grant", async () => {
    const { agent } = await signUp(server.url);
    const { page, verifier } = await authorize(party, agent);
    await redeem(party, page.address, verifier);
    await assert.rejects(redeem(party, page.address, verifier), { error: "invalid_grant" });
  });

  it("gives an access token for the audience, with its scopes", async () => {
    const { agent } = await signUp(server.url);
    const { page, verifier } = await authorize(party, agent, {
      audience: SHOP,
      scope: "openid orders:read offline_access",
    });
    const tokens = await redeem(party, page.address, verifier);
    const claims = JSON.parse(Buffer.from(tokens.access_token.split(".")[1] ?? "", "base64url").toString());
    assert.deepEqual(claims.aud, [SHOP, `${server.url}userinfo`]);
    assert.equal(claims.scope, "openid offline_access orders:read");
    assert.equal(claims.azp, "assistant");
  });

  it("refuses a redirect address that is not registered, without going there", async () => {
    const { page } = await authorize(party, createUserAgent(), { redirect_uri: `${APP_URL}/elsewhere` });
    assert.equal(page.status, 400);
    assert.match(page.text, /invalid_redirect_uri/);
  });

  it("refuses an authorization request without PKCE", async () => {
    const address = `${server.url}authorize?client_id=assistant&response_type=code&scope=openid&redirect_uri=${encodeURIComponent(CALLBACK)}`;
    const page = await createUserAgent().open(address, { stopAt: (target) => target.startsWith(APP_URL) });
    assert.equal(new URL(page.address).searchParams.get("error"), "invalid_request");
  });

  it("refuses a wrong client secret with invalid_client", async () => {
    const wrong = await relyingParty(server.url, "assistant", `${TEST_SECRET}x`);
    await assert.rejects(client.clientCredentialsGrant(wrong, { audience: SHOP }), {
      error: "invalid_client",
    });
  });

  it("promises no user code, which it refuses", async () => {
    const metadata = await (await fetch(`${server.url}.well-known/openid-configuration`)).json();
    assert.deepEqual(metadata.backchannel_token_delivery_modes_supported, ["poll"]);
    assert.equal(metadata.backchannel_user_code_parameter_supported, undefined);
    const { userId } = await signUp(server.url);
    const response = await fetch(`${server.url}bc-authorize`, {
      method: "POST",
      body: new URLSearchParams({
        client_id: "assistant",
        client_secret: TEST_SECRET,
        scope: "openid",
        login_hint: JSON.stringify({ format: "iss_sub", iss: server.url, sub: userId }),
        binding_message: "Order 7",
        user_code: "1234",
      }),
    });
    assert.equal(response.status, 400);
    assert.match((await response.json()).error_description, /user_code is not supported/);
  });

  it("takes client credentials as form and as JSON", async () => {
    const tokens = await client.clientCredentialsGrant(party, { audience: SHOP, scope: "orders:read" });
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
    const { agent } = await signUp(server.url);
    const verifier = client.randomPKCECodeVerifier();
    const address = await client.buildAuthorizationUrlWithPAR(party, {
      redirect_uri: CALLBACK,
      scope: "openid",
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state: "the-state",
      nonce: "the-nonce",
    });
    const page = await agent.open(address.href, { stopAt: (target) => target.startsWith(APP_URL) });
    assert.ok((await redeem(party, page.address, verifier)).id_token);
  });

  it("answers userinfo for the token of a person", async () => {
    const { agent, email } = await signUp(server.url);
    const { page, verifier } = await authorize(party, agent);
    const tokens = await redeem(party, page.address, verifier);
    const info = await client.fetchUserInfo(party, tokens.access_token, tokens.claims()?.sub ?? "");
    assert.equal(info.email, email);
  });

  it("leaves the nonce of the log-in out of the ID token of a refresh", async () => {
    const { agent } = await signUp(server.url);
    const tokens = await logIn(server.url, agent);
    assert.equal(tokens.claims()?.nonce, "the-nonce");
    const refreshed = await client.refreshTokenGrant(party, tokens.refresh_token ?? "");
    assert.equal(refreshed.claims()?.sub, tokens.claims()?.sub);
    assert.equal(refreshed.claims()?.nonce, undefined);
  });

  it("gives a token for another API of the same first-party client on refresh", async () => {
    const { agent } = await signUp(server.url);
    const { page, verifier } = await authorize(party, agent);
    const tokens = await redeem(party, page.address, verifier);
    const me = await client.refreshTokenGrant(party, tokens.refresh_token ?? "", {
      audience: `${server.url}me/`,
      scope: "openid profile email offline_access create:me:connected_accounts",
    });
    assert.match(me.scope ?? "", /create:me:connected_accounts/);
  });

  it("asks for consent before another party's client gets anything, and takes no for an answer", async () => {
    const { agent } = await signUp(server.url);
    const other = await relyingParty(server.url, "other");
    const asked = await authorize(other, agent);
    assert.match(asked.page.text, /Allow Other agent\?/);
    const denied = await agent.submit(
      asked.page,
      { decision: "deny" },
      { stopAt: (target) => target.startsWith(APP_URL) },
    );
    assert.equal(new URL(denied.address).searchParams.get("error"), "access_denied");
    const again = await authorize(other, agent);
    const allowed = await agent.submit(
      again.page,
      { decision: "allow" },
      { stopAt: (target) => target.startsWith(APP_URL) },
    );
    assert.ok((await redeem(other, allowed.address, again.verifier)).access_token);
  });

  const logout = (agent: UserAgent, params: Record<string, string>) =>
    agent.open(
      `${server.url}oidc/logout?${new URLSearchParams({ post_logout_redirect_uri: APP_URL, ...params })}`,
      {
        stopAt: (target) => target.startsWith(APP_URL),
      },
    );

  it("logs out at once for the app that holds the person's ID token, and gives the state back", async () => {
    const { agent } = await signUp(server.url);
    const { id_token: hint = "" } = await logIn(server.url, agent);
    const done = await logout(agent, { id_token_hint: hint, state: "s-1" });
    assert.equal(done.address, `${APP_URL}/?state=s-1`);
    const { page } = await authorize(party, agent);
    assert.match(page.text, /Log in/);
  });

  it("asks when the ID token is another person's, another app's address is given, or it was changed", async () => {
    const [one, two] = [await signUp(server.url), await signUp(server.url)];
    const { id_token: hint = "" } = await logIn(server.url, one.agent);
    const foreign = await logout(two.agent, { id_token_hint: hint });
    assert.match(foreign.text, /Log out of this account/);
    const elsewhere = await logout(one.agent, {
      id_token_hint: hint,
      post_logout_redirect_uri: "https://evil.example/",
    });
    assert.equal(elsewhere.status, 400);
    const changed = await logout(one.agent, { id_token_hint: `${hint.slice(0, -4)}AAAA` });
    assert.equal(changed.status, 400);
    const { page } = await authorize(party, one.agent);
    assert.ok(new URL(page.address).searchParams.get("code"), "still logged in");
  });

  it("knows the address for logging out that older SDKs use", async () => {
    const { agent } = await signUp(server.url);
    await logIn(server.url, agent);
    const ask = (returnTo: string) =>
      agent.open(`${server.url}v2/logout?${new URLSearchParams({ client_id: "assistant", returnTo })}`);
    assert.equal((await ask("https://evil.example/")).status, 400);
    const question = await ask(APP_URL);
    assert.match(question.text, /Log out of this account/);
    const stopAt = (target: string) => target.startsWith(APP_URL);
    const done = await agent.submit(question, { logout: "yes" }, { stopAt });
    assert.ok(done.address.startsWith(APP_URL));
  });
});
