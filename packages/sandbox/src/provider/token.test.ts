import assert from "node:assert/strict";
import { test } from "node:test";
import {
  callApi,
  connect,
  getCode,
  movableClock,
  pkce,
  post,
  provider,
  REDIRECT_URI,
  redeem,
  refusalOf,
  tokensOf,
} from "./testing.ts";

const INVALID_GRANT = { status: 400, error: "invalid_grant" };
const INVALID_CLIENT = { status: 401, error: "invalid_client" };
const basic = (id: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString("base64")}`,
});
const reasonOf = (at: Awaited<ReturnType<typeof provider>>) => at.log().at(-1)?.["reason"];

test("a code is worth an access token that works", async (t) => {
  const at = await provider(t);
  const response = await redeem(at, await getCode(at));
  assert.equal(response.headers.get("cache-control"), "no-store");
  const tokens = await tokensOf(response);
  assert.equal(tokens.expires_in, 3600);
  assert.equal(tokens.scope, "calendar.read calendar.write offline_access");
  assert.equal((await callApi(at, "/calendar/v1/me", tokens.access_token)).status, 200);
});

test("a code with the right verifier is worth a token", async (t) => {
  const at = await provider(t);
  const { verifier, challenge } = pkce();
  const code = await getCode(at, { code_challenge: challenge, code_challenge_method: "S256" });
  assert.equal((await redeem(at, code, { code_verifier: verifier })).status, 200);
});

test("a public client redeems with its verifier and no secret", async (t) => {
  const at = await provider(t);
  const { verifier, challenge } = pkce();
  const asked = { client_id: "public", code_challenge: challenge, code_challenge_method: "S256" };
  const form = { client_id: "public", client_secret: undefined, code_verifier: verifier };
  assert.equal((await redeem(at, await getCode(at, asked), form)).status, 200);
});

test("the scope offline_access gives a refresh token", async (t) => {
  const at = await provider(t);
  assert.match((await connect(at, { scope: "calendar.read offline_access" })).refresh_token, /^cal_rt_/);
});

test("access_type=offline gives a refresh token and adds no scope", async (t) => {
  const at = await provider(t);
  const tokens = await connect(at, { scope: "calendar.read", access_type: "offline", prompt: "consent" });
  assert.match(tokens.refresh_token, /^cal_rt_/);
  assert.equal(tokens.scope, "calendar.read");
});

test("without a wish for offline access there is no refresh token", async (t) => {
  const at = await provider(t);
  assert.equal((await connect(at, { scope: "calendar.read", prompt: "consent" })).refresh_token, undefined);
});

test("a client authenticates with the Authorization header", async (t) => {
  const at = await provider(t);
  const form = { grant_type: "authorization_code", code: await getCode(at), redirect_uri: REDIRECT_URI };
  assert.equal((await post(at, "/token", form, basic("app", "app secret"))).status, 200);
});

test("a wrong secret in the body is refused", async (t) => {
  const at = await provider(t);
  const response = await redeem(at, await getCode(at), { client_secret: "app secret " });
  assert.deepEqual(await refusalOf(response), INVALID_CLIENT);
});

test("a wrong secret in the header is refused with the header's scheme", async (t) => {
  const at = await provider(t);
  const form = { grant_type: "authorization_code", code: await getCode(at), redirect_uri: REDIRECT_URI };
  const response = await post(at, "/token", form, basic("app", "wrong"));
  assert.match(response.headers.get("www-authenticate") ?? "", /^Basic /);
  assert.deepEqual(await refusalOf(response), INVALID_CLIENT);
});

test("a wrong secret does not spend the code", async (t) => {
  const at = await provider(t);
  const code = await getCode(at);
  await redeem(at, code, { client_secret: "wrong" });
  assert.equal((await redeem(at, code)).status, 200);
});

for (const [what, form] of Object.entries({
  "no secret": { client_secret: undefined },
  "an unknown client": { client_id: "nobody" },
  "no client": { client_id: undefined, client_secret: undefined },
  "a public client with a secret": { client_id: "public" },
})) {
  test(`${what} is refused`, async (t) => {
    const at = await provider(t);
    assert.deepEqual(await refusalOf(await redeem(at, await getCode(at), form)), INVALID_CLIENT);
  });
}

test("a malformed Authorization header is refused", async (t) => {
  const at = await provider(t);
  const response = await post(at, "/token", { grant_type: "refresh_token" }, { authorization: "Basic ???" });
  assert.deepEqual(await refusalOf(response), INVALID_CLIENT);
});

test("two ways of authentication at once are refused", async (t) => {
  const at = await provider(t);
  const form = { grant_type: "refresh_token", client_secret: "app secret" };
  const response = await post(at, "/token", form, basic("app", "app secret"));
  assert.deepEqual(await refusalOf(response), { status: 400, error: "invalid_request" });
});

test("a header and a body that name two clients are refused", async (t) => {
  const at = await provider(t);
  const form = { grant_type: "refresh_token", client_id: "other" };
  assert.deepEqual(
    await refusalOf(await post(at, "/token", form, basic("app", "app secret"))),
    INVALID_CLIENT,
  );
});

const S256 = (challenge: string) => ({ code_challenge: challenge, code_challenge_method: "S256" });
test("a wrong verifier is refused, and the code with it", async (t) => {
  const at = await provider(t);
  const { verifier, challenge } = pkce();
  const code = await getCode(at, S256(challenge));
  assert.deepEqual(
    await refusalOf(await redeem(at, code, { code_verifier: pkce().verifier })),
    INVALID_GRANT,
  );
  assert.equal(reasonOf(at), "verifier_wrong");
  assert.deepEqual(await refusalOf(await redeem(at, code, { code_verifier: verifier })), INVALID_GRANT);
});

test("a missing verifier is refused", async (t) => {
  const at = await provider(t);
  const code = await getCode(at, S256(pkce().challenge));
  assert.deepEqual(await refusalOf(await redeem(at, code)), INVALID_GRANT);
  assert.equal(reasonOf(at), "verifier_missing");
});

test("a verifier that is the challenge itself is refused", async (t) => {
  const at = await provider(t);
  const { challenge } = pkce();
  const response = await redeem(at, await getCode(at, S256(challenge)), { code_verifier: challenge });
  assert.deepEqual(await refusalOf(response), INVALID_GRANT);
});

test("a verifier of 42 characters is refused", async (t) => {
  const at = await provider(t);
  const response = await redeem(at, await getCode(at, S256(pkce().challenge)), {
    code_verifier: "v".repeat(42),
  });
  assert.deepEqual(await refusalOf(response), INVALID_GRANT);
  assert.equal(reasonOf(at), "verifier_malformed");
});

test("a verifier for a code that has no challenge is refused", async (t) => {
  const at = await provider(t);
  const response = await redeem(at, await getCode(at), { code_verifier: pkce().verifier });
  assert.deepEqual(await refusalOf(response), INVALID_GRANT);
  assert.equal(reasonOf(at), "verifier_without_challenge");
});

for (const [what, redirectUri] of [
  ["another", "http://127.0.0.1:9/callback"],
  ["no", undefined],
] as const) {
  test(`${what} redirect URI than the one of the request is refused`, async (t) => {
    const at = await provider(t);
    const response = await redeem(at, await getCode(at), { redirect_uri: redirectUri });
    assert.deepEqual(await refusalOf(response), INVALID_GRANT);
    assert.equal(reasonOf(at), "redirect_uri_differs");
  });
}

test("a code of another client is refused", async (t) => {
  const at = await provider(t);
  const response = await redeem(at, await getCode(at), { client_id: "other", client_secret: "other-secret" });
  assert.deepEqual(await refusalOf(response), INVALID_GRANT);
  assert.equal(reasonOf(at), "code_of_another_client");
});

test("a code is good for less than a minute", async (t) => {
  const { clock, move } = movableClock();
  const at = await provider(t, { clock });
  const early = await getCode(at);
  const late = await getCode(at);
  move(59_999);
  assert.equal((await redeem(at, early)).status, 200);
  move(1);
  assert.deepEqual(await refusalOf(await redeem(at, late)), INVALID_GRANT);
  assert.equal(reasonOf(at), "code_expired");
});

test("an invented code is refused", async (t) => {
  const at = await provider(t);
  assert.deepEqual(await refusalOf(await redeem(at, "cal_code_x")), INVALID_GRANT);
});

test("a code that is used again is refused and what came of it dies", async (t) => {
  const at = await provider(t);
  const code = await getCode(at);
  const { access_token } = await tokensOf(await redeem(at, code));
  assert.deepEqual(await refusalOf(await redeem(at, code)), INVALID_GRANT);
  assert.deepEqual(await refusalOf(await callApi(at, "/calendar/v1/me", access_token)), {
    status: 401,
    error: "invalid_token",
  });
});

test("of 64 that redeem one code at once, one gets tokens", async (t) => {
  const at = await provider(t);
  const code = await getCode(at);
  const answers = await Promise.all(Array.from({ length: 64 }, () => redeem(at, code)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  assert.equal(answers.filter(({ status }) => status === 400).length, 63);
  assert.equal(at.grants().length, 1);
});

for (const [what, form, status, error] of [
  ["no grant type", { grant_type: undefined }, 400, "invalid_request"],
  ["an unknown grant type", { grant_type: "password" }, 400, "unsupported_grant_type"],
  ["no code", { grant_type: "authorization_code" }, 400, "invalid_request"],
  ["no refresh token", { grant_type: "refresh_token" }, 400, "invalid_request"],
  ["an empty refresh token", { grant_type: "refresh_token", refresh_token: "" }, 400, "invalid_request"],
] as const) {
  test(`a token request with ${what} is refused`, async (t) => {
    const at = await provider(t);
    assert.deepEqual(await refusalOf(await post(at, "/token", form)), { status, error });
  });
}

test("a parameter that is sent twice is refused", async (t) => {
  const at = await provider(t);
  const body = new URLSearchParams("grant_type=refresh_token&client_id=app&client_id=other");
  const response = await fetch(`${at.url}/token`, { method: "POST", body });
  assert.deepEqual(await refusalOf(response), { status: 400, error: "invalid_request" });
});

test("a JSON body is refused", async (t) => {
  const at = await provider(t);
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${at.url}/token`, { method: "POST", body: "{}", headers });
  assert.equal(response.status, 415);
});

test("a body over 16 KiB is refused", async (t) => {
  const at = await provider(t);
  const response = await post(at, "/token", {
    grant_type: "refresh_token",
    refresh_token: "x".repeat(16_384),
  });
  assert.deepEqual(await refusalOf(response), { status: 413, error: "body_too_large" });
});

test("refreshTokenOnFirstConsentOnly holds back the second refresh token", async (t) => {
  const at = await provider(t);
  at.switches.set({ refreshTokenOnFirstConsentOnly: true });
  assert.match((await connect(at)).refresh_token, /^cal_rt_/);
  assert.equal((await connect(at)).refresh_token, undefined);
  assert.match((await connect(at, {}, "acc_work")).refresh_token, /^cal_rt_/);
});

test("refreshTokenOnFirstConsentOnly gives way to prompt=consent", async (t) => {
  const at = await provider(t);
  at.switches.set({ refreshTokenOnFirstConsentOnly: true });
  await connect(at);
  assert.match((await connect(at, { prompt: "consent" })).refresh_token, /^cal_rt_/);
});
