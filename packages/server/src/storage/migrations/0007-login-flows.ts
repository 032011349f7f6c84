import type { Migration } from "../migrate.ts";

/** Log-ins that are under way: who wants in, where they go afterwards, and what has been proven so far. */
export const loginFlows: Migration = {
  name: "0007-login-flows",
  statements: [
    `create table login_flows (
      id_hash text primary key,
      browser_hash text not null,
      request text not null,
      identifier text not null,
      user_id text references users (id) on delete cascade,
      amr text not null default '[]',
      proven_at bigint,
      created_at bigint not null,
      expires_at bigint not null
    )`,
    "create index login_flows_by_expiry on login_flows (expires_at)",
  ],
};
