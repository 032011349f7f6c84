import type { Migration } from "../migrate.ts";

/** Codes and links by mail and SMS, and password resets. */
export const loginCodes: Migration = {
  name: "0015-login-codes",
  statements: [
    // One row for each thing that a code is bound to: a newer code takes the place of the one before.
    `create table login_codes (
      binding_hash text primary key,
      purpose text not null,
      code_hash text not null,
      link_hash text not null unique,
      payload text not null,
      tries integer not null default 0,
      created_at bigint not null,
      expires_at bigint not null,
      consumed_at bigint
    )`,
    "create index login_codes_by_expiry on login_codes (expires_at)",
    // `password_mark` says which password it replaces: one that was changed since voids it.
    `create table password_resets (
      token_hash text primary key,
      user_id text not null references users (id) on delete cascade,
      password_mark text not null,
      request text not null,
      created_at bigint not null,
      expires_at bigint not null,
      consumed_at bigint
    )`,
    "create index password_resets_by_user on password_resets (user_id)",
    "create index password_resets_by_expiry on password_resets (expires_at)",
  ],
};
