import type { Migration } from "../migrate.ts";

/** People and their sessions. */
export const login: Migration = {
  name: "0002-login",
  statements: [
    `create table users (
      id text primary key,
      email text not null,
      email_key text not null unique,
      email_verified integer not null default 0,
      name text,
      picture text,
      locale text,
      password_hash text,
      role text not null default 'user',
      disabled_at bigint,
      created_at bigint not null,
      updated_at bigint not null
    )`,
    // Failures are counted for the address that was tried, known or not, so that both answer alike.
    `create table login_failures (
      email_key text primary key,
      failures integer not null,
      locked_until bigint,
      last_failed_at bigint not null
    )`,
    `create table sessions (
      id_hash text primary key,
      user_id text not null references users (id) on delete cascade,
      created_at bigint not null,
      last_seen_at bigint not null,
      authenticated_at bigint not null,
      expires_at bigint not null,
      amr text not null,
      user_agent text
    )`,
    "create index sessions_by_user on sessions (user_id)",
  ],
};
