import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { behalfOf, TOKEN } from "../testing.ts";
import { createAppAuth } from "./index.ts";
import { locationOf, setUpLogin } from "./testing.ts";

test("a login sends the browser to the server with PKCE, state and nonce", async (t) => {
  const { browser, peer } = await setUpLogin(t);
  const response = await browser.open(
    "/auth/login?returnTo=/chat&login_hint=anne&client_id=other&scope=admin",
  );
  assert.equal(response.status, 303);
  assert.equal(response.headers.get("cache-control"), "no-store");
  const url = locationOf(response);
  assert.equal(`${url.origin}${url.pathname}`, `${peer.issuer}authorize`);
  const { state, nonce, code_challenge: challenge, ...rest } = Object.fromEntries(url.searchParams);
  for (const random of [state, nonce, challenge]) assert.match(random ?? "", /^[\w-]{43}$/);
  assert.deepEqual(rest, {
    login_hint: "anne",
    client_id: "agent",
    response_type: "code",
    redirect_uri: "https://app.example/auth/callback",
    scope: "openid profile email offline_access",
    code_challenge_method: "S256",
  });
});

test("the way back exchanges the code with its verifier and opens the page that was asked for", async (t) => {
  const { browser, peer, session } = await setUpLogin(t);
  const callback = await browser.beginLogin("/chat?id=7");
  const response = await browser.open(callback);
  assert.equal(response.status, 303);
  assert.equal(response.headers.get("location"), "https://app.example/chat?id=7");
  const form = peer.to(TOKEN)[0]?.form;
  assert.equal(form?.get("grant_type"), "authorization_code");
  assert.equal(form?.get("redirect_uri"), "https://app.example/auth/callback");
  assert.match(form?.get("code_verifier") ?? "", /^[\w-]{43}$/);
  assert.deepEqual(await session.getSession(browser.request("/")), {
    userId: "user:anne",
    user: { sub: "user:anne", name: "Anne", email: "anne@example.org" },
    expiresAt: "2026-01-08T00:00:00.000Z",
  });
});

test("the verifier that is sent with the code belongs to the challenge of the same login", async (t) => {
  const { browser, peer } = await setUpLogin(t);
  const sent = locationOf(await browser.open("/auth/login")).searchParams;
  await browser.open("/auth/login"); // another one, in another tab
  await browser.open(`/auth/callback?code=code-1&state=${sent.get("state")}`);
  const verifier = peer.to(TOKEN)[0]?.form.get("code_verifier") ?? "";
  assert.equal(createHash("sha256").update(verifier).digest("base64url"), sent.get("code_challenge"));
});

test("the session cookie is bound to the host and holds no token and nothing of the user", async (t) => {
  const { browser } = await setUpLogin(t);
  const response = await browser.logIn();
  const [cookie = ""] = response.headers.getSetCookie().filter((value) => value.includes("behalf_app"));
  assert.match(
    cookie,
    /^__Host-behalf_app=[\w.-]+; Max-Age=604800; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
  );
  assert.ok(cookie.length < 500);
  for (const part of cookie.split(/[=.;]/)) {
    assert.doesNotMatch(Buffer.from(part, "base64url").toString("latin1"), /rt-1|at-login|anne/i);
  }
});

test("a hostile page to return to is replaced by the start page", async (t) => {
  const { browser } = await setUpLogin(t);
  assert.equal((await browser.logIn("//evil.example")).headers.get("location"), "https://app.example/");
});

test("an answer that this browser did not ask for begins no session", async (t) => {
  const { browser, newBrowser, session, peer } = await setUpLogin(t);
  const state = locationOf(await browser.open("/auth/login")).searchParams.get("state") ?? "";
  const other = newBrowser();
  const callbacks: [typeof browser, string][] = [
    [other, `/auth/callback?code=code-1&state=${state}`],
    [browser, "/auth/callback?code=code-1"],
    [browser, `/auth/callback?code=code-1&state=${state.slice(1)}A`],
  ];
  for (const [victim, path] of callbacks) {
    const response = await victim.open(path);
    assert.equal(response.status, 400);
    assert.match(await response.text(), /session\.transaction_unknown/);
    assert.equal(await session.getSession(victim.request("/")), undefined);
  }
  assert.equal(peer.to(TOKEN).length, 0);
});

