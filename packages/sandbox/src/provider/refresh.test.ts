import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { callApi, connect, folder, movableClock, provider, refresh, refusalOf, tokensOf } from "./testing.ts";

const INVALID_GRANT = { status: 400, error: "invalid_grant" };
const INVALID_TOKEN = { status: 401, error: "invalid_token" };

test("rotation none: the refresh token stays and no new one is sent", async (t) => {
  const at = await provider(t);
  const { refresh_token } = await connect(at);
  for (let round = 0; round < 3; round++) {
    const tokens = await tokensOf(await refresh(at, refresh_token));
    assert.equal(tokens.refresh_token, undefined);
    assert.equal((await callApi(at, "/calendar/v1/me", tokens.access_token)).status, 200);
  }
});

test("rotation strict: each refresh gives a new refresh token, which works", async (t) => {
  const at = await provider(t);
  at.switches.set({ rotation: "strict" });
  const first = await connect(at);
  const second = await tokensOf(await refresh(at, first.refresh_token));
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal((await refresh(at, second.refresh_token)).status, 200);
});

test("rotation strict: a reused refresh token is refused and takes its whole family with it", async (t) => {
  const at = await provider(t);
  at.switches.set({ rotation: "strict" });
  const first = await connect(at);
  const second = await tokensOf(await refresh(at, first.refresh_token));
  assert.deepEqual(await refusalOf(await refresh(at, first.refresh_token)), INVALID_GRANT);
  assert.deepEqual(await refusalOf(await refresh(at, second.refresh_token)), INVALID_GRANT);
  assert.deepEqual(await refusalOf(await callApi(at, "/calendar/v1/me", second.access_token)), INVALID_TOKEN);
  assert.equal(at.grants()[0]?.revoked_because, "refresh_token_reused");
});

test("rotation strict: another grant of the same account lives on", async (t) => {
  const at = await provider(t);
  at.switches.set({ rotation: "strict" });
  const first = await connect(at);
  const another = await connect(at);
  await refresh(at, first.refresh_token);
  await refresh(at, first.refresh_token);
  assert.equal((await refresh(at, another.refresh_token)).status, 200);
});

test("rotation grace: the previous refresh token works within the grace", async (t) => {
  const { clock, move } = movableClock();
  const at = await provider(t, { clock });
  at.switches.set({ rotation: "grace", graceSeconds: 30 });
  const first = await connect(at);
  const second = await tokensOf(await refresh(at, first.refresh_token));
  move(30_000);
  const retried = await tokensOf(await refresh(at, first.refresh_token));
  assert.equal((await refresh(at, retried.refresh_token)).status, 200);
  assert.notEqual(retried.refresh_token, second.refresh_token);
});

test("rotation grace: after the grace a reuse ends the family", async (t) => {
  const { clock, move } = movableClock();
  const at = await provider(t, { clock });
  at.switches.set({ rotation: "grace", graceSeconds: 30 });
  const first = await connect(at);
  const second = await tokensOf(await refresh(at, first.refresh_token));
  move(30_001);
  assert.deepEqual(await refusalOf(await refresh(at, first.refresh_token)), INVALID_GRANT);
  assert.deepEqual(await refusalOf(await refresh(at, second.refresh_token)), INVALID_GRANT);
});

test("rotation grace: a token older than the previous one ends the family even within the grace", async (t) => {
  const at = await provider(t);
  at.switches.set({ rotation: "grace", graceSeconds: 30 });
  const first = await connect(at);
  const second = await tokensOf(await refresh(at, first.refresh_token));
  const third = await tokensOf(await refresh(at, second.refresh_token));
  assert.deepEqual(await refusalOf(await refresh(at, first.refresh_token)), INVALID_GRANT);
  assert.deepEqual(await refusalOf(await refresh(at, third.refresh_token)), INVALID_GRANT);
});

