import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../store.ts";
import { behalfOf, startPeer, TOKEN } from "../testing.ts";
import { createAppAuth } from "./index.ts";
import { locationOf, setUpLogin } from "./testing.ts";

test("what a link to the login asks for goes to the server, and nothing else does", async (t) => {
  const { browser } = await setUpLogin(t);
  const asked = {
    organization: "acme",
    invitation: "inv-1",
    connection: "google",
    screen_hint: "signup",
    login_hint: "anne",
    max_age: "60",
    acr_values: "phr",
    prompt: "login",
    ui_locales: "ja",
  };
  const others = {
    redirect_uri: "https://evil.example/",
    response_mode: "fragment",
    nonce: "n",
    request: "r",
  };
  const sent = locationOf(
    await browser.open(`/auth/login?${new URLSearchParams({ ...asked, ...others })}`),
  ).searchParams;
  for (const [name, value] of Object.entries(asked)) assert.equal(sent.get(name), value);
  assert.equal(sent.get("redirect_uri"), "https://app.example/auth/callback");
  assert.notEqual(sent.get("nonce"), "n");
  for (const name of ["response_mode", "request"]) assert.equal(sent.get(name), null);
});

test("a login of another organization than the one asked for begins no session", async (t) => {
  const scene = await setUpLogin(t);
  const attempt = async (organization: string, claims: Record<string, unknown>) => {
    const browser = scene.newBrowser();
    scene.answerLogin(claims);
    const back = await browser.beginLogin("/", { organization });
    const response = await browser.open(back);
    const code = /\(([a-z]+\.[a-z_]+)\)<\/p>/.exec(await response.text())?.[1];
    return [response.status, (await scene.session.getSession(browser.request("/")))?.userId, code];
  };
  assert.deepEqual(await attempt("org_1", { org_id: "org_1" }), [303, "user:anne", undefined]);
  assert.deepEqual(await attempt("Acme", { org_id: "org_1", org_name: "acme" }), [
    303,
    "user:anne",
    undefined,
  ]);
  for (const claims of [{}, { org_id: "org_2" }, { org_id: "ORG_1" }, { org_id: "org_2", org_name: 7 }])
    assert.deepEqual(
      await attempt("org_1", claims),
      [400, undefined, "session.organization_mismatch"],
      JSON.stringify(claims),
    );
});

test("a login at the server that is older than was asked for begins no session", async (t) => {
  const scene = await setUpLogin(t);
  const now = scene.clock.now() / 1000;
  const attempt = async (maxAge: string, claims: Record<string, unknown>) => {
    scene.answerLogin(claims);
    const back = await scene.browser.beginLogin("/", { max_age: maxAge });
    const response = await scene.browser.open(back);
    return [response.status, (await response.text()).includes("(session.login_too_old)")];
  };
  assert.deepEqual(await attempt("60", { auth_time: now - 60 }), [303, false]);
  for (const auth_time of [now - 66, undefined, String(now)])
    assert.deepEqual(await attempt("60", { auth_time }), [400, true], String(auth_time));
  assert.deepEqual(await attempt("0", { auth_time: now - 6 }), [400, true]);
});

test("a session ends no later than the server says", async (t) => {
  const scene = await setUpLogin(t);
  scene.answerLogin({ session_expiry: scene.clock.now() / 1000 + 60 });
  await scene.browser.logIn();
  const request = scene.browser.request("/");
  assert.ok(await scene.session.getSession(request));
  scene.clock.advance(60);
  assert.equal(await scene.session.getSession(request), undefined);
});

test("in the browser a token goes to scripts for the audiences that the app names alone", async (t) => {
  const scene = await setUpLogin(t, { browserAudiences: ["https://shop.example"] });
  scene.answerRefresh({ body: { access_token: "at-shop", expires_in: 600 } });
  await scene.browser.logIn();
  const ask = async (query: string) => {
    const response = await scene.browser.open(`/auth/access-token${query}`);
    return [response.status, await response.json()] as const;
  };
  const [status, body] = await ask("?audience=https://shop.example");
  assert.deepEqual([status, body.accessToken, body.expiresAt], [200, "at-shop", "2026-01-01T00:10:00.000Z"]);
  for (const query of [
    "",
    "?audience=",
    `?audience=${scene.peer.issuer}me/`,
    "?audience=https://shop.example/",
  ])
    assert.deepEqual((await ask(query))[1].code, "session.audience_not_allowed", query);
});