test("the record of one login cannot be presented for another", async (t) => {
  const { browser, peer } = await setUpLogin(t);
  const callback = await browser.beginLogin();
  await browser.beginLogin();
  const names = [...browser.cookies.keys()];
  const values = [...browser.cookies.values()].reverse();
  for (const [i, name] of names.entries()) browser.cookies.set(name, values[i] ?? "");
  assert.equal((await browser.open(callback)).status, 400);
  assert.equal(peer.to(TOKEN).length, 0);
});

test("an answer counts once, whether it succeeded or not", async (t) => {
  const scene = await setUpLogin(t);
  const { browser, peer } = scene;
  for (const claims of [{}, { nonce: "another-login" }]) {
    scene.answerLogin(claims);
    const callback = await browser.beginLogin();
    await browser.open(callback);
    const before = peer.to(TOKEN).length;
    assert.match(await (await browser.open(callback)).text(), /session\.transaction_unknown/);
    assert.equal(peer.to(TOKEN).length, before);
  }
});

test("a login that failed because the server was down goes on when the page is loaded again", async (t) => {
  const scene = await setUpLogin(t);
  const { browser, peer } = scene;
  const callback = await browser.beginLogin();
  const jwks = "/.well-known/jwks.json";
  peer.answer(TOKEN, { status: 503, body: { error: "temporarily_unavailable" } });
  assert.equal((await browser.open(callback)).status, 503);
  assert.equal(peer.to(jwks).length, 0);
  peer.answer(TOKEN, { status: 400, body: { error: "invalid_grant" } });
  assert.match(await (await browser.open(callback)).text(), /oauth\.invalid_grant/);
});

test("an answer that comes after ten minutes is refused", async (t) => {
  const { browser, clock } = await setUpLogin(t);
  const state = locationOf(await browser.open("/auth/login")).searchParams.get("state") ?? "";
  clock.advance(601);
  assert.equal((await browser.open(`/auth/callback?code=code-1&state=${state}`)).status, 400);
});

test("an answer that names another issuer is refused before its code is used", async (t) => {
  const { browser, peer } = await setUpLogin(t);
  const state = locationOf(await browser.open("/auth/login")).searchParams.get("state") ?? "";
  const query = new URLSearchParams({ code: "code-1", state, iss: "https://other.example/" });
  const response = await browser.open(`/auth/callback?${query}`);
  assert.match(await response.text(), /session\.issuer_mismatch/);
  assert.equal(peer.to(TOKEN).length, 0);
});

test("a login that the server refused is shown with the server's code and nothing else of the link", async (t) => {
  const { browser } = await setUpLogin(t);
  for (const [error, shown] of [
    ["access_denied", /oauth\.access_denied/],
    ["<script>alert(1)</script>", /oauth\.unknown/],
  ] as const) {
    const state = locationOf(await browser.open("/auth/login")).searchParams.get("state") ?? "";
    const query = new URLSearchParams({ error, error_description: "<b>x</b>", state });
    const response = await browser.open(`/auth/callback?${query}`);
    assert.equal(response.status, 400);
    assert.equal(
      response.headers.get("content-security-policy"),
      "default-src 'none'; frame-ancestors 'none'",
    );
    const page = await response.text();
    assert.match(page, shown);
    assert.doesNotMatch(page, /<script|<b>/);
  }
});

test("an ID token that is wrong in any one claim begins no session", async (t) => {
  const scene = await setUpLogin(t);
  const { browser, session, peer, clock } = scene;
  const now = clock.now() / 1000;
  const wrong: Record<string, unknown>[] = [
    { iss: "https://other.example/" },
    { aud: "another-client" },
    { aud: ["agent", "other"], azp: "other" },
    { nonce: "another-login" },
    { nonce: undefined },
    { sub: undefined },
    { sub: "" },
    { sub: 7 },
    { sub: ["user:anne"] },
    { exp: now - 60 },
    { exp: undefined },
    { iat: undefined },
  ];
  for (const claims of wrong) {
    scene.answerLogin(claims);
    const response = await browser.logIn();
    assert.equal(response.status, 400, JSON.stringify(claims));
    assert.match(await response.text(), /session\.id_token_invalid/);
    assert.equal(await session.getSession(browser.request("/")), undefined);
  }
  assert.equal(peer.to(TOKEN).length, wrong.length);
});

test("an ID token that is missing, or signed with a shared secret, begins no session", async (t) => {
  const scene = await setUpLogin(t);
  scene.answerLogin({}, { alg: "HS256" });
  assert.match(await (await scene.browser.logIn()).text(), /session\.id_token_invalid/);
  scene.answerLogin({}, { body: { id_token: undefined } });
  assert.match(await (await scene.browser.logIn()).text(), /server\.bad_answer/);
});

