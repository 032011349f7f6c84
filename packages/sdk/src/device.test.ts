import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { getDeviceAuthorizationCredentials, runWithContext } from "./context.ts";
import { Interrupt, type InterruptCode } from "./interrupt.ts";
import { asAnne, behalfOf, manualClock, startPeer, TOKEN } from "./testing.ts";

const DEVICE = "/oauth/device/code";
const options = { toolName: "whoAmI", scopes: ["orders:read"], audience: "https://shop.example" };
const call = (toolCallId = "call-1") => ({ toolCallId });

async function setUp(t: TestContext) {
  const peer = await startPeer(t, {
    [DEVICE]: {
      body: {
        device_code: "secret-device-code",
        user_code: "BCDF-GHJK",
        verification_uri: "https://auth.example/device",
        verification_uri_complete: "https://auth.example/device?user_code=BCDF-GHJK",
        expires_in: 600,
      },
    },
    [TOKEN]: { status: 400, body: { error: "authorization_pending" } },
  });
  const clock = manualClock();
  const tool = behalfOf(peer, { clock }).withDeviceAuthorization(options, () =>
    getDeviceAuthorizationCredentials(),
  );
  return { peer, clock, tool, run: (toolCallId?: string) => asAnne(() => tool(null, call(toolCallId))) };
}

async function interrupted(promise: Promise<unknown>, code: InterruptCode): Promise<Interrupt> {
  const error = await promise.then(
    () => assert.fail("the tool ran"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Interrupt, String(error));
  assert.equal(error.code, code);
  return error;
}

test("the first run tells which code to enter where, and not the code that redeems it", async (t) => {
  const { peer, run } = await setUp(t);
  const interrupt = await interrupted(run(), "device.pending");
  assert.equal(interrupt.message, "Enter the code BCDF-GHJK at https://auth.example/device to go on.");
  assert.deepEqual(interrupt.toJSON().device, {
    userCode: "BCDF-GHJK",
    verificationUri: "https://auth.example/device",
    verificationUriComplete: "https://auth.example/device?user_code=BCDF-GHJK",
    expiresAt: "2026-01-01T00:10:00.000Z",
    intervalSeconds: 5,
  });
  assert.doesNotMatch(JSON.stringify(interrupt), /secret-device-code/);
  assert.equal(peer.to(DEVICE)[0]?.form.get("scope"), "openid orders:read");
  assert.equal(peer.to(DEVICE)[0]?.form.get("audience"), "https://shop.example");
});

test("once the code was entered the tool runs, and later calls of the thread use the same token", async (t) => {
  const { peer, clock, run } = await setUp(t);
  await interrupted(run(), "device.pending");
  await interrupted(run(), "device.pending");
  peer.answer(TOKEN, {
    body: { access_token: "at-1", expires_in: 3600, refresh_token: "rt-1", scope: "openid" },
  });
  const expected = {
    accessToken: "at-1",
    tokenType: "Bearer",
    scopes: ["openid"],
    expiresAt: "2026-01-01T01:00:00.000Z",
    refreshToken: "rt-1",
  };
  assert.deepEqual(await run(), expected);
  assert.deepEqual(await run("call-2"), expected);
  assert.equal(peer.to(DEVICE).length, 1);
  assert.equal(peer.to(TOKEN).length, 2);
  assert.equal(peer.to(TOKEN)[0]?.form.get("device_code"), "secret-device-code");
  clock.advance(3600);
  await interrupted(run("call-3"), "device.pending");
});

test("another user or thread has to enter a code of their own", async (t) => {
  const { peer, tool, run } = await setUp(t);
  await interrupted(run(), "device.pending");
  peer.answer(TOKEN, { body: { access_token: "at-1", expires_in: 3600 } });
  await run();
  for (const context of [
    { userId: "user:bob", threadId: "thread-1" },
    { userId: "user:anne", threadId: "thread-2" },
  ]) {
    await interrupted(
      runWithContext(context, () => tool(null, call())),
      "device.pending",
    );
  }
  assert.equal(peer.to(DEVICE).length, 3);
});

test("a user who refused, was too late or is unknown is an error, and the next run starts anew", async (t) => {
  const { peer, run } = await setUp(t);
  const cases = [
    ["access_denied", "device.denied"],
    ["expired_token", "device.expired"],
    ["invalid_grant", "device.unknown"],
  ] as const;
  for (const [error, code] of cases) {
    await interrupted(run(), "device.pending");
    peer.answer(TOKEN, { status: 400, body: { error } });
    await assert.rejects(run(), { name: "BehalfError", code });
  }
  assert.equal(peer.to(DEVICE).length, 3);
});

test("a poll that came too soon says how long to wait, and a server that is down changes nothing", async (t) => {
  const { peer, run } = await setUp(t);
  await interrupted(run(), "device.pending");
  peer.answer(TOKEN, { status: 400, body: { error: "slow_down" } });
  const fast = await interrupted(run(), "device.polled_too_fast");
  assert.equal(fast.toJSON().device?.intervalSeconds, 10);
  peer.answer(TOKEN, { status: 503, body: { error: "server_error" } });
  await assert.rejects(run(), { code: "server.unavailable" });
  peer.answer(TOKEN, { body: { access_token: "at-1", expires_in: 3600 } });
  await run();
  assert.equal(peer.to(DEVICE).length, 1);
});

test("a server that does not offer it, or answers without codes, is an error", async (t) => {
  const { peer, run } = await setUp(t);
  peer.answer(DEVICE, { body: { device_code: "x" } });
  await assert.rejects(run(), { code: "server.bad_answer" });
  peer.answer(DEVICE, { status: 400, body: { error: "unauthorized_client" } });
  await assert.rejects(run(), { code: "oauth.unauthorized_client" });
});