test("a session that is too large for one cookie is spread over several, and leaves none behind", async (t) => {
  const scene = await setUpLogin(t, { sessionsIn: "cookie" });
  const { browser, session } = scene;
  scene.answerLogin({ picture: "p".repeat(2_000) });
  await browser.logIn();
  const names = [...browser.cookies.keys()].sort();
  assert.ok(names.length >= 2 && names.every((name) => /^__Host-behalf_app\.\d$/.test(name)), String(names));
  for (const value of browser.cookies.values()) assert.ok(value.length <= 3_500);
  assert.equal((await session.getSession(browser.request("/")))?.userId, "user:anne");
  const [last = ""] = names.slice(-1);
  const kept = browser.cookies.get(last) ?? "";
  browser.cookies.delete(last);
  assert.equal(await session.getSession(browser.request("/")), undefined, "a piece is missing");
  browser.cookies.set(last, kept);
  scene.answerLogin();
  await browser.logIn();
  assert.deepEqual([...browser.cookies.keys()], ["__Host-behalf_app"]);
});

test("a session that no browser could keep in cookies is refused at the login", async (t) => {
  const scene = await setUpLogin(t, { sessionsIn: "cookie" });
  scene.answerLogin({ picture: "p".repeat(12_000) });
  const response = await scene.browser.logIn();
  assert.ok((await response.text()).includes("(session.too_large)"));
  assert.equal(await scene.session.getSession(scene.browser.request("/")), undefined);
});

test("a session in the cookie refreshes once for many requests, and each answer gets the rotated token", async (t) => {
  const scene = await setUpLogin(t, { sessionsIn: "cookie" });
  const { browser, session, peer } = scene;
  await browser.logIn();
  let given = 1;
  scene.answerRefresh(({ form }) => {
    assert.equal(form.get("refresh_token"), `rt-${given}`);
    given += 1;
    return {
      body: { access_token: `at-${form.get("audience")}`, refresh_token: `rt-${given}`, expires_in: 600 },
    };
  });
  const request = browser.request("/");
  const audiences = ["a", "b", "a", "b", "a"];
  const answers = audiences.map(() => new Headers());
  const tokens = await Promise.all(
    audiences.map((audience, i) => session.getAccessToken(request, { audience }, answers[i])),
  );
  assert.deepEqual(
    tokens,
    audiences.map((audience) => `at-${audience}`),
  );
  assert.equal(peer.to(TOKEN).length, 3);
  for (const answer of answers) {
    assert.equal(answer.get("cache-control"), "no-store");
    assert.ok(answer.getSetCookie().length > 0);
  }
});

test("sessions in the cookie without a place for revocations end in the browser alone", async (t) => {
  const scene = await setUpLogin(t, { sessionsIn: "cookie" });
  await scene.browser.logIn();
  const kept = scene.browser.request("/");
  await scene.browser.open("/auth/logout");
  assert.equal(scene.browser.cookies.size, 0);
  assert.ok(await scene.session.getSession(kept), "as the option says");
});

test("options that contradict each other or make no sense are named", async (t) => {
  const behalf = behalfOf(await startPeer(t));
  const options = { behalf, appBaseUrl: "https://app.example", secret: "s".repeat(40) };
  for (const [wrong, named] of [
    [{ revocations: createMemoryStore() }, /revocations is for/],
    [{ sessionTtlSeconds: 0 }, /sessionTtlSeconds/],
    [{ sessionIdleSeconds: Number.NaN }, /sessionIdleSeconds/],
  ] as const) {
    assert.throws(() => createAppAuth({ ...options, ...wrong }), { code: "config.invalid", message: named });
  }
});

test("an account can come back to an address of its own, which serves no login", async (t) => {
  const scene = await setUpLogin(t, { connectCallbackPath: "/auth/connect/callback" });
  const { browser, peer } = scene;
  const login = new URL(await browser.beginLogin(), "https://app.example");
  const misused = await browser.open(`/auth/connect/callback${login.search}`);
  assert.match(await misused.text(), /session\.transaction_unknown/);
  assert.equal((await browser.open(`/auth/callback${login.search}`)).status, 303);
  scene.answerRefresh({ body: { access_token: "at-me", expires_in: 600 } });
  const path = "/me/v1/connected-accounts/connect";
  peer.answer(path, {
    status: 201,
    body: { auth_session: "as", connect_uri: `${peer.issuer}connect`, connect_params: { ticket: "t" } },
  });
  peer.answer("/me/v1/connected-accounts/complete", {
    status: 201,
    body: { id: "cac_1", connection: "calendar", created_at: "2026-01-01T00:00:00Z" },
  });
  await browser.open("/auth/connect?connection=calendar");
  const { state, redirect_uri: redirectUri } = JSON.parse(peer.to(path)[0]?.body ?? "");
  assert.equal(redirectUri, "https://app.example/auth/connect/callback");
  const query = `?connect_code=cc&state=${state}`;
  assert.equal((await browser.open(`/auth/callback${query}`)).status, 400);
  assert.equal((await browser.open(`/auth/connect/callback${query}`)).status, 303);
});
