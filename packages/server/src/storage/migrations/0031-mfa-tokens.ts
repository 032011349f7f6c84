import type { Migration } from "../migrate.ts";

/** Requests that wait for a second factor, each under a value that its client holds. */
export const mfaTokens: Migration = {
  name: "0031-mfa-tokens",
  statements: [
    `create table mfa_tokens (
      token_hash text primary key,
      client_id text not null,
      user_id text not null,
      grant_id text not null,
      audience text not null,
      scope text not null,
      amr text not null,
      authenticated_at bigint not null,
      -- An authenticator app that was begun under this value, and the hashes of its recovery codes.
      pending_factor text,
      pending_codes text,
      expires_at bigint not null,
      consumed_at bigint
    )`,
    "create index mfa_tokens_expires on mfa_tokens (expires_at)",
  ],
};
