import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../store.ts";
import type { PeerRequest } from "../testing.ts";
import { behalfOf, TOKEN } from "../testing.ts";
import { createAppAuth } from "./index.ts";
import { setUpLogin } from "./testing.ts";

const isRefresh = ({ form }: PeerRequest) => form.get("grant_type") === "refresh_token";

test("the login's own access token is given out until shortly before it ends", async (t) => {
  const { browser, session, clock, peer, answerRefresh } = await setUpLogin(t);
  await browser.logIn();
  answerRefresh({ body: { access_token: "at-2", expires_in: 3600 } });
  assert.equal(await session.getAccessToken(browser.request("/")), "at-login");
  clock.advance(3600 - 31);
  assert.equal(await session.getAccessToken(browser.request("/")), "at-login");
  clock.advance(2);
  assert.equal(await session.getAccessToken(browser.request("/")), "at-2");
  assert.equal(peer.to(TOKEN).filter(isRefresh).length, 1);
});

test("another audience or scope is a token of its own, fetched once with the refresh token", async (t) => {
  const { browser, session, peer, answerRefresh } = await setUpLogin(t);
  await browser.logIn();
  answerRefresh(({ form }) => ({
    body: { access_token: `for ${form.get("audience")} ${form.get("scope")}`, expires_in: 600 },
  }));
  const wish = { audience: "https://shop.example", scope: "orders:read orders:create" };
  const token = "for https://shop.example orders:read orders:create";
  assert.equal(await session.getAccessToken(browser.request("/"), wish), token);
  const reordered = { ...wish, scope: "orders:create orders:read" };
  assert.equal(await session.getAccessToken(browser.request("/"), reordered), token);
  assert.equal(
    await session.getAccessToken(browser.request("/"), { ...wish, scope: "orders:read" }),
    "for https://shop.example orders:read",
  );
  assert.equal(peer.to(TOKEN).filter(isRefresh).length, 2);
});

test("many requests at once refresh once", async (t) => {
  const { browser, session, peer, answerRefresh } = await setUpLogin(t);
  await browser.logIn();
  answerRefresh(async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { body: { access_token: "at-2", refresh_token: "rt-2", expires_in: 600 } };
  });
  const wish = { audience: "https://shop.example" };
  const tokens = await Promise.all(
    Array.from({ length: 10 }, () => session.getAccessToken(browser.request("/"), wish)),
  );
  assert.deepEqual(new Set(tokens), new Set(["at-2"]));
  assert.equal(peer.to(TOKEN).filter(isRefresh).length, 1);
});

test("a rotated refresh token replaces the former one for every browser tab", async (t) => {
  const { browser, session, peer, answerRefresh } = await setUpLogin(t);
  await browser.logIn();
  const tab = browser.request("/");
  answerRefresh({ body: { access_token: "at-2", refresh_token: "rt-2", expires_in: 600 } });
  await session.getAccessToken(browser.request("/"), { audience: "https://one.example" });
  assert.equal(await session.getRefreshToken(tab), "rt-2");
  await session.getAccessToken(tab, { audience: "https://two.example" });
  assert.deepEqual(
    peer
      .to(TOKEN)
      .filter(isRefresh)
      .map(({ form }) => form.get("refresh_token")),
    ["rt-1", "rt-2"],
  );
});

test("a refresh token that the server no longer honours ends in a login, and is not tried again", async (t) => {
  const { browser, session, peer, answerRefresh } = await setUpLogin(t);
  await browser.logIn();
  answerRefresh({ status: 400, body: { error: "invalid_grant" } });
  const wish = { audience: "https://shop.example" };
  for (let i = 0; i < 2; i += 1) {
    await assert.rejects(session.getAccessToken(browser.request("/"), wish), {
      code: "session.login_required",
      status: 401,
    });
  }
  assert.equal(peer.to(TOKEN).filter(isRefresh).length, 1);
  assert.equal(await session.getRefreshToken(browser.request("/")), undefined);
});

test("a server that is down, or that refuses this client, does not cost the user the login", async (t) => {
  const { browser, session, answerRefresh } = await setUpLogin(t);
  await browser.logIn();
  const wish = { audience: "https://shop.example" };
  answerRefresh({ status: 503, body: { error: "temporarily_unavailable" } });
  await assert.rejects(session.getAccessToken(browser.request("/"), wish), {
    code: "server.unavailable",
    retryable: true,
  });
  answerRefresh({ status: 400, body: { error: "invalid_scope" } });
  await assert.rejects(session.getAccessToken(browser.request("/"), wish), { code: "oauth.invalid_scope" });
  assert.equal(await session.getRefreshToken(browser.request("/")), "rt-1");
});

test("without a session there is no token", async (t) => {
  const { browser, session } = await setUpLogin(t);
  await assert.rejects(session.getAccessToken(browser.request("/")), { code: "session.login_required" });
  assert.equal(await session.getRefreshToken(browser.request("/")), undefined);
});

test("a logout while a token is fetched is not undone by it", async (t) => {
  const { browser, session, answerRefresh } = await setUpLogin(t);
  await browser.logIn();
  const stolen = browser.request("/");
  let fetching = () => {};
  const begun = new Promise<void>((resolve) => {
    fetching = resolve;
  });
  let answer = () => {};
  answerRefresh(async () => {
    fetching();
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return { body: { access_token: "at-2", refresh_token: "rt-2", expires_in: 600 } };
  });
  const token = assert.rejects(session.getAccessToken(stolen, { audience: "https://shop.example" }), {
    code: "session.login_required",
  });
  await begun;
  await browser.open("/auth/logout");
  answer();
  await token;
  assert.equal(await session.getSession(stolen), undefined);
});

test("a session sealed with a key that is gone is a login that has ended", async (t) => {
  const store = createMemoryStore();
  const first = await setUpLogin(t, {}, { store });
  await first.browser.logIn();
  const request = first.browser.request("/");
  const rekeyed = behalfOf(first.peer, { store, clock: first.clock, storeKey: "k".repeat(40) });
  const session = createAppAuth({
    behalf: rekeyed,
    appBaseUrl: "https://app.example",
    secret: "s".repeat(40),
  });
  assert.equal(await session.getSession(request), undefined);
  assert.ok(await first.session.getSession(request));
});
