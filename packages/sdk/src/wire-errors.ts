import { BehalfError } from "./errors.ts";
import { isObject, type JsonAnswer, type JsonObject, quantity, text } from "./http.ts";
import type { InterruptAccount, InterruptCode } from "./interrupt.ts";

/** What an error of the vault exchange means: ask the user (`interrupt`), or tell whoever can repair it. */
export type VaultRefusal = { interrupt: InterruptCode } | { error: BehalfError };

/** Errors of the vault exchange that only the user can repair, by the `code` of the answer. */
const VAULT_INTERRUPTS: Readonly<Record<string, InterruptCode>> = {
  "vault.not_connected": "vault.not_connected",
  "vault.scope_missing": "vault.scope_missing",
  "vault.account_ambiguous": "vault.account_ambiguous",
  "vault.account_broken": "vault.account_broken",
  "vault.subject_invalid": "login.required",
};

/** The others, with what happened and what to do. */
const VAULT_ERRORS: Readonly<Record<string, { message: string; retryable?: true }>> = {
  "vault.agent_not_allowed": {
    message: "This agent may not use this connection: allow it in the agent's policy on the server.",
  },
  "vault.scope_not_allowed": {
    message: "This agent may not ask for these scopes: allow them in the agent's policy on the server.",
  },
  "vault.provider_unavailable": {
    message: "The provider did not answer the server; try again later.",
    retryable: true,
  },
  "vault.connection_misconfigured": {
    message: "The connection is configured wrongly on the server; its log says what the provider refused.",
  },
  "vault.unknown_connection": { message: "The server has no connection of this name." },
};

/** @see auth0-wire 2.1, 2.5 for the exchange; the member `code` is this server's own */
export function vaultRefusal(answer: JsonAnswer): VaultRefusal {
  const code = text(answer.body, "code");
  const interrupt = code && Object.hasOwn(VAULT_INTERRUPTS, code) ? VAULT_INTERRUPTS[code] : undefined;
  if (interrupt) return { interrupt };
  const known = code && Object.hasOwn(VAULT_ERRORS, code) ? VAULT_ERRORS[code] : undefined;
  if (!code || !known) {
    // RFC 6749 section 5.2: the grant, here the user's token, is invalid, expired or revoked.
    if (!code && text(answer.body, "error") === "invalid_grant") return { interrupt: "login.required" };
    return { error: oauthError(answer) };
  }
  return { error: new BehalfError(code, known.message, answerOptions(answer, known.retryable ?? false)) };
}

/** The accounts of a `vault.account_ambiguous` answer; entries that are not understood are left out. */
export function accountsOf(body: JsonObject): InterruptAccount[] {
  const accounts = Array.isArray(body["accounts"]) ? body["accounts"] : [];
  return accounts.flatMap((account: unknown) => {
    if (!isObject(account)) return [];
    const [id, loginHint] = [text(account, "id"), text(account, "login_hint")];
    return id && loginHint ? [{ id, label: text(account, "label") ?? loginHint, loginHint }] : [];
  });
}

/** What a poll for an approval was told. */
export type PollRefusal = "pending" | "slow_down" | BehalfError;

/** Final answers, by family; the words are for the model, which passes them on to the user. */
const POLL_ERRORS: Readonly<Record<string, string>> = {
  "approval.denied": "The user refused this action. It was not carried out; do not ask again.",
  "approval.expired": "The user did not answer in time. The action was not carried out.",
  "approval.redeemed": "This approval was used already. The action is not carried out twice.",
  "approval.unknown": "The server does not know this approval request. The action was not carried out.",
  "device.denied": "The user refused to log in on the other device.",
  "device.expired": "The user did not enter the code in time.",
  "device.unknown": "The server does not know this device code.",
};

/** @see OpenID Connect CIBA Core 1.0 section 11; RFC 8628 section 3.5 for device codes */
export function pollRefusal(answer: JsonAnswer, family: "approval" | "device"): PollRefusal {
  const error = text(answer.body, "error");
  if (error === "authorization_pending") return "pending";
  if (error === "slow_down") return "slow_down";
  const code = pollCode(family, error, text(answer.body, "code"));
  const message = code && POLL_ERRORS[code];
  return code && message ? new BehalfError(code, message, answerOptions(answer)) : oauthError(answer);
}

function pollCode(family: string, error: string | undefined, code: string | undefined): string | undefined {
  if (code?.startsWith(`${family}.`) && Object.hasOwn(POLL_ERRORS, code)) return code;
  if (error === "access_denied") return `${family}.denied`;
  if (error === "expired_token") return `${family}.expired`;
  if (error === "invalid_grant") return `${family}.unknown`;
  return undefined;
}

/** A code of this server's own catalogue, such as `approval.too_many`. */
const OWN_CODE = /^[a-z]{2,32}\.[a-z_]{2,64}$/;
/** Of those, the ones that time alone repairs although the status says otherwise. */
const REPAIRED_BY_TIME = ["approval.too_many", "approval.cooling_down"];

/**
 * Any other refusal, under the server's own code where it gives one. The server's description is for
 * developers and goes into the message; it never holds a token or secret.
 */
export function oauthError(answer: JsonAnswer): BehalfError {
  const { status, body } = answer;
  const error = text(body, "error") ?? "unknown";
  const own = text(body, "code");
  const said = text(body, "error_description") ?? "no description";
  if (own && OWN_CODE.test(own)) {
    const retryable = status === 429 || status >= 500 || REPAIRED_BY_TIME.includes(own);
    return new BehalfError(own, `The server refused: ${said}`, answerOptions(answer, retryable));
  }
  if (status === 429) {
    const message = "The server limits requests; try again later.";
    return new BehalfError("server.too_many_requests", message, answerOptions(answer, true));
  }
  if (status >= 500 || error === "temporarily_unavailable") {
    const message = `The server cannot answer now: ${error} (status ${status}).`;
    return new BehalfError("server.unavailable", message, answerOptions(answer, true));
  }
  return new BehalfError(`oauth.${error}`, `The server refused: ${error}: ${said}`, answerOptions(answer));
}

function answerOptions(answer: JsonAnswer, retryable = false) {
  const { status, body } = answer;
  const retryAfterSeconds = answer.retryAfterSeconds ?? quantity(body, "retry_after_seconds");
  return { status, retryable, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) };
}
