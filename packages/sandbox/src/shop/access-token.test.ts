import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { answerOf, call, type Issuer, issuer, shop } from "./testing.ts";

const REFUSED = { status: 401, error: "invalid_token" };
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

async function refusal(
  t: Parameters<typeof issuer>[0],
  makeToken: (from: Issuer) => Promise<string> | string,
) {
  const from = await issuer(t);
  const at = await shop(t, from);
  const response = await call(at, "/orders", await makeToken(from));
  const { status, error } = await answerOf(response);
  const challenge = response.headers.get("www-authenticate");
  return { answer: { status, error }, challenge, reason: at.log().at(-1)?.["reason"] };
}

for (const alg of ["ES256", "RS256", "EdDSA"]) {
  test(`a token signed with ${alg} is taken`, async (t) => {
    const from = await issuer(t, alg);
    const at = await shop(t, from);
    assert.equal((await call(at, "/orders", await from.token())).status, 200);
  });
}

test("a token for several audiences is taken when the shop is one of them", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const aud = ["https://other.example/", "https://shop.sandbox.example/"];
  assert.equal((await call(at, "/orders", await from.token({ aud }))).status, 200);
});

test("a shop with another audience takes its own tokens and not the default's", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from, { audience: "https://mine.example/" });
  assert.equal((await call(at, "/orders", await from.token({ aud: "https://mine.example/" }))).status, 200);
  assert.equal((await call(at, "/orders", await from.token())).status, 401);
});

const past = Math.floor(Date.now() / 1_000) - 1;
const CLAIMS: [string, Record<string, unknown>, string][] = [
  ["for another audience", { aud: "https://shop.sandbox.example" }, "ERR_JWT_CLAIM_VALIDATION_FAILED:aud"],
  ["without an audience", { aud: undefined }, "ERR_JWT_CLAIM_VALIDATION_FAILED:aud"],
  ["of another issuer", { iss: "https://evil.example/" }, "ERR_JWT_CLAIM_VALIDATION_FAILED:iss"],
  ["without an issuer", { iss: undefined }, "ERR_JWT_CLAIM_VALIDATION_FAILED:iss"],
  ["that has expired", { exp: past }, "ERR_JWT_EXPIRED:exp"],
  ["without an expiry", { exp: undefined }, "ERR_JWT_CLAIM_VALIDATION_FAILED:exp"],
  ["that is not valid yet", { nbf: past + 600 }, "ERR_JWT_CLAIM_VALIDATION_FAILED:nbf"],
  ["without a user", { sub: undefined }, "ERR_JWT_CLAIM_VALIDATION_FAILED:sub"],
  ["with a number for a user", { sub: 5 }, "sub_is_not_a_string"],
  ["without a client", { client_id: undefined }, "ERR_JWT_CLAIM_VALIDATION_FAILED:client_id"],
  ["without an id", { jti: undefined }, "ERR_JWT_CLAIM_VALIDATION_FAILED:jti"],
  ["with an empty id", { jti: "" }, "jti_is_not_a_string"],
  ["without an issue time", { iat: undefined }, "ERR_JWT_CLAIM_VALIDATION_FAILED:iat"],
  ["that is bound to a key", { cnf: { jkt: "x" } }, "token_is_bound_to_a_key"],
];
for (const [what, claims, expected] of CLAIMS) {
  test(`a token ${what} is refused`, async (t) => {
    const { answer, challenge, reason } = await refusal(t, (from) => from.token(claims));
    assert.deepEqual(answer, REFUSED);
    assert.match(challenge ?? "", /error="invalid_token"/);
    assert.equal(reason, expected);
  });
}

test("a token of another issuer that differs by the last slash alone is refused", async (t) => {
  const { answer } = await refusal(t, (from) => from.token({ iss: from.url.slice(0, -1) }));
  assert.deepEqual(answer, REFUSED);
});

for (const typ of ["JWT", "id+jwt", undefined]) {
  test(`a token of the type ${typ} is refused`, async (t) => {
    const { answer, reason } = await refusal(t, (from) => from.token({}, { typ }));
    assert.deepEqual(answer, REFUSED);
    assert.equal(reason, "ERR_JWT_CLAIM_VALIDATION_FAILED:typ");
  });
}

test("a token of the type application/at+jwt is taken", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  assert.equal((await call(at, "/orders", await from.token({}, { typ: "application/at+jwt" }))).status, 200);
});

test("a token with alg none is refused", async (t) => {
  const { answer, reason } = await refusal(t, async (from) => {
    const [, payload] = (await from.token()).split(".");
    return `${part({ alg: "none", typ: "at+jwt" })}.${payload}.`;
  });
  assert.equal(answer.status, 401);
  assert.equal(reason, "not_a_compact_jws");
});

