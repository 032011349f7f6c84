import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { createMemoryStore } from "./store.ts";
import { DISCOVERY, manualClock, type Peer, startPeer } from "./testing.ts";
import { bearerToken, createVerifier, requireDetails, requireScopes } from "./verify.ts";

const AUDIENCE = "https://shop.example";
const JWKS = "/.well-known/jwks.json";

async function setUp(t: TestContext, alg = "ES256") {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const key = { ...(await exportJWK(publicKey)), kid: "key-1", alg, use: "sig" };
  const peer = await startPeer(t, { [JWKS]: { body: { keys: [key] } } });
  const clock = manualClock();
  const nowSeconds = clock.now() / 1000;
  const claims = {
    iss: peer.issuer,
    aud: AUDIENCE,
    sub: "user:anne",
    client_id: "agent",
    scope: "openid orders:create",
    jti: "token-1",
    iat: nowSeconds,
    exp: nowSeconds + 300,
  };
  const sign = (overrides: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
    new SignJWT({ ...claims, ...overrides })
      .setProtectedHeader({ alg, kid: "key-1", typ: "at+jwt", ...header })
      .sign(privateKey);
  return { peer, clock, claims, sign, verifier: verifierOf(peer, clock) };
}

const verifierOf = (peer: Peer, clock: ReturnType<typeof manualClock>, extra = {}) =>
  createVerifier({ issuer: peer.issuer, audience: AUDIENCE, clock, ...extra });

test("a valid token gives its claims", async (t) => {
  const { verifier, sign, claims } = await setUp(t);
  const details = [{ type: "purchase", item: "kettle" }];
  const verified = await verifier.verify(await sign({ authorization_details: details }));
  assert.equal(verified.sub, "user:anne");
  assert.equal(verified.clientId, "agent");
  assert.equal(verified.jti, "token-1");
  assert.equal(verified.exp, claims.exp);
  assert.deepEqual(verified.scopes, ["openid", "orders:create"]);
  assert.deepEqual(verified.authorizationDetails, details);
});

test("tokens of every algorithm that the server signs with are accepted", async (t) => {
  for (const alg of ["ES256", "RS256", "EdDSA"]) {
    const { verifier, sign } = await setUp(t, alg);
    assert.equal((await verifier.verify(await sign())).sub, "user:anne", alg);
  }
});

test("keys are fetched once for many tokens", async (t) => {
  const { verifier, sign, peer } = await setUp(t);
  await verifier.verify(await sign());
  await verifier.verify(await sign({ jti: "token-2" }));
  assert.equal(peer.to(DISCOVERY).length, 1);
  assert.equal(peer.to(JWKS).length, 1);
});

test("a token that is wrong in any one claim or header is refused", async (t) => {
  const { verifier, sign, claims, peer } = await setUp(t);
  const cases: [Record<string, unknown>, Record<string, unknown>?][] = [
    [{ iss: peer.issuer.slice(0, -1) }],
    [{ iss: "https://other.example/" }],
    [{ aud: "https://other.example" }],
    [{ aud: undefined }],
    [{ aud: `${AUDIENCE}/` }],
    [{ exp: undefined }],
    [{ iat: undefined }],
    [{ sub: undefined }],
    [{ sub: "" }],
    [{ jti: undefined }],
    [{ client_id: undefined }],
    [{ client_id: 7 }],
    [{ nbf: claims.iat + 60 }],
    [{ cnf: { jkt: "thumbprint" } }],
    [{ authorization_details: "[]" }],
    [{ authorization_details: [7] }],
    [{}, { typ: "JWT" }],
    [{}, { typ: undefined }],
    [{}, { typ: "dpop+jwt" }],
    [{}, { kid: "key-2" }],
  ];
  for (const [overrides, header] of cases) {
    await assert.rejects(
      verifier.verify(await sign(overrides, header)),
      {
        name: "BehalfError",
        code: "token.invalid",
        status: 401,
        message: "The access token is not valid here.",
      },
      JSON.stringify([overrides, header]),
    );
  }
});

test("a token signed by another key, unsigned, or by the public key as a secret is refused", async (t) => {
  const { verifier, sign, peer, claims } = await setUp(t);
  const [header, payload] = (await sign()).split(".");
  const other = await generateKeyPair("ES256");
  const foreign = await new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", kid: "key-1", typ: "at+jwt" })
    .sign(other.privateKey);
  const jwks = await (await fetch(`${peer.issuer}.well-known/jwks.json`)).text();
  const hmac = await new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256", kid: "key-1", typ: "at+jwt" })
    .sign(new TextEncoder().encode(jwks));
  const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url")}.${payload}.`;
  for (const token of [foreign, hmac, none, `${header}.${payload}.`, "no.token", "nonsense"]) {
    await assert.rejects(verifier.verify(token), { code: "token.invalid" });
  }
});

test("a token is accepted within the tolerance of clocks, and has expired after it", async (t) => {
  const { verifier, sign, clock } = await setUp(t);
  const token = await sign();
  clock.advance(304);
  assert.equal((await verifier.verify(token)).sub, "user:anne");
  clock.advance(2);
  await assert.rejects(verifier.verify(token), { code: "token.expired", status: 401 });
});

test("a request without a token says so", async (t) => {
  const { verifier, peer } = await setUp(t);
  for (const token of [undefined, null, ""])
    await assert.rejects(verifier.verify(token), { code: "token.missing" });
  assert.equal(peer.requests.length, 0);
});

test("keys that cannot be fetched are the server's fault, and are fetched again later", async (t) => {
  const { sign, peer, clock } = await setUp(t);
  const verifier = verifierOf(peer, clock);
  const token = await sign();
  const discovery = { body: { issuer: peer.issuer, jwks_uri: `${peer.issuer}.well-known/jwks.json` } };
  peer.answer(DISCOVERY, { status: 503, body: {} });
  await assert.rejects(verifier.verify(token), { code: "server.bad_answer", retryable: true });
  peer.answer(DISCOVERY, { body: { ...discovery.body, issuer: "https://other.example/" } });
  await assert.rejects(verifier.verify(token), { code: "server.bad_answer" });
  peer.answer(DISCOVERY, discovery);
  peer.answer(JWKS, { status: 500, body: {} });
  await assert.rejects(verifier.verify(token), { code: "network.unreachable", retryable: true });
});

test("an issuer that is no https URL ending in a slash is refused when the verifier is made", () => {
  for (const issuer of ["https://auth.example", "http://auth.example/", "auth.example/"]) {
    assert.throws(() => createVerifier({ issuer, audience: AUDIENCE }), { code: "config.invalid" });
  }
});

test("of 64 uses of one token one is the first, in every process that shares the store", async (t) => {
  const { sign, peer, clock } = await setUp(t);
  const store = createMemoryStore({ clock });
  const verifiers = [1, 2].map(() => verifierOf(peer, clock, { store }));
  const claims = await (verifiers[0] ?? verifierOf(peer, clock)).verify(await sign());
  const uses = Array.from({ length: 64 }, (_, i) => verifiers[i % 2]?.consume(claims));
  const outcomes = await Promise.allSettled(uses);
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
  const refused = outcomes.find(({ status }) => status === "rejected");
  assert.ok(refused?.status === "rejected" && refused.reason.code === "token.replayed");
});

test("a used token is remembered as long as it is accepted", async (t) => {
  const { sign, peer, clock } = await setUp(t);
  const verifier = verifierOf(peer, clock, { store: createMemoryStore({ clock }) });
  const token = await sign();
  await verifier.consume(await verifier.verify(token));
  clock.advance(304);
  await assert.rejects(verifier.consume(await verifier.verify(token)), { code: "token.replayed" });
});

test("using a token up needs a store", async (t) => {
  const { verifier, sign } = await setUp(t);
  await assert.rejects(verifier.consume(await verifier.verify(await sign())), { code: "config.invalid" });
});

test("a request that is exactly what was approved passes, whatever the order of its members", async (t) => {
  const { verifier, sign } = await setUp(t);
  const approved = { type: "purchase", item: "kettle", amount: 39.9 };
  const claims = await verifier.verify(await sign({ authorization_details: [{ type: "other" }, approved] }));
  assert.deepEqual(requireDetails(claims, "purchase", { amount: 39.9, item: "kettle" }), approved);
  assert.deepEqual(requireDetails(claims, "purchase", '{"amount":39.90,"item":"kettle"}'), approved);
});

test("a request that differs from what was approved in anything is refused", async (t) => {
  const { verifier, sign } = await setUp(t);
  const approved = { type: "purchase", item: "kettle", amount: 39.9 };
  const claims = await verifier.verify(await sign({ authorization_details: [approved] }));
  const requests: unknown[] = [
    {},
    { item: "kettle" },
    { item: "kettle", amount: 39.91 },
    { item: "kettle", amount: "39.9" },
    { item: "kettle", amount: 39.9, to: "elsewhere" },
    { item: "kettl\u0435", amount: 39.9 },
    '{"item":"kettle","amount":1,"amount":39.9}',
    "not json",
    [],
    null,
  ];
  for (const request of requests) {
    assert.throws(() => requireDetails(claims, "purchase", request), {
      code: "token.details_mismatch",
      status: 403,
    });
  }
});

test("a request cannot pass as a detail of another type", async (t) => {
  const { verifier, sign } = await setUp(t);
  const claims = await verifier.verify(
    await sign({ authorization_details: [{ type: "refund", item: "kettle" }] }),
  );
  assert.throws(() => requireDetails(claims, "purchase", { type: "refund", item: "kettle" }), {
    code: "token.details_missing",
    status: 403,
  });
});

test("a scope that the token lacks is named", async (t) => {
  const { verifier, sign } = await setUp(t);
  const claims = await verifier.verify(await sign());
  requireScopes(claims, "orders:create");
  assert.throws(() => requireScopes(claims, "orders:create", "orders:delete", "order"), {
    code: "token.insufficient_scope",
    message: "The token lacks the scope orders:delete order.",
    status: 403,
  });
});

test("the bearer token of a request is found, and nothing else is taken for one", () => {
  const of = (authorization?: string) =>
    bearerToken(new Request("https://shop.example", authorization ? { headers: { authorization } } : {}));
  assert.equal(of("Bearer abc.def-_~+/="), "abc.def-_~+/=");
  assert.equal(of("bearer abc"), "abc");
  for (const other of [undefined, "Basic abc", "Bearer", "Bearer a b", "DPoP abc", "XBearer abc"]) {
    assert.equal(of(other), undefined, String(other));
  }
});
