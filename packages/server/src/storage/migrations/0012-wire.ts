import type { Migration } from "../migrate.ts";

/** Device authorization: who has a code before them, and how often it was asked for. Who takes part in a log-in. */
export const wire: Migration = {
  name: "0012-wire",
  statements: [
    // `id_hash` as in oauth_models; `session_id` is the public id of the browser session that opened the code first.
    `create table device_requests (
      id_hash text primary key,
      session_id text,
      user_id text,
      decided_at bigint,
      interval_seconds integer not null,
      last_polled_at bigint,
      expires_at bigint not null
    )`,
    "create index device_requests_by_expiry on device_requests (expires_at)",
    // Clients that got an ID token with this `sid`, and will want to hear when the session ends.
    `create table session_clients (
      sid text not null,
      client_id text not null,
      user_id text not null,
      created_at bigint not null,
      primary key (sid, client_id)
    )`,
    "create index session_clients_by_user on session_clients (user_id)",
    "create index session_clients_by_age on session_clients (created_at)",
  ],
};
