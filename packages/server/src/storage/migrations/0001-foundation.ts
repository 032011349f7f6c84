import type { Migration } from "../migrate.ts";

/** What every slice leans on: the audit chain and the outbox. */
export const foundation: Migration = {
  name: "0001-foundation",
  statements: [
    `create table audit_events (
      seq bigint primary key,
      hash text not null,
      occurred_at bigint not null,
      action text not null,
      user_id text,
      client_id text,
      request_id text,
      event text not null
    )`,
    "create index audit_events_by_user on audit_events (user_id, seq)",
    // One row: the end of the chain. Updating it takes the lock that orders all events.
    "create table audit_head (id integer primary key, seq bigint not null, hash text not null)",
    "insert into audit_head (id, seq, hash) values (1, 0, '')",
    `create table outbox (
      id text primary key,
      topic text not null,
      payload text not null,
      created_at bigint not null,
      due_at bigint not null,
      attempts integer not null default 0,
      claimed_until bigint,
      done_at bigint,
      last_error text
    )`,
    "create index outbox_due on outbox (due_at) where done_at is null",
    `create table rate_counters (
      key text primary key,
      count integer not null,
      resets_at bigint not null
    )`,
  ],
};
