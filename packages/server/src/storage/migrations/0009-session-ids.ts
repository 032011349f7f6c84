import type { Migration } from "../migrate.ts";

/** Sessions keep their name while their cookie changes, as it does whenever a person proves again who they are. */
export const sessionIds: Migration = {
  name: "0009-session-ids",
  statements: [
    "alter table sessions add column public_id text",
    "update sessions set public_id = id_hash",
    "create unique index sessions_by_public_id on sessions (public_id)",
  ],
};