test("a token with alg none and some signature is refused", async (t) => {
  const { answer, reason } = await refusal(t, async (from) => {
    const [, payload, signature] = (await from.token()).split(".");
    return `${part({ alg: "none", typ: "at+jwt" })}.${payload}.${signature}`;
  });
  assert.deepEqual(answer, REFUSED);
  assert.equal(reason, "ERR_JOSE_ALG_NOT_ALLOWED");
});

test("a token whose HS256 key is the public key is refused", async (t) => {
  const { answer, reason } = await refusal(t, async (from) => {
    const [, payload] = (await from.token()).split(".");
    const input = `${part({ alg: "HS256", typ: "at+jwt", kid: from.publicJwk()["kid"] })}.${payload}`;
    const mac = createHmac("sha256", JSON.stringify(from.publicJwk())).update(input).digest("base64url");
    return `${input}.${mac}`;
  });
  assert.deepEqual(answer, REFUSED);
  assert.equal(reason, "ERR_JOSE_ALG_NOT_ALLOWED");
});

test("a token with a key of its own in the header is refused", async (t) => {
  const stranger = await issuer(t);
  const { answer } = await refusal(t, (from) =>
    stranger.token({ iss: from.url }, { jwk: stranger.publicJwk() }),
  );
  assert.deepEqual(answer, REFUSED);
});

test("a token that a stranger signed under the key id of the issuer is refused", async (t) => {
  const stranger = await issuer(t);
  const { answer, reason } = await refusal(t, (from) =>
    stranger.token({ iss: from.url }, { kid: from.publicJwk()["kid"] }),
  );
  assert.deepEqual(answer, REFUSED);
  assert.equal(reason, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED");
});

test("a token whose claims were changed is refused", async (t) => {
  const { answer } = await refusal(t, async (from) => {
    const [header, payload, signature] = (await from.token()).split(".");
    // Signed by the issuer a line above.
    const claims = JSON.parse(Buffer.from(payload ?? "", "base64url").toString()) as object;
    return `${header}.${part({ ...claims, sub: "user:bob" })}.${signature}`;
  });
  assert.deepEqual(answer, REFUSED);
});

test("a token with another spelling of its signature is refused", async (t) => {
  const { answer, reason } = await refusal(t, async (from) => `${await from.token()}=`);
  assert.deepEqual(answer, REFUSED);
  assert.equal(reason, "not_a_compact_jws");
});

test("a token with unused bits set in its signature is refused", async (t) => {
  const { answer, reason } = await refusal(t, async (from) => {
    const token = await from.token();
    // 64 bytes leave four unused bits in the last character; setting the lowest spells the same bytes.
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1) ?? "") + 1];
  });
  assert.deepEqual(answer, REFUSED);
  assert.equal(reason, "not_a_compact_jws");
});

test("something that is no token is refused", async (t) => {
  assert.deepEqual((await refusal(t, () => "abc")).answer, REFUSED);
});

test("a call without a token is refused without an error code in the header", async (t) => {
  const at = await shop(t, await issuer(t));
  const response = await call(at, "/orders", undefined);
  assert.equal(response.status, 401);
  assert.equal(response.headers.get("www-authenticate"), 'Bearer realm="sandbox shop"');
});

test("a refusal says the same whichever check failed", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const bodies = await Promise.all(
    [from.token({ aud: "x" }), from.token({ exp: past }), from.token({ iss: "x" })].map(async (token) =>
      (await call(at, "/orders", await token)).text(),
    ),
  );
  assert.equal(new Set(bodies).size, 1);
});

for (const [method, path, scope] of [
  ["GET", "/orders", "orders:read"],
  ["GET", "/orders/x", "orders:read"],
  ["GET", "/settings", "settings:read"],
  ["POST", "/orders", "orders:create"],
]) {
  test(`${method} ${path} without the scope ${scope} is refused`, async (t) => {
    const from = await issuer(t);
    const at = await shop(t, from);
    const others = ["orders:read", "settings:read", "orders:create"].filter((name) => name !== scope);
    const response = await call(at, path!, await from.token({ scope: others.join(" ") }), {
      method: method!,
    });
    assert.match(response.headers.get("www-authenticate") ?? "", new RegExp(`scope="${scope}"`));
    const { status, error } = await answerOf(response);
    assert.deepEqual({ status, error }, { status: 403, error: "insufficient_scope" });
  });
}

test("a token without scopes is refused", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  assert.equal((await call(at, "/orders", await from.token({ scope: undefined }))).status, 403);
});
