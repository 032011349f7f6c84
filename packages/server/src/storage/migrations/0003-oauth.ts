import type { Migration } from "../migrate.ts";

/** What the OAuth core keeps: its models under hashed ids, clients made at run time, signing keys. */
export const oauth: Migration = {
  name: "0003-oauth",
  statements: [
    `create table oauth_models (
      model text not null,
      id_hash text not null,
      payload text not null,
      grant_id text,
      uid text,
      user_code text,
      account_id text,
      client_id text,
      expires_at bigint,
      consumed_at bigint,
      primary key (model, id_hash)
    )`,
    "create index oauth_models_by_grant on oauth_models (grant_id) where grant_id is not null",
    "create index oauth_models_by_uid on oauth_models (model, uid) where uid is not null",
    "create index oauth_models_by_user_code on oauth_models (model, user_code) where user_code is not null",
    "create index oauth_models_by_account on oauth_models (account_id, model) where account_id is not null",
    "create index oauth_models_by_expiry on oauth_models (expires_at) where expires_at is not null",
    `create table clients (
      id text primary key,
      metadata text not null,
      secret_hash text,
      disabled_at bigint,
      created_at bigint not null,
      updated_at bigint not null
    )`,
    // Switches that an administrator turned for clients of the configuration file.
    "create table client_switches (id text primary key, disabled_at bigint)",
    `create table signing_keys (
      kid text primary key,
      algorithm text not null,
      public_jwk text not null,
      data_key {bytes} not null,
      private_jwk {bytes} not null,
      created_at bigint not null,
      retired_at bigint
    )`,
    `create table revoked_tokens (
      jti text primary key,
      expires_at bigint not null
    )`,
  ],
};
