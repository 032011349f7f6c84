import assert from "node:assert/strict";
import { test } from "node:test";
import { answerPage, getCode, movableClock, openPage, pkce, provider, REDIRECT_URI } from "./testing.ts";

const answerOf = (response: Response) =>
  Object.fromEntries(new URL(response.headers.get("location") ?? "about:blank").searchParams);

test("the page names the application, the accounts and every wish in plain words", async (t) => {
  const at = await provider(t);
  const page = await (await openPage(at)).text();
  for (const words of [
    "anne.lee@calendar.example",
    "anne.lee@work.example",
    "household@calendar.example",
    "See the events in your calendar",
    "Add events to your calendar",
    "Keep this access while you are away",
    "127.0.0.1:9",
  ])
    assert.ok(page.includes(words), words);
});

test("the page shows only what was asked for", async (t) => {
  const at = await provider(t);
  const page = await (await openPage(at, { scope: "calendar.read" })).text();
  assert.ok(!page.includes("Add events") && !page.includes("while you are away"));
});

test("the page says that access_type=offline lasts, as it does for the scope", async (t) => {
  const at = await provider(t);
  const page = await (await openPage(at, { scope: "calendar.read", access_type: "offline" })).text();
  assert.ok(page.includes("Keep this access while you are away"));
});

test("markup in an application's name is shown as text", async (t) => {
  const at = await provider(t);
  const page = await (await openPage(at)).text();
  assert.ok(page.includes("The &lt;b&gt;App&lt;/b&gt;"));
  assert.ok(!page.includes("<b>App"));
});

test("the page has no script, cannot be framed and is not stored", async (t) => {
  const at = await provider(t);
  const response = await openPage(at);
  assert.match(
    response.headers.get("content-security-policy") ?? "",
    /default-src 'none'.*frame-ancestors 'none'/,
  );
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.ok(!(await response.text()).includes("<script"));
});

test("a login hint selects its account", async (t) => {
  const at = await provider(t);
  const page = await (await openPage(at, { login_hint: "anne.lee@work.example" })).text();
  assert.match(page, /value="acc_work" required\s+checked/);
  assert.doesNotMatch(page, /value="acc_personal" required\s+checked/);
});

test("Allow sends back code, state and issuer, and keeps the query of the redirect URI", async (t) => {
  const at = await provider(t);
  const response = await answerPage(at, await (await openPage(at)).text());
  assert.equal(response.status, 303);
  assert.ok(response.headers.get("location")?.startsWith(`${REDIRECT_URI}&`));
  const { code, ...rest } = answerOf(response);
  assert.match(code ?? "", /^cal_code_/);
  assert.deepEqual(rest, { tenant: "1", state: "the state", iss: at.url });
});

test("Deny sends back access_denied with state and issuer", async (t) => {
  const at = await provider(t);
  const response = await answerPage(at, await (await openPage(at)).text(), { decision: "deny" });
  const { error, state, iss, code } = answerOf(response);
  assert.deepEqual(
    { error, state, iss, code },
    { error: "access_denied", state: "the state", iss: at.url, code: undefined },
  );
});

test("a page can be answered once", async (t) => {
  const at = await provider(t);
  const page = await (await openPage(at)).text();
  assert.equal((await answerPage(at, page)).status, 303);
  const again = await answerPage(at, page);
  assert.equal(again.status, 400);
  assert.match(await again.text(), /answered already/);
});

test("a page that was open for ten minutes cannot be answered", async (t) => {
  const { clock, move } = movableClock();
  const at = await provider(t, { clock });
  const page = await (await openPage(at)).text();
  move(10 * 60_000);
  assert.equal((await answerPage(at, page)).status, 400);
});

test("an answer without a page is refused", async (t) => {
  const at = await provider(t);
  assert.equal((await answerPage(at, "")).status, 400);
});

test("Allow for an account that does not exist is refused and leaves the page open", async (t) => {
  const at = await provider(t);
  const page = await (await openPage(at)).text();
  assert.equal((await answerPage(at, page, { account: "acc_root" })).status, 400);
  assert.equal((await answerPage(at, page)).status, 303);
});

