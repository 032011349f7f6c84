import type { Migration } from "../migrate.ts";

/** What agents asked people, and the answers. */
export const approvals: Migration = {
  name: "0005-approvals",
  statements: [
    `create table approvals (
      id text primary key,
      auth_req_id_hash text not null unique,
      user_id text not null,
      client_id text not null,
      audience text,
      scopes text not null,
      binding_message text,
      details text not null,
      digest text not null,
      status text not null,
      created_at bigint not null,
      expires_at bigint not null,
      answered_at bigint,
      authenticated_at bigint,
      redeemed_at bigint,
      interval_seconds integer not null,
      last_polled_at bigint
    )`,
    "create index approvals_by_user on approvals (user_id, status, created_at)",
    "create index approvals_by_pair on approvals (user_id, client_id, status)",
    // One row a pair of user and agent: updating it lets requests of a pair be counted one after another.
    `create table approval_pairs (
      user_id text not null,
      client_id text not null,
      asked_at bigint not null,
      primary key (user_id, client_id)
    )`,
  ],
};
