import type { Migration } from "../migrate.ts";

/** Accounts at third parties, the flows that connect them, and tokens that are still to be revoked. */
export const vault: Migration = {
  name: "0004-vault",
  statements: [
    // A disconnected account stays as an empty row, so that a refresh that was under way finds out.
    `create table connected_accounts (
      id text primary key,
      user_id text not null,
      connection text not null,
      external_id text not null,
      label text not null,
      scopes text not null,
      status text not null,
      broken_reason text,
      data_key {bytes},
      sealed_access {bytes},
      sealed_refresh {bytes},
      sealed_previous {bytes},
      version bigint not null,
      refresh_at bigint,
      expires_at bigint,
      lease_epoch bigint not null,
      lease_owner text,
      lease_until bigint,
      attempt_id text,
      attempt_at bigint,
      next_try_at bigint not null,
      fail_count integer not null,
      last_failure text,
      revocation text,
      created_at bigint not null,
      updated_at bigint not null
    )`,
    `create unique index connected_accounts_external on connected_accounts (user_id, connection, external_id)
      where status <> 'revoked'`,
    "create index connected_accounts_by_grant on connected_accounts (connection, external_id) where status <> 'revoked'",
    // Access tokens with fewer scopes than the account has. Without a token: the provider could not narrow.
    `create table narrow_tokens (
      account_id text not null,
      scopes text not null,
      sealed {bytes},
      refresh_at bigint not null,
      expires_at bigint not null,
      primary key (account_id, scopes)
    )`,
    `create table connect_transactions (
      id text primary key,
      auth_session_hash text not null unique,
      ticket_hash text not null unique,
      user_id text not null,
      client_id text not null,
      connection text not null,
      scopes text not null,
      redirect_uri text not null,
      code_challenge text not null,
      status text not null,
      data_key {bytes},
      sealed_request {bytes},
      session_id text,
      state_hash text unique,
      sealed_verifier {bytes},
      sealed_tokens {bytes},
      external_id text,
      label text,
      granted_scopes text,
      connect_code_hash text,
      created_at bigint not null,
      ticket_expires_at bigint not null,
      expires_at bigint not null,
      consumed_at bigint
    )`,
    "create index connect_transactions_by_expiry on connect_transactions (expires_at)",
    "create index connect_transactions_by_user on connect_transactions (user_id, created_at)",
    `create table token_revocations (
      id text primary key,
      account_id text,
      connection text not null,
      data_key {bytes},
      sealed {bytes},
      result text not null,
      created_at bigint not null,
      done_at bigint
    )`,
    "create index token_revocations_open on token_revocations (created_at) where done_at is null",
  ],
};