for (const [what, redirectUri] of [
  ["another host", "http://127.0.0.2:9/callback?tenant=1"],
  ["another port", "http://127.0.0.1:10/callback?tenant=1"],
  ["another case", "http://127.0.0.1:9/Callback?tenant=1"],
  ["a longer path", "http://127.0.0.1:9/callback/x?tenant=1"],
  ["a shorter query", "http://127.0.0.1:9/callback"],
  ["a longer query", "http://127.0.0.1:9/callback?tenant=1&x=2"],
  ["user information", "http://127.0.0.1:9@evil.example/callback?tenant=1"],
  ["a fragment", "http://127.0.0.1:9/callback?tenant=1#x"],
  ["an escaped letter", "http://127.0.0.1:9/%63allback?tenant=1"],
  ["nothing", undefined],
]) {
  test(`a redirect URI with ${what} is refused without a redirect`, async (t) => {
    const at = await provider(t);
    const response = await openPage(at, { redirect_uri: redirectUri });
    assert.equal(response.status, 400);
    assert.equal(response.headers.get("location"), null);
    assert.match(await response.text(), /invalid_redirect_uri/);
  });
}

test("an unknown client is refused without a redirect", async (t) => {
  const at = await provider(t);
  const response = await openPage(at, { client_id: "nobody" });
  assert.equal(response.status, 400);
  assert.equal(response.headers.get("location"), null);
});

test("a parameter that is sent twice is refused without a redirect", async (t) => {
  const at = await provider(t);
  const query = new URLSearchParams({ client_id: "app", redirect_uri: REDIRECT_URI, scope: "calendar.read" });
  const response = await fetch(`${at.url}/authorize?${query}&response_type=code&scope=email`, {
    redirect: "manual",
  });
  assert.equal(response.status, 400);
  assert.match(await response.text(), /sent twice/);
});

const { challenge } = pkce();
const REFUSED: [string, string, Record<string, string | undefined>][] = [
  ["without response_type", "invalid_request", { response_type: undefined }],
  ["for the implicit flow", "unsupported_response_type", { response_type: "token" }],
  ["for a fragment answer", "invalid_request", { response_mode: "fragment" }],
  ["with a request object", "request_not_supported", { request: "e30.e30." }],
  ["with a request_uri", "request_uri_not_supported", { request_uri: "urn:x" }],
  ["without a scope", "invalid_scope", { scope: undefined }],
  ["for an unknown scope", "invalid_scope", { scope: "calendar.read calendar.admin" }],
  [
    "with a plain challenge",
    "invalid_request",
    { code_challenge: challenge, code_challenge_method: "plain" },
  ],
  ["with a challenge of no method", "invalid_request", { code_challenge: challenge }],
  ["with a short challenge", "invalid_request", { code_challenge: "abc", code_challenge_method: "S256" }],
  ["with a method and no challenge", "invalid_request", { code_challenge_method: "S256" }],
  ["with prompt=none", "interaction_required", { prompt: "none" }],
  ["with an unknown prompt", "invalid_request", { prompt: "maybe" }],
  ["with an unknown access_type", "invalid_request", { access_type: "forever" }],
];
for (const [what, error, overrides] of REFUSED) {
  test(`a request ${what} goes back with ${error}, state and issuer`, async (t) => {
    const at = await provider(t);
    const response = await openPage(at, overrides);
    assert.equal(response.status, 303);
    const answer = answerOf(response);
    assert.deepEqual([answer["error"], answer["state"], answer["iss"]], [error, "the state", at.url]);
  });
}

test("a state that is too long goes back with invalid_request", async (t) => {
  const at = await provider(t);
  assert.equal(answerOf(await openPage(at, { state: "s".repeat(2_049) }))["error"], "invalid_request");
  assert.equal((await openPage(at, { state: "s".repeat(2_048) })).status, 200);
});

test("a public client that sends no challenge goes back with invalid_request", async (t) => {
  const at = await provider(t);
  assert.equal(answerOf(await openPage(at, { client_id: "public" }))["error"], "invalid_request");
});

test("a public client that sends a challenge gets a code", async (t) => {
  const at = await provider(t);
  const asked = { client_id: "public", code_challenge: challenge, code_challenge_method: "S256" };
  assert.match(await getCode(at, asked), /^cal_code_/);
});