test("a login replaces the session that the browser had, and ends it in the store", async (t) => {
  const { browser, session, newBrowser } = await setUpLogin(t);
  await browser.logIn();
  const former = browser.request("/");
  await browser.logIn();
  assert.equal(await session.getSession(former), undefined);
  assert.ok(await session.getSession(browser.request("/")));
  assert.equal(await session.getSession(newBrowser().request("/")), undefined);
});

test("logins that were begun and abandoned do not pile up in the browser", async (t) => {
  const { browser } = await setUpLogin(t);
  for (let i = 0; i < 20; i += 1) await browser.open("/auth/login");
  assert.ok(browser.cookies.size <= 5, String(browser.cookies.size));
  assert.equal((await browser.logIn()).status, 303);
});

test("a session ends after its time, whatever the browser kept", async (t) => {
  const { browser, session, clock } = await setUpLogin(t, { sessionTtlSeconds: 60 });
  await browser.logIn();
  clock.advance(59);
  assert.ok(await session.getSession(browser.request("/")));
  clock.advance(2);
  assert.equal(await session.getSession(browser.request("/")), undefined);
});

test("a logout ends the session here and its token, and goes on to the server", async (t) => {
  const { browser, session, peer } = await setUpLogin(t);
  await browser.logIn();
  const former = browser.request("/");
  const url = locationOf(await browser.open("/auth/logout?returnTo=/bye"));
  assert.equal(`${url.origin}${url.pathname}`, `${peer.issuer}oidc/logout`);
  const { id_token_hint: hint, ...rest } = Object.fromEntries(url.searchParams);
  assert.match(hint ?? "", /^[\w-]+\.[\w-]+\.[\w-]+$/);
  assert.deepEqual(rest, {
    client_id: "agent",
    logout_hint: "sid-1",
    post_logout_redirect_uri: "https://app.example",
  });
  assert.equal(peer.to("/oauth/revoke")[0]?.form.get("token"), "rt-1");
  assert.equal(browser.cookies.has("__Host-behalf_app"), false);
  assert.equal(await session.getSession(former), undefined);
});

test("a logout works while the server is down", async (t) => {
  const { browser, session, peer } = await setUpLogin(t);
  await browser.logIn();
  peer.answer("/oauth/revoke", { status: 503, body: "down" });
  const former = browser.request("/");
  assert.equal((await browser.open("/auth/logout")).status, 303);
  assert.equal(await session.getSession(former), undefined);
});

test("a logout without a session goes to the app", async (t) => {
  const { browser } = await setUpLogin(t);
  const response = await browser.open("/auth/logout?returnTo=//evil.example");
  assert.equal(response.headers.get("location"), "https://app.example");
});

test("other addresses and methods are refused", async (t) => {
  const { browser } = await setUpLogin(t);
  assert.equal((await browser.open("/auth/other")).status, 404);
  assert.equal((await browser.open("/auth")).status, 404);
  assert.equal((await browser.open("/auth/login", "POST")).status, 405);
});

test("a server that is down makes the page say so, to be tried again", async (t) => {
  const { browser, peer } = await setUpLogin(t);
  peer.answer("/.well-known/openid-configuration", { status: 503, body: "down" });
  const response = await browser.open("/auth/login");
  assert.equal(response.status, 503);
  assert.match(await response.text(), /server\.bad_answer/);
});

test("everything that is wrong with a session's configuration is named at once", () => {
  const behalf = behalfOf({ issuer: "http://127.0.0.1:9/" });
  const cases: [appBaseUrl: string, secret: string | string[], message: RegExp][] = [
    ["app.example", "short", /- appBaseUrl must be the app's URL.*\n- secret must have at least 32/],
    ["http://app.example", "s".repeat(40), /https, or http on loopback/],
    ["https://app.example/base", "s".repeat(40), /no path, query or fragment/],
    ["https://app.example", [], /secret must have/],
    ["https://app.example", ["s".repeat(40), "short"], /secret must have/],
  ];
  for (const [appBaseUrl, secret, message] of cases) {
    assert.throws(() => createAppAuth({ behalf, appBaseUrl, secret }), { code: "config.invalid", message });
  }
});

test("on http on loopback the cookies work without the prefix that only https allows", async (t) => {
  const { session } = await setUpLogin(t, { appBaseUrl: "http://localhost:3000" });
  const response = await session.handler(new Request("http://localhost:3000/auth/login"));
  assert.match(response.headers.getSetCookie()[0] ?? "", /^behalf_txn_[\w-]{16}=/);
});
