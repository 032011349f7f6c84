import assert from "node:assert/strict";
import { test } from "node:test";
import { callApi, connect, post, provider, refresh, refusalOf } from "./testing.ts";

const revoke = (at: Awaited<ReturnType<typeof provider>>, token: string | undefined, form = {}) =>
  post(at, "/revoke", { token, ...form });

test("a revoked refresh token ends its access tokens too", async (t) => {
  const at = await provider(t);
  const { refresh_token, access_token } = await connect(at);
  const response = await revoke(at, refresh_token, { token_type_hint: "refresh_token" });
  assert.equal(response.status, 200);
  assert.equal(await response.text(), "");
  assert.deepEqual(await refusalOf(await refresh(at, refresh_token)), {
    status: 400,
    error: "invalid_grant",
  });
  assert.deepEqual(await refusalOf(await callApi(at, "/calendar/v1/me", access_token)), {
    status: 401,
    error: "invalid_token",
  });
  assert.equal(at.grants()[0]?.revoked_because, "revoked_by_client");
});

test("a spent refresh token still ends its grant", async (t) => {
  const at = await provider(t);
  at.switches.set({ rotation: "strict" });
  const first = await connect(at);
  await refresh(at, first.refresh_token);
  assert.equal((await revoke(at, first.refresh_token)).status, 200);
  assert.equal(at.grants()[0]?.revoked_because, "revoked_by_client");
});

test("a revoked access token ends alone", async (t) => {
  const at = await provider(t);
  const { refresh_token, access_token } = await connect(at);
  assert.equal((await revoke(at, access_token)).status, 200);
  assert.equal((await callApi(at, "/calendar/v1/me", access_token)).status, 401);
  assert.equal((await refresh(at, refresh_token)).status, 200);
});

test("a wrong hint does not hinder", async (t) => {
  const at = await provider(t);
  const { refresh_token } = await connect(at);
  assert.equal((await revoke(at, refresh_token, { token_type_hint: "access_token" })).status, 200);
  assert.equal((await refresh(at, refresh_token)).status, 400);
});

test("a token that does not exist is answered as revoked", async (t) => {
  const at = await provider(t);
  assert.equal((await revoke(at, "cal_rt_x")).status, 200);
});

test("revoking twice is answered alike", async (t) => {
  const at = await provider(t);
  const { refresh_token } = await connect(at);
  assert.equal((await revoke(at, refresh_token)).status, 200);
  assert.equal((await revoke(at, refresh_token)).status, 200);
});

test("another client's token is refused and lives on", async (t) => {
  const at = await provider(t);
  const { refresh_token } = await connect(at);
  const response = await revoke(at, refresh_token, { client_id: "other", client_secret: "other-secret" });
  assert.deepEqual(await refusalOf(response), { status: 400, error: "invalid_grant" });
  assert.equal((await refresh(at, refresh_token)).status, 200);
});

test("a wrong secret revokes nothing", async (t) => {
  const at = await provider(t);
  const { refresh_token } = await connect(at);
  const response = await revoke(at, refresh_token, { client_secret: "wrong" });
  assert.deepEqual(await refusalOf(response), { status: 401, error: "invalid_client" });
  assert.equal((await refresh(at, refresh_token)).status, 200);
});

test("a revocation without a token is refused", async (t) => {
  const at = await provider(t);
  assert.deepEqual(await refusalOf(await revoke(at, undefined)), { status: 400, error: "invalid_request" });
});