for (const rotation of ["strict", "grace"] as const) {
  test(`a refresh token that was spent under ${rotation} is no better after a switch to none`, async (t) => {
    const at = await provider(t);
    at.switches.set({ rotation });
    const { refresh_token } = await connect(at);
    await refresh(at, refresh_token);
    at.switches.set({ rotation: "none" });
    assert.deepEqual(await refusalOf(await refresh(at, refresh_token)), INVALID_GRANT);
  });
}

test("of 64 strict refreshes at once, through two processes' connections, one wins", async (t) => {
  const dataFile = join(folder(t), "provider.sqlite");
  const [one, two] = [await provider(t, { dataFile }), await provider(t, { dataFile })];
  one.switches.set({ rotation: "strict" });
  const { refresh_token } = await connect(one);
  const answers = await Promise.all(
    Array.from({ length: 64 }, (_, index) => refresh(index % 2 ? one : two, refresh_token)),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  assert.equal(answers.filter(({ status }) => status === 400).length, 63);
});

test("of 64 refreshes at once within the grace, all win", async (t) => {
  const at = await provider(t);
  at.switches.set({ rotation: "grace" });
  const { refresh_token } = await connect(at);
  const answers = await Promise.all(Array.from({ length: 64 }, () => refresh(at, refresh_token)));
  assert.ok(answers.every(({ status }) => status === 200));
});

test("a refresh may ask for fewer scopes, and the next one has them all again", async (t) => {
  const at = await provider(t);
  const { refresh_token } = await connect(at);
  const narrow = await tokensOf(await refresh(at, refresh_token, { scope: "calendar.read" }));
  assert.equal(narrow.scope, "calendar.read");
  const event = JSON.stringify({ title: "x", start: "2026-05-04T10:00Z", end: "2026-05-04T11:00Z" });
  const init = { method: "POST", body: event, headers: { "content-type": "application/json" } };
  const write = await callApi(at, "/calendar/v1/events", narrow.access_token, init);
  assert.deepEqual(await refusalOf(write), { status: 403, error: "insufficient_scope" });
  assert.equal(
    (await tokensOf(await refresh(at, refresh_token))).scope,
    "calendar.read calendar.write offline_access",
  );
});

test("a refresh for a scope that was not granted is refused and spends nothing", async (t) => {
  const at = await provider(t);
  at.switches.set({ rotation: "strict" });
  const { refresh_token } = await connect(at, { scope: "calendar.read offline_access" });
  const response = await refresh(at, refresh_token, { scope: "calendar.read calendar.write" });
  assert.deepEqual(await refusalOf(response), { status: 400, error: "invalid_scope" });
  assert.equal((await refresh(at, refresh_token)).status, 200);
});

test("a refresh token of another client is refused and stays good for its own", async (t) => {
  const at = await provider(t);
  at.switches.set({ rotation: "strict" });
  const { refresh_token } = await connect(at);
  const stolen = await refresh(at, refresh_token, { client_id: "other", client_secret: "other-secret" });
  assert.deepEqual(await refusalOf(stolen), INVALID_GRANT);
  assert.equal((await refresh(at, refresh_token)).status, 200);
});

test("an invented refresh token is refused", async (t) => {
  const at = await provider(t);
  assert.deepEqual(await refusalOf(await refresh(at, "cal_rt_x")), INVALID_GRANT);
});

test("an access token is no refresh token", async (t) => {
  const at = await provider(t);
  const { access_token } = await connect(at);
  assert.deepEqual(await refusalOf(await refresh(at, access_token)), INVALID_GRANT);
});

test("accessTokenLifeSeconds sets how long a token is good for", async (t) => {
  const { clock, move } = movableClock();
  const at = await provider(t, { clock });
  at.switches.set({ accessTokenLifeSeconds: 5 });
  const { access_token, expires_in } = await connect(at);
  assert.equal(expires_in, 5);
  move(4_999);
  assert.equal((await callApi(at, "/calendar/v1/me", access_token)).status, 200);
  move(1);
  assert.deepEqual(await refusalOf(await callApi(at, "/calendar/v1/me", access_token)), INVALID_TOKEN);
});
