import type { Migration } from "../migrate.ts";

/** Roles made at run time, who has which, and what apps and administrators note about a user. */
export const roles: Migration = {
  name: "0011-roles",
  statements: [
    `create table roles (
      name text primary key,
      description text not null,
      permissions text not null,
      created_at bigint not null,
      updated_at bigint not null
    )`,
    // An empty organization means everywhere. Roles of the configuration file are assigned here too.
    `create table role_assignments (
      user_id text not null references users (id) on delete cascade,
      organization_id text not null,
      role text not null,
      primary key (user_id, organization_id, role)
    )`,
    "create index role_assignments_by_role on role_assignments (role)",
    `create table user_metadata (
      user_id text primary key references users (id) on delete cascade,
      app_metadata text not null,
      user_metadata text not null
    )`,
  ],
};
