import assert from "node:assert/strict";
import { test } from "node:test";
import { base64url, exportJWK, generateKeyPair, SignJWT } from "jose";
import { createApiGuard } from "./guard.ts";
import { AUDIENCE, bearer, type Changes, INTROSPECTION, requestOf, setUpApi } from "./testing.ts";

/** Status, code and challenges of an answer; the user when the request was let through. */
async function outcome(found: Response | { sub: string }) {
  if (!(found instanceof Response)) return { user: found.sub };
  const challenge = found.headers.get("www-authenticate");
  return { status: found.status, code: (await found.json()).code, challenge };
}

test("a good token of this API is let through, also when it is for others too", async (t) => {
  const { options, token } = await setUpApi(t);
  const guard = createApiGuard(options);
  for (const aud of [AUDIENCE, [AUDIENCE], ["https://other.example", AUDIENCE]])
    assert.deepEqual(await outcome(await guard.authorize(bearer(await token({ aud })))), {
      user: "user:anne",
    });
});

test("each claim and header member is refused when it is missing, of another type, or wrong", async (t) => {
  const { options, token, peer, clock } = await setUpApi(t);
  const guard = createApiGuard(options);
  const now = clock.now() / 1000;
  const wrong: Record<string, unknown[]> = {
    iss: [undefined, 7, "https://other.example/", peer.issuer.slice(0, -1), peer.issuer.toUpperCase()],
    aud: [undefined, 7, {}, [], "", "https://other.example", `${AUDIENCE}/`, [`${AUDIENCE}x`], [[AUDIENCE]]],
    sub: [undefined, 7, "", {}, null],
    client_id: [undefined, 7, null, ["agent"]],
    jti: [undefined, 7, "", {}, null],
    iat: [undefined, "now", String(now), null],
    exp: [undefined, "later", String(now + 300), null],
    nbf: [now + 60, "now", null],
    cnf: [{ jkt: "x" }, { "x5t#S256": "x" }, {}, null, "x"],
    authorization_details: ["[]", [7], {}, null],
  };
  for (const [claim, values] of Object.entries(wrong)) {
    for (const value of values) {
      const found = await outcome(await guard.authorize(bearer(await token({ [claim]: value }))));
      assert.deepEqual(
        [found.status, found.code],
        [401, "token.invalid"],
        `${claim}: ${JSON.stringify(value)}`,
      );
    }
  }
  const headers: Changes[] = [
    { typ: undefined },
    { typ: "JWT" },
    { typ: "logout+jwt" },
    { typ: "dpop+jwt" },
    { typ: "id+jwt" },
    { kid: "key-2" },
    { kid: "../../dev/null" },
    { kid: "' OR 1=1 --" },
    { crit: ["x"], x: 1 },
  ];
  for (const header of headers) {
    const signed = await token({}, header).catch(() => undefined); // what jose refuses to sign, nobody sends
    if (!signed) continue;
    const found = await outcome(await guard.authorize(bearer(signed)));
    assert.deepEqual([found.status, found.code], [401, "token.invalid"], JSON.stringify(header));
  }
  const expired = await outcome(await guard.authorize(bearer(await token({ exp: now - 6 }))));
  assert.deepEqual([expired.status, expired.code], [401, "token.expired"]);
});

test("an ID token and a logout token of the same issuer and key are no access tokens", async (t) => {
  const { options, token } = await setUpApi(t);
  const guard = createApiGuard(options);
  const event = { "http://schemas.openid.net/event/backchannel-logout": {} };
  for (const other of [
    await token({ aud: "agent", nonce: "n", client_id: undefined }, { typ: "JWT" }),
    await token({ nonce: "n" }, { typ: undefined }),
    await token({ events: event, sid: "s" }, { typ: "logout+jwt" }),
  ])
    assert.equal((await outcome(await guard.authorize(bearer(other)))).code, "token.invalid");
});

