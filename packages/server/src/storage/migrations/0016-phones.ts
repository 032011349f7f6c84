import type { Migration } from "../migrate.ts";

/** Telephone numbers that users have shown to be theirs, in E.164. One number is one user's. */
export const phones: Migration = {
  name: "0016-phones",
  statements: [
    `create table user_phones (
      user_id text primary key references users (id) on delete cascade,
      phone text not null unique,
      second_factor integer not null default 0,
      confirmed_at bigint not null
    )`,
  ],
};
