import type { Queryable, Tx } from "../storage/index.ts";
import { organizationError } from "./errors.ts";
import { organizationEvents } from "./events.ts";
import { requireRow, type SliceDeps } from "./manage.ts";
import { addMemberRow, addRoleRows, endGrants, tables } from "./store.ts";
import { MAX_ROLES, type MemberRow } from "./wire.ts";

/** Members of organizations, as administrators keep them. */
export interface Members {
  /** By user id. @throws ApiError `organization.unknown` */
  list(organization: string, filter: { after?: string | undefined; limit: number }): Promise<MemberRow[]>;
  /**
   * Makes users members, with these roles inside the organization beside those they have. Safe to call twice.
   * @throws ApiError `organization.unknown`, `organization.reference_unknown`
   */
  add(organization: string, userIds: readonly string[], roles: readonly string[]): Promise<void>;
  /** Ends the membership, its roles and what was granted in it. @throws ApiError `organization.member_unknown` */
  remove(organization: string, userId: string): Promise<void>;
  /** Replaces the roles inside the organization. */
  setRoles(organization: string, userId: string, roles: readonly string[]): Promise<MemberRow>;
}

/** Which of these roles do not exist. */
export type UnknownRoles = (names: readonly string[]) => Promise<readonly string[]>;

export function createMembers(deps: SliceDeps & { unknownRoles: UnknownRoles }): Members {
  const { storage, audit, clock } = deps;

  const record = (tx: Tx, action: string, organizationId: string, userId: string, details = {}) =>
    audit.appendIn(tx, { action, userId, objectId: organizationId, outcome: "done", details });

  return {
    async list(organization, { after, limit }) {
      const { id } = await requireRow(storage, organization);
      const query = memberRows(storage, id).orderBy("organization_members.user_id").limit(limit);
      const rows = await (after === undefined
        ? query
        : query.where("organization_members.user_id", ">", after)
      ).execute();
      return withRoles(storage, id, rows);
    },

    async add(organization, userIds, roles) {
      await requireRoles(deps.unknownRoles, roles);
      await storage.transaction(async (tx) => {
        const { id } = await requireRow(tx, organization);
        const found = await tables(tx)
          .selectFrom("users")
          .select("id")
          .where("id", "in", [...userIds])
          .execute();
        const missing = userIds.filter((userId) => !found.some((row) => row.id === userId));
        if (missing.length > 0)
          throw organizationError("organization.reference_unknown", {
            detail: `There is no user ${missing.join(", ")}.`,
          });
        for (const userId of new Set(userIds)) {
          const added = await addMemberRow(tx, id, userId, clock.now());
          await addRoleRows(tx, id, userId, roles);
          if (added) await record(tx, organizationEvents.memberAdded, id, userId, { roles: roles.join(" ") });
        }
      });
    },

    remove: (organization, userId) =>
      storage.transaction(async (tx) => {
        const { id } = await requireRow(tx, organization);
        const removed = await tables(tx)
          .deleteFrom("organization_members")
          .where("organization_id", "=", id)
          .where("user_id", "=", userId)
          .returning("user_id")
          .executeTakeFirst();
        if (!removed) throw organizationError("organization.member_unknown");
        await removeRoles(tx, id, userId);
        await endGrants(tx, id, userId);
        await record(tx, organizationEvents.memberRemoved, id, userId);
      }),

    async setRoles(organization, userId, roles) {
      await requireRoles(deps.unknownRoles, roles);
      return storage.transaction(async (tx) => {
        const { id } = await requireRow(tx, organization);
        const member = await memberRows(tx, id)
          .where("organization_members.user_id", "=", userId)
          .executeTakeFirst();
        if (!member) throw organizationError("organization.member_unknown");
        await removeRoles(tx, id, userId);
        await addRoleRows(tx, id, userId, [...new Set(roles)]);
        await record(tx, organizationEvents.memberRolesChanged, id, userId, { roles: roles.join(" ") });
        return { ...member, roles: [...new Set(roles)].sort() };
      });
    },
  };
}

export async function requireRoles(unknownRoles: UnknownRoles, roles: readonly string[]): Promise<void> {
  if (roles.length > MAX_ROLES) throw organizationError("organization.limit_reached");
  const unknown = await unknownRoles(roles);
  if (unknown.length > 0)
    throw organizationError("organization.reference_unknown", {
      detail: `There is no role ${unknown.join(", ")}.`,
    });
}

const memberRows = (on: Queryable, organizationId: string) =>
  tables(on)
    .selectFrom("organization_members")
    .innerJoin("users", "users.id", "organization_members.user_id")
    .select(["organization_members.user_id", "users.email", "users.name", "organization_members.joined_at"])
    .where("organization_members.organization_id", "=", organizationId);

async function withRoles(on: Queryable, organizationId: string, rows: readonly Omit<MemberRow, "roles">[]) {
  if (rows.length === 0) return [];
  const assigned = await tables(on)
    .selectFrom("role_assignments")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where(
      "user_id",
      "in",
      rows.map((row) => row.user_id),
    )
    .orderBy("role")
    .execute();
  return rows.map((row) => ({
    ...row,
    roles: assigned.filter((entry) => entry.user_id === row.user_id).map((entry) => entry.role),
  }));
}

const removeRoles = (tx: Tx, organizationId: string, userId: string) =>
  tables(tx)
    .deleteFrom("role_assignments")
    .where("organization_id", "=", organizationId)
    .where("user_id", "=", userId)
    .execute();
