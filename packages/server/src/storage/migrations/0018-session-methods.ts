import type { Migration } from "../migrate.ts";

/** By which methods and connections a log-in was proven: organizations take some and not others. */
export const sessionMethods: Migration = {
  name: "0018-session-methods",
  statements: [
    "alter table sessions add column methods text not null default '[]'",
    "alter table login_flows add column methods text not null default '[]'",
    // Log-ins from before: what their proofs say without doubt.
    `update sessions set methods = '["password"]' where amr like '%"pwd"%'`,
    `update sessions set methods = '["passkey"]' where amr like '%"pop"%' and amr not like '%"pwd"%'`,
  ],
};
