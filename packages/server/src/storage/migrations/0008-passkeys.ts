import type { Migration } from "../migrate.ts";

/** Passkeys, the random handle under which authenticators know each user, and challenges that wait for an answer. */
export const passkeys: Migration = {
  name: "0008-passkeys",
  statements: [
    `create table passkeys (
      id text primary key,
      credential_id text not null unique,
      user_id text not null references users (id) on delete cascade,
      public_key text not null,
      counter bigint not null,
      transports text not null default '[]',
      backed_up integer not null,
      name text not null,
      created_at bigint not null,
      last_used_at bigint
    )`,
    "create index passkeys_by_user on passkeys (user_id)",
    `create table passkey_handles (
      user_id text primary key references users (id) on delete cascade,
      handle text not null unique
    )`,
    `create table passkey_challenges (
      challenge_hash text primary key,
      purpose text not null,
      bound_to text not null,
      request text not null default '{}',
      expires_at bigint not null,
      consumed_at bigint
    )`,
    "create index passkey_challenges_by_expiry on passkey_challenges (expires_at)",
  ],
};
