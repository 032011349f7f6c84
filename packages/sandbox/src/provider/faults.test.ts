import assert from "node:assert/strict";
import { test } from "node:test";
import {
  callApi,
  connect,
  getCode,
  movableClock,
  openPage,
  provider,
  redeem,
  refresh,
  refusalOf,
  tokensOf,
} from "./testing.ts";

const started = async (t: Parameters<typeof provider>[0], rotation: "none" | "strict" = "strict") => {
  const at = await provider(t);
  const tokens = await connect(at);
  return {
    at,
    ...tokens,
    set: (switches: Record<string, unknown>) => at.switches.set({ rotation, ...switches }),
  };
};
const connectionLost = (error: unknown) =>
  error instanceof TypeError && (error.cause as { code?: string }).code === "ECONNRESET"; // undici's shape

test("slow makes the caller wait", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ slow: { ms: 80 } });
  const before = performance.now();
  assert.equal((await refresh(at, refresh_token)).status, 200);
  assert.ok(performance.now() - before >= 79);
});

/** Waits for something that another request brings about, at most five seconds. */
async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !isSo(); tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(isSo());
}

test("slow goes on with the work when the caller has left", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ slow: { ms: 200, times: 1 } });
  const caller = new AbortController();
  const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token });
  const headers = { authorization: `Basic ${btoa("app:app+secret")}` };
  const left = fetch(`${at.url}/token`, { method: "POST", body, headers, signal: caller.signal });
  await until(() => at.log().at(-1)?.outcome === "received");
  caller.abort();
  await assert.rejects(left, { name: "AbortError" });
  assert.equal(at.grants()[0]?.generation, 0);
  await until(() => at.grants()[0]?.generation === 1);
});

test("slow does not keep the provider from stopping", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ slow: { ms: 60_000 } });
  const lost = assert.rejects(refresh(at, refresh_token));
  await until(() => at.log().at(-1)?.outcome === "received");
  const before = performance.now();
  await at.close();
  await lost;
  assert.ok(performance.now() - before < 2_000);
});

test("resetConnection before cuts the connection and spends nothing", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ resetConnection: { times: 1 } });
  await assert.rejects(refresh(at, refresh_token), connectionLost);
  assert.equal(at.grants()[0]?.generation, 0);
  assert.equal((await refresh(at, refresh_token)).status, 200);
});

test("resetConnection after cuts the connection when the token has been rotated", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ resetConnection: { when: "after", times: 1 } });
  await assert.rejects(refresh(at, refresh_token), connectionLost);
  assert.equal(at.grants()[0]?.generation, 1);
  assert.deepEqual(await refusalOf(await refresh(at, refresh_token)), {
    status: 400,
    error: "invalid_grant",
  });
});

test("status429 answers with Retry-After in seconds and spends nothing", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ status429: { retryAfterSeconds: 7, times: 1 } });
  const response = await refresh(at, refresh_token);
  assert.equal(response.headers.get("retry-after"), "7");
  assert.deepEqual(await refusalOf(response), { status: 429, error: "rate_limited" });
  assert.equal((await refresh(at, refresh_token)).status, 200);
});

test("status429 can give Retry-After as a date", async (t) => {
  const { clock } = movableClock(Date.parse("2026-05-04T10:00:00Z"));
  const at = await provider(t, { clock });
  at.switches.set({ status429: { retryAfterSeconds: 90, asDate: true } });
  const response = await refresh(at, "any");
  assert.equal(response.headers.get("retry-after"), "Mon, 04 May 2026 10:01:30 GMT");
});

test("status500 before spends nothing", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ status500: { times: 1 } });
  assert.deepEqual(await refusalOf(await refresh(at, refresh_token)), { status: 500, error: "server_error" });
  assert.equal((await refresh(at, refresh_token)).status, 200);
});

test("status500 after answers when the token has been rotated", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ status500: { when: "after", times: 1 } });
  assert.equal((await refresh(at, refresh_token)).status, 500);
  assert.equal(at.grants()[0]?.generation, 1);
});

test("redirect answers 307 to where it is told", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ redirect: { location: "http://127.0.0.1:9/steal" } });
  const response = await refresh(at, refresh_token);
  assert.deepEqual([response.status, response.headers.get("location")], [307, "http://127.0.0.1:9/steal"]);
});

test("html answers with a page and the status it is given", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ html: { status: 503 } });
  const response = await refresh(at, refresh_token);
  assert.equal(response.status, 503);
  assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
  assert.match(await response.text(), /^<!doctype html>/);
});

test("okWithError answers 200 with ok false", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ okWithError: { error: "token_expired" } });
  const response = await refresh(at, refresh_token);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { ok: false, error: "token_expired" });
  assert.equal(at.grants()[0]?.generation, 0);
});

test("gzipBomb answers with a small body that becomes a large one", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ gzipBomb: { bytes: 1_000_000 } });
  const response = await refresh(at, refresh_token);
  assert.ok(Number(response.headers.get("content-length")) < 10_000);
  assert.ok((await response.arrayBuffer()).byteLength > 1_000_000);
});

test("scopeShrink with a code makes the grant itself smaller", async (t) => {
  const at = await provider(t);
  at.switches.set({ scopeShrink: { drop: ["calendar.write"], times: 1 } });
  const tokens = await connect(at);
  assert.equal(tokens.scope, "calendar.read offline_access");
  assert.equal(
    (await tokensOf(await refresh(at, tokens.refresh_token))).scope,
    "calendar.read offline_access",
  );
});

