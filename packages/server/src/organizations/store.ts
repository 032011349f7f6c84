import { sql } from "kysely";
import type { Queryable, Tx } from "../storage/index.ts";

/** Tables of the organizations slice, and the part of others' that it reads. */
export interface OrganizationTables {
  organizations: OrganizationRow;
  organization_members: { organization_id: string; user_id: string; joined_at: number };
  organization_connections: { organization_id: string; connection: string; auto_membership: number };
  organization_domains: DomainRow;
  organization_invitations: InvitationRow;
  organization_clients: { organization_id: string; client_id: string };
  grant_organizations: {
    grant_id: string;
    grant_hash: string;
    organization_id: string;
    user_id: string;
    created_at: number;
  };
  role_assignments: { user_id: string; organization_id: string; role: string };
  users: {
    id: string;
    email: string;
    email_key: string;
    email_verified: number;
    name: string | null;
    disabled_at: number | null;
  };
}

export interface OrganizationRow {
  id: string;
  name: string;
  display_name: string;
  /** JSON: `logo_url` and `colour`. */
  branding: string;
  /** JSON: flat texts. */
  metadata: string;
  disabled_at: number | null;
  created_at: number;
  updated_at: number;
}

export interface DomainRow {
  domain: string;
  organization_id: string;
  connection: string | null;
  verified_at: number | null;
  created_at: number;
}

export interface InvitationRow {
  id: string;
  organization_id: string;
  email: string;
  email_key: string;
  token_hash: string;
  /** JSON: role names. */
  roles: string;
  inviter_id: string | null;
  created_at: number;
  expires_at: number;
  consumed_at: number | null;
  accepted_by: string | null;
}

export const tables = (on: Queryable) => on.db<OrganizationTables>();

export function findOrganizationRow(on: Queryable, id: string): Promise<OrganizationRow | undefined> {
  return tables(on).selectFrom("organizations").selectAll().where("id", "=", id).executeTakeFirst();
}

/** Adds a member, or leaves the one there is as it is. Whether somebody was added. */
export async function addMemberRow(
  tx: Tx,
  organizationId: string,
  userId: string,
  now: number,
): Promise<boolean> {
  const added = await tables(tx)
    .insertInto("organization_members")
    .values({ organization_id: organizationId, user_id: userId, joined_at: now })
    .onConflict((conflict) => conflict.columns(["organization_id", "user_id"]).doNothing())
    .returning("user_id")
    .executeTakeFirst();
  return added !== undefined;
}

/** Gives a member further roles inside the organization. */
export async function addRoleRows(
  tx: Tx,
  organizationId: string,
  userId: string,
  roles: readonly string[],
): Promise<void> {
  if (roles.length === 0) return;
  await tables(tx)
    .insertInto("role_assignments")
    .values(roles.map((role) => ({ user_id: userId, organization_id: organizationId, role })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/**
 * Ends the grants that were made in an organization, of one member or of all, with every token under them. The
 * table of grants keeps its rows: what could still come of such a grant is no grant of no organization.
 */
export async function endGrants(tx: Tx, organizationId: string, userId?: string): Promise<void> {
  const member = userId === undefined ? sql`` : sql`and user_id = ${userId}`;
  await sql`delete from oauth_models where grant_id in (
    select grant_id from grant_organizations where organization_id = ${organizationId} ${member})`.execute(
    tx.db(),
  );
  await sql`delete from oauth_models where model = 'Grant' and id_hash in (
    select grant_hash from grant_organizations where organization_id = ${organizationId} ${member})`.execute(
    tx.db(),
  );
}
