import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, call, issuer, shop } from "./testing.ts";

const UNREACHABLE = { status: 503, error: "issuer_unreachable" };

async function refusal(response: Response) {
  const { status, error } = await answerOf(response);
  return { status, error };
}

test("the keys are read once for many tokens", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const tokens = await Promise.all(Array.from({ length: 10 }, () => from.token()));
  const answers = await Promise.all(tokens.map((token) => call(at, "/orders", token)));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(from.keyRequests(), 1);
});

test("a new key is found, a minute after the keys were last read", async (t) => {
  let now = Date.now();
  const from = await issuer(t);
  const at = await shop(t, from, { clock: () => now });
  await call(at, "/orders", await from.token());
  await from.rotate();
  const token = await from.token({ exp: Math.floor(now / 1_000) + 3_600 });
  assert.equal((await call(at, "/orders", token)).status, 401);
  now += 59_999;
  assert.equal((await call(at, "/orders", token)).status, 401);
  assert.equal(from.keyRequests(), 1);
  now += 1;
  assert.equal((await call(at, "/orders", token)).status, 200);
  assert.equal(from.keyRequests(), 2);
});

test("any number of unknown keys makes the shop ask once a minute", async (t) => {
  let now = Date.now();
  const from = await issuer(t);
  const at = await shop(t, from, { clock: () => now });
  await call(at, "/orders", await from.token());
  now += 60_000;
  const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => from.token({}, { kid: `key_${n}` })));
  const answers = await Promise.all(tokens.map((token) => call(at, "/orders", token)));
  assert.ok(answers.every(({ status }) => status === 401));
  assert.equal(from.keyRequests(), 2);
});

test("a withdrawn key is refused ten minutes later", async (t) => {
  let now = Date.now();
  const from = await issuer(t);
  const at = await shop(t, from, { clock: () => now });
  const token = await from.token({ exp: Math.floor(now / 1_000) + 3_600 });
  assert.equal((await call(at, "/orders", token)).status, 200);
  await from.rotate();
  now += 10 * 60_000;
  assert.equal((await call(at, "/orders", token)).status, 200);
  now += 1;
  assert.equal((await call(at, "/orders", token)).status, 401);
});

test("an issuer that is down is said to be down, and asked again for the next token", async (t) => {
  const from = await issuer(t);
  const token = await from.token();
  let down = true;
  const at = await shop(t, from, {
    fetch: (...request) => (down ? Promise.reject(new TypeError("refused")) : fetch(...request)),
  });
  assert.deepEqual(await refusal(await call(at, "/orders", token)), UNREACHABLE);
  down = false;
  assert.equal((await call(at, "/orders", token)).status, 200);
});

for (const [what, discovery] of Object.entries({
  "names another issuer": { issuer: "https://other.example/" },
  "has no jwks_uri": { jwks_uri: undefined },
  "has a jwks_uri that is no address": { jwks_uri: "keys" },
})) {
  test(`a discovery document that ${what} is not believed`, async (t) => {
    const from = await issuer(t);
    Object.assign(from.discovery, discovery);
    const at = await shop(t, from);
    assert.deepEqual(await refusal(await call(at, "/orders", await from.token())), UNREACHABLE);
  });
}

for (const [what, answer] of Object.entries({
  "that is no JSON": () => new Response("<html>"),
  "that is a list": () => Response.json([]),
  "of 300 kB": () => Response.json({ padding: "x".repeat(300_000) }),
  "with status 500": () => Response.json({}, { status: 500 }),
})) {
  test(`an answer of the issuer ${what} is not believed`, async (t) => {
    const from = await issuer(t);
    const at = await shop(t, from, { fetch: async () => answer() });
    assert.deepEqual(await refusal(await call(at, "/orders", await from.token())), UNREACHABLE);
  });
}

for (const bad of ["behalf", "http://auth.example/", "https://auth.example/?x", "ftp://127.0.0.1/"]) {
  test(`a shop does not start with the issuer ${bad}`, async (t) => {
    const from = await issuer(t);
    await assert.rejects(shop(t, from, { issuer: bad }), { name: "StartError", exitCode: 2 });
  });
}
