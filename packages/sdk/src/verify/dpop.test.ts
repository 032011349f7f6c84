import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { exportJWK, generateKeyPair } from "jose";
import { type ApiGuardOptions, createApiGuard } from "./guard.ts";
import { bearer, type Changes, ORIGIN, requestOf, setUpApi } from "./testing.ts";

async function setUp(t: TestContext, options: Partial<ApiGuardOptions> = {}) {
  const scene = await setUpApi(t, { dpop: "allowed", ...options });
  const guard = createApiGuard(scene.options);
  const bound = await scene.token({ cnf: { jkt: scene.jkt } });
  const send = async (
    proof: string | undefined,
    { token = bound, scheme = "DPoP", path = "/orders" } = {},
  ) => {
    const headers = { authorization: `${scheme} ${token}`, ...(proof === undefined ? {} : { dpop: proof }) };
    const found = await guard.authorize(requestOf(headers, path));
    return found instanceof Response ? ((await found.json()).code as string) : found.sub;
  };
  return { ...scene, guard, bound, send };
}

test("a token that is bound to a key is let through with a proof of that key", async (t) => {
  const { proof, bound, send } = await setUp(t);
  assert.equal(await send(await proof(bound)), "user:anne");
  assert.equal(await send(await proof(bound), { path: "/orders?page=2" }), "user:anne");
  const htu = `${ORIGIN.toUpperCase()}:443/orders?x#y`;
  assert.equal(await send(await proof(bound, { htu })), "user:anne", "the same address, written otherwise");
});

test("each part of a proof is refused when it is missing, of another type, or wrong", async (t) => {
  const { proof, bound, send, clock, token, jkt } = await setUp(t);
  const now = clock.now() / 1000;
  const other = await token({ cnf: { jkt }, jti: "other" });
  const { ath } = JSON.parse(
    atob((await proof(other)).split(".")[1]?.replace(/-/g, "+").replace(/_/g, "/") ?? ""),
  );
  const wrong: Record<string, unknown[]> = {
    jti: [undefined, "", 7, "j".repeat(257)],
    htm: [undefined, "POST", "get", 7],
    htu: [undefined, 7, "orders", "https://evil.example/orders", `${ORIGIN}/orders/`, `${ORIGIN}/order`],
    ath: [undefined, 7, "", ath],
    iat: [undefined, String(now), now - 66, now + 66],
    exp: [now - 60],
    nbf: [now + 60],
  };
  for (const [claim, values] of Object.entries(wrong)) {
    for (const value of values) {
      const code = await send(await proof(bound, { [claim]: value }));
      assert.equal(code, "token.proof_invalid", `${claim}: ${JSON.stringify(value)}`);
    }
  }
  assert.equal(
    await send(await proof(bound, { htu: "https://x@shop.example/orders" })),
    "token.proof_invalid",
  );
});

test("a proof of another key, type or algorithm, or with a private key, is refused", async (t) => {
  const { proof, bound, send, clientJwk } = await setUp(t);
  const stranger = await generateKeyPair("ES256", { extractable: true });
  const strangerJwk = await exportJWK(stranger.publicKey);
  const own = await proof(bound);
  const headers: [Changes, CryptoKey?][] = [
    [{ jwk: strangerJwk }, stranger.privateKey],
    [{ jwk: clientJwk }, stranger.privateKey],
    [{ jwk: undefined }],
    [{ typ: "at+jwt" }],
    [{ typ: undefined }],
    [{ jwk: { ...clientJwk, d: "secret" } }],
    [{ jwk: await exportJWK(stranger.privateKey) }, stranger.privateKey],
  ];
  for (const [header, key] of headers)
    assert.equal(
      await send(await proof(bound, {}, header, key)),
      "token.proof_invalid",
      JSON.stringify(header),
    );
  const cut = [1, own.length / 2, own.length - 1].map((length) => own.slice(0, length));
  for (const bad of [undefined, "", "a.b.c", `${own}, ${own}`, "a".repeat(9_000), ...cut])
    assert.equal(await send(bad), "token.proof_invalid", String(bad).slice(0, 20));
});

test("of 64 requests with one proof one is let through, and a later one is not", async (t) => {
  const { proof, bound, send, clock } = await setUp(t);
  const one = await proof(bound, { iat: clock.now() / 1000 + 60 });
  const outcomes = await Promise.all(Array.from({ length: 64 }, () => send(one)));
  assert.equal(outcomes.filter((outcome) => outcome === "user:anne").length, 1);
  clock.advance(119);
  assert.equal(await send(one), "token.proof_invalid", "its time is not over yet");
});

test("a bound token without a proof, or as a bearer's, was stolen", async (t) => {
  const { proof, bound, send, options } = await setUp(t);
  assert.equal(await send(undefined), "token.proof_invalid");
  assert.equal(await send(await proof(bound), { scheme: "Bearer" }), "token.invalid");
  const disabled = createApiGuard({ ...options, dpop: "disabled" });
  const found = await disabled.authorize(bearer(bound));
  assert.ok(found instanceof Response && (await found.json()).code === "token.invalid");
});

test("a token that is bound to nothing is a bearer's alone, and none where keys are required", async (t) => {
  const { proof, token, send, options } = await setUp(t);
  const loose = await token();
  assert.equal(await send(undefined, { token: loose, scheme: "Bearer" }), "user:anne");
  assert.equal(await send(await proof(loose), { token: loose }), "token.invalid");
  const required = createApiGuard({ ...options, dpop: "required" });
  const refused = await required.authorize(bearer(loose));
  assert.ok(refused instanceof Response);
  assert.match(refused.headers.get("www-authenticate") ?? "", /^DPoP error="invalid_token".*algs="ES256 /);
  const metadata = await required.protectedResourceMetadata().json();
  assert.equal(metadata.dpop_bound_access_tokens_required, true);
});

test("a binding that is not understood is none", async (t) => {
  const { proof, token, send, jkt } = await setUp(t);
  for (const cnf of [{}, { jkt: 7 }, { jkt, "x5t#S256": "x" }, { jwk: {} }, [jkt], jkt]) {
    const odd = await token({ cnf });
    assert.equal(await send(await proof(odd), { token: odd }), "token.invalid", JSON.stringify(cnf));
  }
});

test("where nonces are asked for, a proof without a current one is told the next", async (t) => {
  const { proof, bound, guard, clock } = await setUp(t, { dpopNonceSecret: "n".repeat(32) });
  const send = async (claims: Changes) => {
    const headers = { authorization: `DPoP ${bound}`, dpop: await proof(bound, claims) };
    return guard.authorize(requestOf(headers));
  };
  const first = await send({});
  assert.ok(first instanceof Response);
  assert.match(first.headers.get("www-authenticate") ?? "", /DPoP error="use_dpop_nonce"/);
  const nonce = first.headers.get("dpop-nonce");
  assert.ok(!((await send({ nonce })) instanceof Response));
  clock.advance(299);
  assert.ok(!((await send({ nonce })) instanceof Response), "of the slot before");
  for (const bad of [undefined, 7, "", `${nonce?.slice(1)}A`]) {
    const refused = await send({ nonce: bad });
    assert.ok(refused instanceof Response);
    assert.deepEqual([refused.status, (await refused.json()).code], [401, "token.proof_nonce"]);
  }
  clock.advance(1); // the token itself ends at 300 seconds, and 5 more are forgiven
  assert.ok((await send({ nonce: "n".repeat(43) })) instanceof Response);
});
