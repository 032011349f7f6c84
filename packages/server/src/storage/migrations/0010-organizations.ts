import type { Migration } from "../migrate.ts";

/** Customers of business apps: their members, invitations, ways to log in, and the grants made in them. */
export const organizations: Migration = {
  name: "0010-organizations",
  statements: [
    `create table organizations (
      id text primary key,
      name text not null unique,
      display_name text not null,
      branding text not null,
      metadata text not null,
      disabled_at bigint,
      created_at bigint not null,
      updated_at bigint not null
    )`,
    `create table organization_members (
      organization_id text not null references organizations (id) on delete cascade,
      user_id text not null references users (id) on delete cascade,
      joined_at bigint not null,
      primary key (organization_id, user_id)
    )`,
    "create index organization_members_by_user on organization_members (user_id)",
    // Methods and connections by which members may log in. None: all of them.
    `create table organization_connections (
      organization_id text not null references organizations (id) on delete cascade,
      connection text not null,
      auto_membership integer not null default 0,
      primary key (organization_id, connection)
    )`,
    `create table organization_domains (
      domain text primary key,
      organization_id text not null references organizations (id) on delete cascade,
      connection text,
      verified_at bigint,
      created_at bigint not null
    )`,
    "create index organization_domains_by_organization on organization_domains (organization_id)",
    `create table organization_invitations (
      id text primary key,
      organization_id text not null references organizations (id) on delete cascade,
      email text not null,
      email_key text not null,
      token_hash text not null unique,
      roles text not null,
      inviter_id text,
      created_at bigint not null,
      expires_at bigint not null,
      consumed_at bigint,
      accepted_by text
    )`,
    "create index organization_invitations_by_organization on organization_invitations (organization_id)",
    // Clients that may ask for tokens of their own in an organization.
    `create table organization_clients (
      organization_id text not null references organizations (id) on delete cascade,
      client_id text not null,
      primary key (organization_id, client_id)
    )`,
    // In which organization a grant was made. Outlives the organization: such a grant never becomes one of none.
    `create table grant_organizations (
      grant_id text primary key,
      grant_hash text not null,
      organization_id text not null,
      user_id text not null,
      created_at bigint not null
    )`,
    "create index grant_organizations_by_member on grant_organizations (organization_id, user_id)",
  ],
};
