import type { Migration } from "../migrate.ts";

/** Whom other providers' accounts log in here, log-ins that are under way there, and links that wait for proof. */
export const identities: Migration = {
  name: "0017-identities",
  statements: [
    `create table identities (
      id text primary key,
      connection text not null,
      external_id text not null,
      user_id text not null references users (id) on delete cascade,
      label text not null,
      created_at bigint not null,
      last_used_at bigint,
      unique (connection, external_id)
    )`,
    "create index identities_by_user on identities (user_id)",
    // `user_id` and `session_id`: somebody who is logged in adds the account to their own.
    `create table connection_states (
      state_hash text primary key,
      connection text not null,
      browser_hash text not null,
      user_id text,
      session_id text,
      data_key {bytes} not null,
      sealed {bytes} not null,
      expires_at bigint not null
    )`,
    "create index connection_states_by_expiry on connection_states (expires_at)",
    // An account of a provider that becomes a user's once that user has proven who they are in this flow.
    `create table pending_identities (
      flow_hash text primary key,
      user_id text not null references users (id) on delete cascade,
      connection text not null,
      external_id text not null,
      label text not null,
      expires_at bigint not null
    )`,
    "create index pending_identities_by_expiry on pending_identities (expires_at)",
  ],
};
