import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKeyPair, SignJWT } from "jose";
import { TOKEN } from "../testing.ts";
import { locationOf, setUpLogin } from "./testing.ts";

/** Status and code of a page that refuses; the code stands in brackets behind the sentence. */
async function refusalOf(response: Response): Promise<[status: number, code: string | undefined]> {
  return [response.status, /\(([a-z]+\.[a-z_]+)\)<\/p>/.exec(await response.text())?.[1]];
}

test("a link that names no connection is refused before the user is looked up", async (t) => {
  const { browser, peer } = await setUpLogin(t);
  const response = await browser.open("/auth/connect?scopes=events.read");
  assert.deepEqual(await refusalOf(response), [400, "session.connection_missing"]);
  assert.equal(peer.requests.length, 0);
});

test("an ID token signed by another key begins no session, even under the known key's id", async (t) => {
  const scene = await setUpLogin(t);
  const { browser, peer, session, clock } = scene;
  const sent = locationOf(await browser.open("/auth/login")).searchParams;
  const { privateKey } = await generateKeyPair("RS256");
  const id_token = await new SignJWT({ nonce: sent.get("nonce") })
    .setProtectedHeader({ alg: "RS256", kid: "key-1" })
    .setIssuer(peer.issuer)
    .setAudience("agent")
    .setSubject("user:anne")
    .setIssuedAt(clock.now() / 1000)
    .setExpirationTime(clock.now() / 1000 + 300)
    .sign(privateKey);
  scene.answerLogin({}, { body: { id_token } });
  const response = await browser.open(`/auth/callback?code=code-1&state=${sent.get("state")}`);
  assert.deepEqual(await refusalOf(response), [400, "session.id_token_invalid"]);
  assert.equal(await session.getSession(browser.request("/")), undefined);
});

test("an answer of another server ends the login, and a repeat with the right server's name is too late", async (t) => {
  const { browser, peer } = await setUpLogin(t);
  const callback = await browser.beginLogin();
  const mixedUp = await browser.open(`${callback}&iss=${encodeURIComponent("https://other.example/")}`);
  assert.deepEqual(await refusalOf(mixedUp), [400, "session.issuer_mismatch"]);
  const repeated = await browser.open(`${callback}&iss=${encodeURIComponent(peer.issuer)}`);
  assert.deepEqual(await refusalOf(repeated), [400, "session.transaction_unknown"]);
  assert.equal(peer.to(TOKEN).length, 0);
});

test("a state that nobody began is refused, with or without a code", async (t) => {
  const { browser, peer } = await setUpLogin(t);
  for (const query of [
    "",
    "?state=made-up",
    "?state=made-up&code=code-1",
    "?connect_code=cc-1&state=made-up",
  ]) {
    const response = await browser.open(`/auth/callback${query}`);
    assert.deepEqual(await refusalOf(response), [400, "session.transaction_unknown"], query);
  }
  assert.equal(peer.to(TOKEN).length, 0);
});

test("an account that was begun for one user is not linked once another has logged in", async (t) => {
  const scene = await setUpLogin(t);
  const { browser, peer } = scene;
  scene.answerRefresh({ body: { access_token: "at-me", expires_in: 600 } });
  peer.answer("/me/v1/connected-accounts/connect", {
    status: 201,
    body: { auth_session: "as-1", connect_uri: `${peer.issuer}connect`, connect_params: { ticket: "t-1" } },
  });
  await browser.logIn();
  await browser.open("/auth/connect?connection=calendar");
  const { state } = JSON.parse(peer.to("/me/v1/connected-accounts/connect")[0]?.body ?? "");
  scene.answerLogin({ sub: "user:bob" });
  await browser.logIn();
  const response = await browser.open(`/auth/callback?connect_code=cc-1&state=${state}`);
  assert.deepEqual(await refusalOf(response), [403, "session.other_user"]);
  assert.equal(peer.to("/me/v1/connected-accounts/complete").length, 0);
});

test("a method that an address does not take is refused", async (t) => {
  const { browser } = await setUpLogin(t);
  for (const path of ["login", "connect?connection=calendar", "callback", "profile", "access-token"]) {
    for (const method of ["POST", "DELETE"])
      assert.deepEqual(await refusalOf(await browser.open(`/auth/${path}`, method)), [405, "session.method"]);
  }
  for (const [path, method] of [
    ["/auth/logout", "DELETE"],
    ["/auth/backchannel-logout", "GET"],
  ] as const)
    assert.deepEqual(await refusalOf(await browser.open(path, method)), [405, "session.method"]);
});

test("a logout that another site sends is refused, and the session goes on", async (t) => {
  const { browser, session } = await setUpLogin(t);
  await browser.logIn();
  const response = await browser.open("/auth/logout", "POST");
  assert.deepEqual(await refusalOf(response), [403, "session.cross_site"]);
  assert.ok(await session.getSession(browser.request("/")));
});

test("an address that the session does not serve is refused", async (t) => {
  const { browser } = await setUpLogin(t);
  for (const path of ["/auth", "/auth/", "/auth/logins", "/auth/login/more", "/"])
    assert.deepEqual(await refusalOf(await browser.open(path)), [404, "session.unknown_route"], path);
});