test("scopeShrink with a refresh makes that access token smaller, truly", async (t) => {
  const { at, refresh_token, set } = await started(t, "none");
  set({ scopeShrink: { drop: ["calendar.read"], times: 1 } });
  const tokens = await tokensOf(await refresh(at, refresh_token));
  assert.equal(tokens.scope, "calendar.write offline_access");
  assert.equal((await callApi(at, "/calendar/v1/events", tokens.access_token)).status, 403);
  assert.match((await tokensOf(await refresh(at, refresh_token))).scope, /calendar\.read/);
});

test("scopeShrink of offline_access withholds the refresh token", async (t) => {
  const at = await provider(t);
  at.switches.set({ scopeShrink: { drop: ["offline_access"] } });
  assert.equal((await connect(at)).refresh_token, undefined);
});

for (const value of [0, -1, 1e12, "3600", "soon", null, 1.5]) {
  test(`expiresIn sends ${JSON.stringify(value)} as it is`, async (t) => {
    const { at, refresh_token, set } = await started(t, "none");
    set({ expiresIn: { value } });
    assert.equal((await tokensOf(await refresh(at, refresh_token))).expires_in, value);
  });
}

test("expiresIn without a value leaves the member out", async (t) => {
  const { at, refresh_token, set } = await started(t, "none");
  set({ expiresIn: {} });
  assert.ok(!("expires_in" in (await tokensOf(await refresh(at, refresh_token)))));
});

test("commaScopes separates the scopes by commas", async (t) => {
  const { at, refresh_token, set } = await started(t, "none");
  set({ commaScopes: {} });
  assert.equal(
    (await tokensOf(await refresh(at, refresh_token))).scope,
    "calendar.read,calendar.write,offline_access",
  );
});

test("longToken gives a token of that length, which works", async (t) => {
  const { at, refresh_token, set } = await started(t, "none");
  set({ longToken: {} });
  const { access_token } = await tokensOf(await refresh(at, refresh_token));
  assert.equal(access_token.length, 65_536);
  assert.equal((await callApi(at, "/calendar/v1/me", access_token)).status, 200);
});

test("duplicateMembers names access_token twice", async (t) => {
  const { at, refresh_token, set } = await started(t, "none");
  set({ duplicateMembers: {} });
  const text = await (await refresh(at, refresh_token)).text();
  assert.match(text, /^\{"access_token":"worthless","access_token":"cal_at_/);
});

test("contentType changes how the answer calls itself", async (t) => {
  const { at, refresh_token, set } = await started(t, "none");
  set({ contentType: { value: "text/html" } });
  const response = await refresh(at, refresh_token);
  assert.equal(response.headers.get("content-type"), "text/html");
  assert.match((await tokensOf(response)).access_token, /^cal_at_/);
});

test("a fault is off after its number of times", async (t) => {
  const { at, refresh_token, set } = await started(t, "none");
  set({ status500: { times: 2 } });
  const statuses: number[] = [];
  for (let round = 0; round < 4; round++) statuses.push((await refresh(at, refresh_token)).status);
  assert.deepEqual(statuses, [500, 500, 200, 200]);
  assert.equal(at.switches.get().status500, null);
});

test("requests that come together share the number of times exactly", async (t) => {
  const { at, refresh_token, set } = await started(t, "none");
  set({ status500: { times: 5 } });
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(at, refresh_token)));
  assert.equal(answers.filter(({ status }) => status === 500).length, 5);
});

test("a fault leaves the endpoints alone that it does not name", async (t) => {
  const { at, access_token, refresh_token, set } = await started(t, "none");
  set({ status500: { endpoints: ["calendar"] } });
  assert.equal((await refresh(at, refresh_token)).status, 200);
  assert.equal((await callApi(at, "/calendar/v1/me", access_token)).status, 500);
  assert.equal((await callApi(at, "/userinfo", access_token)).status, 200);
});

test("every endpoint can be made to fail", async (t) => {
  const { at, access_token, set } = await started(t, "none");
  set({ status500: { endpoints: ["authorize", "token", "revoke", "userinfo", "metadata", "calendar"] } });
  const answers = await Promise.all([
    openPage(at),
    refresh(at, "any"),
    fetch(`${at.url}/revoke`, { method: "POST" }),
    callApi(at, "/userinfo", access_token),
    fetch(`${at.url}/.well-known/oauth-authorization-server`),
    callApi(at, "/calendar/v1/events", access_token),
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [500, 500, 500, 500, 500, 500],
  );
});

test("of two faults the one higher in the list answers, and the other is not used up", async (t) => {
  const { at, refresh_token, set } = await started(t, "none");
  set({ html: { times: 1 }, status429: { times: 1 } });
  assert.equal((await refresh(at, refresh_token)).status, 429);
  assert.equal(at.switches.get().html?.times, 1);
});

test("a change to the answer is not used up by a request that a fault answered", async (t) => {
  const { at, refresh_token, set } = await started(t, "none");
  set({ status500: { times: 1 }, commaScopes: { times: 1 } });
  assert.equal((await refresh(at, refresh_token)).status, 500);
  assert.match((await tokensOf(await refresh(at, refresh_token))).scope, /,/);
  assert.doesNotMatch((await tokensOf(await refresh(at, refresh_token))).scope, /,/);
});

test("the log names the fault", async (t) => {
  const { at, refresh_token, set } = await started(t);
  set({ resetConnection: { when: "after", times: 1 } });
  await assert.rejects(refresh(at, refresh_token));
  assert.partialDeepStrictEqual(at.log().at(-1), {
    outcome: "resetConnection",
    grantType: "refresh_token",
    fault: "resetConnection",
    when: "after",
  });
});

test("switches outlast a new connection with a code", async (t) => {
  const at = await provider(t);
  at.switches.set({ status500: { times: 1 } });
  const code = await getCode(at);
  assert.equal((await redeem(at, code)).status, 500);
  assert.equal((await redeem(at, code)).status, 200);
});