test("a forged token is refused: no signature, the public key as a secret, an embedded key, a key's address", async (t) => {
  const { options, token, peer } = await setUpApi(t);
  const guard = createApiGuard(options);
  const [, payload = ""] = (await token()).split(".");
  const claims = JSON.parse(new TextDecoder().decode(base64url.decode(payload)));
  const other = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(other.publicKey);
  const jwks = await (await fetch(`${peer.issuer}.well-known/jwks.json`)).text();
  const secrets = [jwks, JSON.stringify(JSON.parse(jwks).keys[0]), JSON.parse(jwks).keys[0].x];
  const sign = (header: object, key: CryptoKey | Uint8Array) =>
    new SignJWT(claims).setProtectedHeader({ alg: "ES256", typ: "at+jwt", ...header }).sign(key);
  const hmacs = secrets.map((secret) =>
    sign({ alg: "HS256", kid: "key-1" }, new TextEncoder().encode(String(secret).padEnd(32, "="))),
  );
  const none = ["none", "None", "NONE", "nOnE"].map(
    (alg) => `${base64url.encode(JSON.stringify({ alg, typ: "at+jwt", kid: "key-1" }))}.${payload}.`,
  );
  const forged = [
    ...(await Promise.all(hmacs)),
    ...none,
    await sign({ kid: "key-1" }, other.privateKey),
    await sign({ jwk }, other.privateKey),
    await sign({ kid: "key-1", jwk }, other.privateKey),
    await sign({ jku: `${peer.issuer}evil.json` }, other.privateKey),
    await sign({ x5u: `${peer.issuer}evil.pem` }, other.privateKey),
  ];
  for (const value of forged)
    assert.equal(
      (await outcome(await guard.authorize(bearer(value)))).code,
      "token.invalid",
      value.slice(0, 60),
    );
  assert.equal(peer.to("/evil.json").length + peer.to("/evil.pem").length, 0);
});

test("a token that is cut off at any length, or changed anywhere, is refused", async (t) => {
  const { options, token } = await setUpApi(t);
  const guard = createApiGuard(options);
  const good = await token();
  for (let length = 0; length < good.length; length += 1) {
    const found = await outcome(await guard.authorize(bearer(good.slice(0, length))));
    assert.equal(found.status, 401, `cut at ${length}`);
  }
  for (let at = 0; at < good.length - 1; at += 7) {
    const changed = `${good.slice(0, at)}${good[at] === "A" ? "B" : "A"}${good.slice(at + 1)}`;
    assert.equal((await outcome(await guard.authorize(bearer(changed)))).status, 401, `changed at ${at}`);
  }
});

test("an algorithm that the API does not name is refused, whatever the server's keys", async (t) => {
  const { options, token } = await setUpApi(t);
  const guard = createApiGuard({ ...options, algorithms: ["RS256"] });
  assert.equal((await outcome(await guard.authorize(bearer(await token())))).code, "token.invalid");
});

test("scopes are needed all, or any, and a missing one is named in the challenge", async (t) => {
  const { options, token } = await setUpApi(t);
  const guard = createApiGuard(options);
  const request = bearer(await token());
  assert.ok(
    "user" in (await outcome(await guard.authorize(request, { scopes: ["orders:read", "orders:create"] }))),
  );
  assert.ok(
    "user" in (await outcome(await guard.authorize(request, { anyScope: ["admin", "orders:read"] }))),
  );
  for (const needs of [
    { scopes: ["orders:read", "admin"] },
    { scopes: ["orders"] },
    { anyScope: ["admin", "orders:"] },
    { scopes: ["orders:read"], anyScope: ["admin"] },
  ]) {
    const found = await outcome(await guard.authorize(request, needs));
    assert.deepEqual([found.status, found.code], [403, "token.insufficient_scope"]);
    assert.match(found.challenge ?? "", /^Bearer error="insufficient_scope", .*scope="[^"]*(admin|orders)/);
  }
  for (const scope of [undefined, 7, ["orders:read"], ""]) {
    const found = await guard.authorize(bearer(await token({ scope })), { scopes: ["orders:read"] });
    assert.equal((await outcome(found)).code, "token.insufficient_scope");
  }
});

