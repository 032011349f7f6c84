import { errorsOf } from "../http/errors.ts";
import type { ErrorTable } from "../lib/error-table.ts";

/** Every failure that the vault answers with. `spec/errors.json` says the same. */
export const vaultErrors = {
  "vault.unknown_connection": {
    status: 400,
    retryable: false,
    message: "This deployment has no such connection. Check the name.",
  },
  "vault.subject_invalid": {
    status: 400,
    retryable: false,
    message: "The subject token does not stand for an active user. Ask the user to log in again.",
  },
  "vault.not_connected": {
    status: 401,
    retryable: false,
    message: "The user has not connected such an account. Ask the user to connect it.",
  },
  "vault.scope_missing": {
    status: 401,
    retryable: false,
    message: "The user has not granted a scope that was asked for. Ask the user to connect again with it.",
  },
  "vault.account_ambiguous": {
    status: 401,
    retryable: false,
    message: "The user has several such accounts. Name one with login_hint.",
  },
  "vault.account_broken": {
    status: 401,
    retryable: false,
    message:
      "The provider no longer accepts what it issued for this account. Ask the user to connect it again.",
  },
  "vault.agent_not_allowed": {
    status: 403,
    retryable: false,
    message: "This client may not use this connection. An administrator can add it to the agent's policy.",
  },
  "vault.scope_not_allowed": {
    status: 403,
    retryable: false,
    message: "This client may not have a scope that the token would carry. See the agent's policy.",
  },
  "vault.provider_unavailable": {
    status: 503,
    retryable: true,
    message: "The provider does not answer as it should. Try again after the time in Retry-After.",
  },
  "vault.connection_misconfigured": {
    status: 502,
    retryable: false,
    message:
      "The provider refuses this deployment's own client. An administrator must correct the connection.",
  },
  "vault.redirect_uri_not_registered": {
    status: 400,
    retryable: false,
    message:
      "The redirect_uri is not registered for this client. It must be equal to one of them, byte for byte.",
  },
  "vault.too_many_connects": {
    status: 429,
    retryable: true,
    message: "The user has too many connections under way. Wait until some have expired.",
  },
  "vault.connect_invalid": {
    status: 400,
    retryable: false,
    message: "This does not complete a connection of this user and client. Start again.",
  },
  "vault.account_unknown": {
    status: 404,
    retryable: false,
    message: "The user has no connected account of this id.",
  },
} as const satisfies ErrorTable;

/** A code of {@link vaultErrors}. */
export type VaultErrorCode = keyof typeof vaultErrors;

export const vaultError = errorsOf(vaultErrors);
