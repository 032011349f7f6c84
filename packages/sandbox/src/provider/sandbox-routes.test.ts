import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import type { RunningProvider } from "./provider.ts";
import { DEFAULT_SWITCHES } from "./switches.ts";
import {
  callApi,
  connect,
  folder,
  getCode,
  provider,
  redeem,
  refresh,
  refusalOf,
  tokensOf,
} from "./testing.ts";

const send = (at: RunningProvider, method: string, path: string, body?: unknown) =>
  fetch(`${at.url}/_sandbox/${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });

test("PUT switches sets them and answers them all", async (t) => {
  const at = await provider(t);
  const response = await send(at, "PUT", "switches", { rotation: "strict" });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { ...DEFAULT_SWITCHES, rotation: "strict" });
  assert.equal(at.switches.get().rotation, "strict");
});

test("PUT switches turns off what it does not name", async (t) => {
  const at = await provider(t);
  await send(at, "PUT", "switches", { status500: {} });
  await send(at, "PUT", "switches", { rotation: "grace" });
  assert.equal(at.switches.get().status500, null);
});

test("PUT switches with a problem changes nothing", async (t) => {
  const at = await provider(t);
  const response = await send(at, "PUT", "switches", { rotation: "strict", slow: {} });
  assert.deepEqual(await refusalOf(response), { status: 400, error: "invalid_request" });
  assert.deepEqual(at.switches.get(), DEFAULT_SWITCHES);
});

test("switches.set in process raises the problems", async (t) => {
  const at = await provider(t);
  assert.throws(() => at.switches.set({ slow: {} }), /slow\.ms must be/);
});

test("the log counts refreshes, with their outcome and grant", async (t) => {
  const at = await provider(t);
  const { refresh_token } = await connect(at);
  const after = at.log().at(-1)?.seq ?? 0;
  await refresh(at, refresh_token);
  await refresh(at, "cal_rt_x");
  const response = await send(at, "GET", `log?after=${after}`);
  // The provider under test.
  const { requests } = (await response.json()) as { requests: Record<string, unknown>[] };
  const seen = requests.map(({ method, path, grantType, outcome, grantId }) => [
    method,
    path,
    grantType,
    outcome,
    grantId,
  ]);
  const grantId = at.grants()[0]?.id;
  assert.deepEqual(seen, [
    ["POST", "/token", "refresh_token", "200", grantId],
    ["POST", "/token", "refresh_token", "invalid_grant", undefined],
  ]);
});

test("a log position that is no number is refused", async (t) => {
  const at = await provider(t);
  assert.equal((await send(at, "GET", "log?after=first")).status, 400);
});

test("neither the log nor the file holds a secret", async (t) => {
  const dataFile = join(folder(t), "provider.sqlite");
  const at = await provider(t, { dataFile });
  const code = await getCode(at, { state: "canary-state" });
  const tokens = await tokensOf(await redeem(at, code));
  await callApi(at, `/calendar/v1/events?access_token=${tokens.access_token}`, tokens.access_token);
  const log = await (await send(at, "GET", "log")).text();
  const files = readdirSync(join(dataFile, "..")).map((name) =>
    readFileSync(join(dataFile, "..", name), "latin1"),
  );
  assert.ok(log.includes("grant_") && files.join("").includes("grant_"), "the search finds what is there");
  for (const secret of [code, tokens.access_token, tokens.refresh_token, "app secret"]) {
    assert.ok(!log.includes(secret));
    assert.ok(!files.join("").includes(secret));
  }
});

test("an event that the sandbox adds is in the account's calendar", async (t) => {
  const at = await provider(t);
  const { access_token } = await connect(at, {}, "acc_work");
  const today = new Date().toISOString().slice(0, 10);
  const event = { title: "Surprise visit", start: `${today}T00:00Z`, end: `${today}T23:59Z` };
  const added = await send(at, "POST", "events", { account: "anne.lee@work.example", ...event });
  assert.equal(added.status, 201);
  assert.match(await (await callApi(at, "/calendar/v1/events", access_token)).text(), /Surprise visit/);
});

test("an event for an account that does not exist is refused", async (t) => {
  const at = await provider(t);
  const event = { account: "x@y.example", title: "x", start: "2026-05-04T10:00Z", end: "2026-05-04T11:00Z" };
  assert.deepEqual(await refusalOf(await send(at, "POST", "events", event)), {
    status: 400,
    error: "invalid_request",
  });
});

test("a person who removes the access at the provider ends the account's grants and no others", async (t) => {
  const at = await provider(t);
  const [gone, kept] = [await connect(at), await connect(at, {}, "acc_work")];
  const response = await send(at, "POST", "grants/revoke", { account: "anne.lee@calendar.example" });
  assert.deepEqual(await response.json(), { revoked: 1 });
  assert.equal((await refresh(at, gone.refresh_token)).status, 400);
  assert.equal((await refresh(at, kept.refresh_token)).status, 200);
});

test("grants tell whose they are and why they ended", async (t) => {
  const at = await provider(t);
  await connect(at, { scope: "calendar.read" });
  await send(at, "POST", "grants/revoke", { account: "acc_personal" });
  // The provider under test.
  const { grants } = (await (await send(at, "GET", "grants")).json()) as {
    grants: Record<string, unknown>[];
  };
  const { clientId, account, scope, revokedBecause } = grants[0] ?? {};
  assert.deepEqual(
    [clientId, account, scope, revokedBecause],
    ["app", "anne.lee@calendar.example", "calendar.read", "revoked_by_user"],
  );
});

test("reset forgets grants, tokens, switches and log", async (t) => {
  const at = await provider(t);
  const { access_token } = await connect(at);
  at.switches.set({ rotation: "strict" });
  assert.equal((await send(at, "POST", "reset")).status, 204);
  assert.deepEqual([at.grants(), at.log(), at.switches.get()], [[], [], DEFAULT_SWITCHES]);
  assert.equal((await callApi(at, "/calendar/v1/me", access_token)).status, 401);
});

for (const [what, headers] of Object.entries({
  "from a web page": { origin: "http://127.0.0.1" },
  "under a foreign host name": { host: "rebound.example" },
  "through a proxy": { "x-forwarded-for": "203.0.113.5" },
})) {
  test(`a call to the sandbox routes ${what} is refused`, async (t) => {
    const at = await provider(t);
    const status = await new Promise((resolve, reject) => {
      get(`${at.url}/_sandbox/log`, { headers }, (response) => resolve(response.resume().statusCode)).on(
        "error",
        reject,
      );
    });
    assert.equal(status, 403);
  });
}

test("a call to the sandbox routes by the name localhost is taken", async (t) => {
  const at = await provider(t);
  const port = new URL(at.url).port;
  assert.equal((await fetch(`http://localhost:${port}/_sandbox/log`)).status, 200);
});

test("metadata publishes the endpoints under the issuer", async (t) => {
  const at = await provider(t, { issuer: "https://calendar.example" });
  const response = await fetch(`${at.url}/.well-known/oauth-authorization-server`);
  // The provider under test.
  const metadata = (await response.json()) as Record<string, unknown>;
  assert.equal(metadata["issuer"], "https://calendar.example");
  assert.equal(metadata["token_endpoint"], "https://calendar.example/token");
  assert.equal(metadata["authorization_response_iss_parameter_supported"], true);
});

test("a path that does not exist is answered as JSON", async (t) => {
  const at = await provider(t);
  assert.deepEqual(await refusalOf(await fetch(`${at.url}/nothing`)), { status: 404, error: "not_found" });
});

for (const uri of [
  "http://app.example/cb",
  "/cb",
  "https://app.example/cb#x",
  "https://user@app.example/",
  "javascript:alert(1)",
]) {
  test(`a provider does not start with the redirect URI ${uri}`, async (t) => {
    const clients = [{ clientId: "app", clientSecret: "s", redirectUris: [uri] }];
    await assert.rejects(provider(t, { clients }), { name: "StartError" });
  });
}
