import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonAnswer } from "./http.ts";
import { accountsOf, oauthError, pollRefusal, vaultRefusal } from "./wire-errors.ts";

const answer = (status: number, error: string, code?: string, extra = {}): JsonAnswer => ({
  status,
  body: { error, error_description: "why", ...(code ? { code } : {}), ...extra },
});

test("every vault refusal that the user can repair is an interrupt of its own", () => {
  const cases: [JsonAnswer, string][] = [
    [answer(401, "interaction_required", "vault.not_connected"), "vault.not_connected"],
    [answer(401, "consent_required", "vault.scope_missing"), "vault.scope_missing"],
    [answer(401, "account_selection_required", "vault.account_ambiguous"), "vault.account_ambiguous"],
    [answer(401, "interaction_required", "vault.account_broken"), "vault.account_broken"],
    [answer(400, "invalid_grant", "vault.subject_invalid"), "login.required"],
    [answer(400, "invalid_grant"), "login.required"],
  ];
  for (const [given, interrupt] of cases) assert.deepEqual(vaultRefusal(given), { interrupt });
});

test("every other vault refusal is an error of its own and never an interrupt", () => {
  const cases: [JsonAnswer, code: string, retryable: boolean][] = [
    [answer(403, "unauthorized_client", "vault.agent_not_allowed"), "vault.agent_not_allowed", false],
    [answer(403, "invalid_scope", "vault.scope_not_allowed"), "vault.scope_not_allowed", false],
    [
      answer(503, "temporarily_unavailable", "vault.provider_unavailable"),
      "vault.provider_unavailable",
      true,
    ],
    [answer(502, "server_error", "vault.connection_misconfigured"), "vault.connection_misconfigured", false],
    [answer(400, "invalid_request", "vault.unknown_connection"), "vault.unknown_connection", false],
    [answer(401, "invalid_client"), "oauth.invalid_client", false],
    [answer(400, "unsupported_grant_type"), "oauth.unsupported_grant_type", false],
    [answer(500, "server_error"), "server.unavailable", true],
    [answer(429, "slow_down"), "server.too_many_requests", true],
    [answer(400, "invalid_request", "constructor"), "oauth.invalid_request", false],
  ];
  for (const [given, code, retryable] of cases) {
    const meaning = vaultRefusal(given);
    assert.ok("error" in meaning, code);
    assert.equal(meaning.error.code, code);
    assert.equal(meaning.error.retryable, retryable, code);
    assert.equal(meaning.error.status, given.status);
  }
});

test("a refusal says after how many seconds the next attempt makes sense", () => {
  const meaning = vaultRefusal({
    ...answer(503, "temporarily_unavailable", "vault.provider_unavailable"),
    retryAfterSeconds: 7,
  });
  assert.ok("error" in meaning);
  assert.equal(meaning.error.retryAfterSeconds, 7);
});

test("the accounts to choose from are read, and entries that name no account are left out", () => {
  const accounts = [
    { id: "cac_1", label: "anne@work.example", login_hint: "w1" },
    { id: "cac_2", login_hint: "h2" },
    { id: "cac_3", label: "no hint" },
    "cac_4",
  ];
  assert.deepEqual(accountsOf({ accounts }), [
    { id: "cac_1", label: "anne@work.example", loginHint: "w1" },
    { id: "cac_2", label: "h2", loginHint: "h2" },
  ]);
  assert.deepEqual(accountsOf({ accounts: "none" }), []);
});

test("denied, expired, redeemed, unknown, pending and too fast are six different answers", () => {
  assert.equal(pollRefusal(answer(400, "authorization_pending"), "approval"), "pending");
  assert.equal(pollRefusal(answer(400, "slow_down"), "approval"), "slow_down");
  const cases: [JsonAnswer, string][] = [
    [answer(400, "access_denied", "approval.denied"), "approval.denied"],
    [answer(400, "access_denied", "approval.expired"), "approval.expired"],
    [answer(400, "invalid_grant", "approval.redeemed"), "approval.redeemed"],
    [answer(400, "invalid_grant", "approval.unknown"), "approval.unknown"],
    [answer(400, "access_denied"), "approval.denied"],
    [answer(400, "expired_token"), "approval.expired"],
    [answer(400, "invalid_grant"), "approval.unknown"],
    [answer(401, "invalid_client"), "oauth.invalid_client"],
    [answer(503, "server_error"), "server.unavailable"],
  ];
  for (const [given, code] of cases) {
    const refusal = pollRefusal(given, "approval");
    assert.ok(typeof refusal !== "string", code);
    assert.equal(refusal.code, code);
  }
});

test("a refusal under the server's own code keeps it, and says when time alone repairs it", () => {
  const refused = oauthError(
    answer(400, "access_denied", "approval.cooling_down", { retry_after_seconds: 900 }),
  );
  assert.equal(refused.code, "approval.cooling_down");
  assert.equal(refused.retryable, true);
  assert.equal(refused.retryAfterSeconds, 900);
  const final = oauthError(answer(400, "invalid_authorization_details", "approval.details_invalid"));
  assert.equal(final.code, "approval.details_invalid");
  assert.equal(final.retryable, false);
});

test("a code that is not of the catalogue's form is not taken over", () => {
  for (const code of ["nonsense", "A.B", "a.b\n", "a.b.c"]) {
    assert.equal(oauthError(answer(400, "invalid_request", code)).code, "oauth.invalid_request");
  }
});

test("a device code that is refused, too late or unknown has codes of its own", () => {
  const cases: [JsonAnswer, string][] = [
    [answer(400, "access_denied"), "device.denied"],
    [answer(400, "expired_token"), "device.expired"],
    [answer(400, "invalid_grant"), "device.unknown"],
    [answer(400, "access_denied", "approval.expired"), "device.denied"],
  ];
  for (const [given, code] of cases) {
    const refusal = pollRefusal(given, "device");
    assert.ok(typeof refusal !== "string", code);
    assert.equal(refusal.code, code);
  }
  assert.equal(pollRefusal(answer(400, "authorization_pending"), "device"), "pending");
});