test("a request without a token is told where to get one, and accused of nothing", async (t) => {
  const { options, peer } = await setUpApi(t);
  const guard = createApiGuard({ ...options, scopesSupported: ["orders:read"] });
  const metadata = "https://shop.example/.well-known/oauth-protected-resource/api";
  const headers: Record<string, string>[] = [
    {},
    { authorization: "Bearer" },
    { authorization: "Basic abc" },
    { authorization: "Bearer a, Bearer b" },
    { authorization: "DPoP a.b.c" },
  ];
  for (const header of headers) {
    const response = await guard.authorize(requestOf(header));
    assert.deepEqual(await outcome(response), {
      status: 401,
      code: "token.missing",
      challenge: `Bearer resource_metadata="${metadata}"`,
    });
  }
  assert.deepEqual(await guard.protectedResourceMetadata().json(), {
    resource: AUDIENCE,
    authorization_servers: [peer.issuer],
    bearer_methods_supported: ["header"],
    scopes_supported: ["orders:read"],
  });
});

test("keys that cannot be fetched are the server's fault: 503 without a challenge", async (t) => {
  const { options, token, peer } = await setUpApi(t);
  const good = await token();
  peer.answer("/.well-known/jwks.json", { status: 500, body: {} });
  const found = await outcome(await createApiGuard(options).authorize(bearer(good)));
  assert.deepEqual(found, { status: 503, code: "network.unreachable", challenge: null });
});

test("a revoked token is refused, after no more than the time that an answer is believed", async (t) => {
  const { options, token, peer, clock } = await setUpApi(t);
  peer.answer("/.well-known/openid-configuration", {
    body: {
      issuer: peer.issuer,
      jwks_uri: `${peer.issuer}.well-known/jwks.json`,
      introspection_endpoint: `${peer.issuer}oauth/introspect`,
    },
  });
  peer.answer(INTROSPECTION, { body: { active: true, sub: "user:anne" } });
  const guard = createApiGuard({ ...options, introspection: { clientId: "shop:api", clientSecret: "s/+%" } });
  const request = bearer(await token());
  await Promise.all(Array.from({ length: 64 }, () => guard.authorize(request)));
  assert.equal(peer.to(INTROSPECTION).length, 1);
  const credentials = Buffer.from("shop%3Aapi:s%2F%2B%25").toString("base64");
  assert.equal(peer.to(INTROSPECTION)[0]?.headers.authorization, `Basic ${credentials}`);
  peer.answer(INTROSPECTION, { body: { active: false } });
  assert.ok("user" in (await outcome(await guard.authorize(request))));
  assert.equal((await outcome(await guard.authorize(bearer(await token())))).code, "token.revoked");
  clock.advance(5);
  assert.equal((await outcome(await guard.authorize(request))).code, "token.revoked");
  for (const body of [{}, { active: "true" }, { active: 1 }, { active: true, sub: "user:bob" }]) {
    peer.answer(INTROSPECTION, { body });
    assert.equal((await outcome(await guard.authorize(bearer(await token())))).code, "token.revoked");
  }
  for (const status of [401, 500]) {
    peer.answer(INTROSPECTION, { status, body: {} });
    assert.equal((await outcome(await guard.authorize(bearer(await token())))).status, 503);
  }
});

test("options that cannot work are named at once", async (t) => {
  const { options } = await setUpApi(t);
  const { store: _, origin: __, ...bare } = options;
  assert.throws(() => createApiGuard({ ...bare, dpop: "required" }), {
    code: "config.invalid",
    message: /a store[\s\S]*origin/,
  });
  assert.throws(() => createApiGuard({ ...options, origin: "https://shop.example/api" }), /origin must be/);
  assert.throws(() => createApiGuard({ ...options, dpopNonceSecret: "short" }), /dpopNonceSecret/);
});
