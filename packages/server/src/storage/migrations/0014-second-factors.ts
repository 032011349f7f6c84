import type { Migration } from "../migrate.ts";

/** Authenticator apps and recovery codes; and when a session last got a new proof. */
export const secondFactors: Migration = {
  name: "0014-second-factors",
  statements: [
    "alter table sessions add column renewed_at bigint",
    // The secret must be known to compute codes, so it is sealed. `last_step` makes each code count once.
    `create table totp_factors (
      id text primary key,
      user_id text not null references users (id) on delete cascade,
      data_key {bytes} not null,
      sealed_secret {bytes} not null,
      last_step bigint not null default 0,
      created_at bigint not null,
      confirmed_at bigint
    )`,
    "create index totp_factors_by_user on totp_factors (user_id)",
    `create table recovery_codes (
      user_id text not null references users (id) on delete cascade,
      code_hash text not null,
      created_at bigint not null,
      consumed_at bigint,
      primary key (user_id, code_hash)
    )`,
  ],
};
