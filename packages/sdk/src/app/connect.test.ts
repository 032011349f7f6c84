import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { locationOf, setUpLogin } from "./testing.ts";

const CONNECT = "/me/v1/connected-accounts/connect";
const COMPLETE = "/me/v1/connected-accounts/complete";
const LINK = "/auth/connect?connection=calendar&scopes=events.read&scopes=events.write&returnTo=/chat";

async function setUpConnect(t: TestContext) {
  const scene = await setUpLogin(t);
  scene.answerRefresh({ body: { access_token: "at-me", expires_in: 600 } });
  const { issuer } = scene.peer;
  scene.peer.answer(CONNECT, {
    status: 201,
    body: {
      auth_session: "as-1",
      connect_uri: `${issuer}connect`,
      connect_params: { ticket: "t-1" },
      expires_in: 300,
    },
  });
  scene.peer.answer(COMPLETE, {
    status: 201,
    body: {
      id: "cac_1",
      connection: "calendar",
      access_type: "offline",
      scopes: ["events.read"],
      created_at: "2026-01-01T00:00:00Z",
    },
  });
  return scene;
}

test("connecting starts with a token for the user's own accounts and goes to the server with a ticket", async (t) => {
  const { browser, peer } = await setUpConnect(t);
  await browser.logIn();
  const response = await browser.open(`${LINK}&login_hint=w1&redirect_uri=https://evil.example`);
  assert.equal(response.headers.get("location"), `${peer.issuer}connect?ticket=t-1`);
  const refresh = peer.requests.find(({ form }) => form.get("grant_type") === "refresh_token")?.form;
  assert.equal(refresh?.get("audience"), `${peer.issuer}me/`);
  assert.equal(refresh?.get("scope"), "openid profile email offline_access create:me:connected_accounts");
  const [request] = peer.to(CONNECT);
  assert.equal(request?.headers.authorization, "Bearer at-me");
  const { state, code_challenge: challenge, ...rest } = JSON.parse(request?.body ?? "");
  for (const random of [state, challenge]) assert.match(random, /^[\w-]{43}$/);
  assert.deepEqual(rest, {
    connection: "calendar",
    redirect_uri: "https://app.example/auth/callback",
    code_challenge_method: "S256",
    scopes: ["events.read", "events.write"],
    authorization_params: { login_hint: "w1" },
  });
});

test("the way back completes the connection with what was begun and opens the page that was asked for", async (t) => {
  const { browser, peer } = await setUpConnect(t);
  await browser.logIn();
  await browser.open(LINK);
  const { state } = JSON.parse(peer.to(CONNECT)[0]?.body ?? "");
  const response = await browser.open(`/auth/callback?connect_code=cc-1&state=${state}`);
  assert.equal(response.headers.get("location"), "https://app.example/chat");
  const { code_verifier: verifier, ...rest } = JSON.parse(peer.to(COMPLETE)[0]?.body ?? "");
  assert.match(verifier, /^[\w-]{43}$/);
  assert.deepEqual(rest, {
    auth_session: "as-1",
    connect_code: "cc-1",
    redirect_uri: "https://app.example/auth/callback",
  });
});

test("a connection begun by one browser cannot be completed by another, logged in or not", async (t) => {
  const { browser, newBrowser, peer } = await setUpConnect(t);
  await browser.logIn();
  await browser.open(LINK);
  const { state } = JSON.parse(peer.to(CONNECT)[0]?.body ?? "");
  const path = `/auth/callback?connect_code=cc-1&state=${state}`;
  const stranger = newBrowser();
  assert.equal((await stranger.open(path)).status, 400);
  await stranger.logIn();
  assert.equal((await stranger.open(path)).status, 400);
  assert.equal(peer.to(COMPLETE).length, 0);
});

test("a connection begun in one login is not completed in the next one of the same browser", async (t) => {
  const { browser, peer } = await setUpConnect(t);
  await browser.logIn();
  await browser.open(LINK);
  const { state } = JSON.parse(peer.to(CONNECT)[0]?.body ?? "");
  await browser.logIn();
  const response = await browser.open(`/auth/callback?connect_code=cc-1&state=${state}`);
  assert.equal(response.status, 403);
  assert.match(await response.text(), /session\.other_user/);
  assert.equal(peer.to(COMPLETE).length, 0);
});

test("a code cannot be completed as a login, nor a login's code as a connection", async (t) => {
  const { browser, peer, session } = await setUpConnect(t);
  await browser.logIn();
  await browser.open(LINK);
  const { state } = JSON.parse(peer.to(CONNECT)[0]?.body ?? "");
  const response = await browser.open(`/auth/callback?code=code-1&state=${state}`);
  assert.match(response.headers.get("location") ?? "", /connect_error=unknown/);
  const login = locationOf(await browser.open("/auth/login")).searchParams.get("state");
  assert.equal((await browser.open(`/auth/callback?connect_code=cc-1&state=${login}`)).status, 400);
  assert.equal(peer.to(COMPLETE).length, 0);
  assert.ok(await session.getSession(browser.request("/")));
});

test("a user who refused at the provider comes back to the page, which is told", async (t) => {
  const { browser, peer } = await setUpConnect(t);
  await browser.logIn();
  await browser.open(LINK);
  const { state } = JSON.parse(peer.to(CONNECT)[0]?.body ?? "");
  const response = await browser.open(`/auth/callback?error=access_denied&state=${state}`);
  assert.equal(response.headers.get("location"), "https://app.example/chat?connect_error=access_denied");
});

test("a user who is not logged in logs in first and then goes on connecting", async (t) => {
  const { browser, peer } = await setUpConnect(t);
  const url = locationOf(await browser.open(LINK));
  assert.equal(url.pathname, "/auth/login");
  assert.equal(url.searchParams.get("returnTo"), LINK);
  const back = locationOf(await browser.logIn(url.searchParams.get("returnTo") ?? ""));
  assert.equal(`${back.pathname}${back.search}`, LINK);
  await browser.open(`${back.pathname}${back.search}`);
  assert.equal(peer.to(CONNECT).length, 1);
});

test("a link without a connection is refused", async (t) => {
  const { browser } = await setUpConnect(t);
  await browser.logIn();
  assert.equal((await browser.open("/auth/connect")).status, 400);
});

test("a connection that the server refuses is shown with the server's code", async (t) => {
  const { browser, peer } = await setUpConnect(t);
  await browser.logIn();
  peer.answer(CONNECT, {
    status: 400,
    body: { title: "Bad Request", detail: "no such connection", code: "vault.unknown_connection" },
  });
  const response = await browser.open(LINK);
  assert.equal(response.status, 400);
  assert.match(await response.text(), /vault\.unknown_connection/);
});
