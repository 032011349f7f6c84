import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { base64url, exportJWK, generateKeyPair, SignJWT } from "jose";
import { createMemoryStore } from "../store.ts";
import { behalfOf, manualClock } from "../testing.ts";
import { type AppAuthOptions, createAppAuth } from "./index.ts";
import { startIssuer } from "./issuer/testing.ts";

const APP = "https://app.example";

async function setUp(t: TestContext, options: Partial<AppAuthOptions> = {}) {
  const clock = manualClock();
  const issuer = await startIssuer(t, clock);
  const behalf = behalfOf(issuer.peer, { clock, store: createMemoryStore({ clock }) });
  const auth = createAppAuth({ behalf, appBaseUrl: APP, secret: "s".repeat(40), ...options });
  const send = (body: BodyInit, headers: Record<string, string> = {}) =>
    auth.handler(new Request(`${APP}/auth/backchannel-logout`, { method: "POST", body, headers }));
  const post = (token: string) => send(new URLSearchParams({ logout_token: token }));
  return { clock, issuer, send, post, nowSeconds: clock.now() / 1000 };
}

async function assertRefused(response: Response, hint: string): Promise<void> {
  assert.equal(response.status, 400, hint);
  assert.equal(response.headers.get("cache-control"), "no-store");
  const { error, code } = await response.json();
  assert.deepEqual([error, code], ["invalid_request", "session.logout_token_invalid"], hint);
}

test("a logout token that is wrong in any one claim or header is refused", async (t) => {
  const { issuer, post, nowSeconds } = await setUp(t);
  const event = "http://schemas.openid.net/event/backchannel-logout";
  const cases: [Record<string, unknown>, Record<string, unknown>?][] = [
    [{}], // neither sid nor sub
    [{ sid: "" }],
    [{ sid: 7 }],
    [{ sid: "s", sub: 7 }],
    [{ sub: "" }],
    [{ sid: "s", iss: "https://other.example/" }],
    [{ sid: "s", iss: issuer.peer.issuer.slice(0, -1) }],
    [{ sid: "s", iss: undefined }],
    [{ sid: "s", aud: "another-client" }],
    [{ sid: "s", aud: undefined }],
    [{ sid: "s", iat: undefined }],
    [{ sid: "s", iat: nowSeconds + 60 }],
    [{ sid: "s", iat: nowSeconds - 601, exp: nowSeconds + 60 }],
    [{ sid: "s", iat: String(nowSeconds) }],
    [{ sid: "s", exp: nowSeconds - 60 }],
    [{ sid: "s", jti: undefined }],
    [{ sid: "s", jti: "" }],
    [{ sid: "s", jti: 7 }],
    [{ sid: "s", nonce: "n" }],
    [{ sid: "s", nonce: "" }],
    [{ sid: "s", events: undefined }],
    [{ sid: "s", events: {} }],
    [{ sid: "s", events: { [event]: "yes" } }],
    [{ sid: "s", events: [event] }],
    [{ sid: "s" }, { typ: "at+jwt" }],
    [{ sid: "s" }, { typ: "dpop+jwt" }],
    [{ sid: "s" }, { kid: "key-2" }],
  ];
  for (const [claims, header] of cases) {
    await assertRefused(
      await post(await issuer.logoutToken(claims, header)),
      JSON.stringify([claims, header]),
    );
  }
  assert.equal((await post(await issuer.logoutToken({ sid: "s" }))).status, 200);
  assert.equal((await post(await issuer.logoutToken({ sub: "u" }, { typ: undefined }))).status, 200);
});

test("a logout token of another key, an embedded one, a shared secret or none is refused", async (t) => {
  const { issuer, post } = await setUp(t);
  const [, payload = ""] = (await issuer.logoutToken({ sid: "s" })).split(".");
  const claims = JSON.parse(new TextDecoder().decode(base64url.decode(payload)));
  const other = await generateKeyPair("RS256", { extractable: true });
  const jwk = await exportJWK(other.publicKey);
  const jwks = await (await fetch(`${issuer.peer.issuer}.well-known/jwks.json`)).text();
  const forged = [
    await new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "key-1" }).sign(other.privateKey),
    await new SignJWT(claims).setProtectedHeader({ alg: "RS256", jwk }).sign(other.privateKey),
    await new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", kid: "key-1" })
      .sign(new TextEncoder().encode(jwks)),
    `${base64url.encode('{"alg":"none"}')}.${payload}.`,
    "",
    "a.b.c",
  ];
  for (const token of forged) await assertRefused(await post(token), token.slice(0, 40));
});

test("a request that is no single logout token is refused", async (t) => {
  const { issuer, send } = await setUp(t);
  const token = await issuer.logoutToken({ sid: "s" });
  const json = { "content-type": "application/json" };
  await assertRefused(await send("", json), "empty");
  await assertRefused(await send("{", json), "no JSON");
  await assertRefused(await send(JSON.stringify([token]), json), "an array");
  await assertRefused(await send(JSON.stringify({ logout_token: [token] }), json), "an array inside");
  await assertRefused(await send(`logout_token=${token}&logout_token=${token}`), "twice");
  const large = await send(`logout_token=${"a".repeat(33 * 1024)}`);
  assert.equal((await large.json()).code, "session.body_too_large");
});

test("of 64 deliveries of one logout token at once one counts", async (t) => {
  const { issuer, post } = await setUp(t);
  const token = await issuer.logoutToken({ sid: "s" });
  const statuses = await Promise.all(Array.from({ length: 64 }, async () => (await post(token)).status));
  assert.equal(statuses.filter((status) => status === 200).length, 1);
  assert.equal(statuses.filter((status) => status === 400).length, 63);
});

test("keys that cannot be fetched are no refusal: the server sends the token again", async (t) => {
  const { issuer, post } = await setUp(t);
  const token = await issuer.logoutToken({ sid: "s" });
  issuer.peer.answer("/.well-known/openid-configuration", { status: 503, body: {} });
  assert.equal((await post(token)).status, 503);
});

test("an app that remembers no ended sessions says so", async (t) => {
  const { issuer, post } = await setUp(t, { sessionsIn: "cookie" });
  const response = await post(await issuer.logoutToken({ sid: "s" }));
  assert.equal(response.status, 501);
  assert.equal((await response.json()).code, "session.backchannel_unsupported");
});
