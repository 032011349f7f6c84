/** What the vault writes into the audit log. */
export const vaultEvents = {
  /** An access token of an account was handed to an agent. */
  released: "vault.token_released",
  /** An agent asked for what its policy does not allow. */
  refused: "vault.token_refused",
  /** The provider issued new tokens for an account. */
  refreshed: "vault.token_refreshed",
  /** A refresh came back with fewer scopes than before. */
  scopeShrunk: "vault.scope_shrunk",
  /** The provider no longer accepts the account's refresh token; only the user can mend it. */
  broken: "vault.account_broken",
  /** A connection was begun by a client. */
  connectStarted: "vault.connect_started",
  /** The user said no on the confirmation page or at the provider, or the provider failed. */
  connectEnded: "vault.connect_ended",
  /** An account was connected, or connected again. */
  connected: "vault.account_connected",
  /** The user disconnected an account; its tokens are erased. */
  disconnected: "vault.account_disconnected",
  /** What became of the tokens at the provider. */
  revocation: "vault.provider_revocation",
} as const;
