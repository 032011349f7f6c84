import { tokenHash } from "../crypto/hash.ts";
import { connectionsOf } from "./connections.ts";
import { organizationEvents } from "./events.ts";
import type { Organizations } from "./index.ts";
import type { Invitations } from "./invitations.ts";
import { lookUp, type SliceDeps } from "./manage.ts";
import { addMemberRow, findOrganizationRow, tables } from "./store.ts";
import { fromRow } from "./wire.ts";

/** More than anybody chooses from. */
const MAX_SHOWN = 200;

/** What log-in and OAuth ask. Every answer is read from the database: what an administrator ended has ended. */
export function createAccess(deps: SliceDeps & { invitations: Invitations }): Organizations {
  const { storage, audit, clock, invitations } = deps;

  const membershipOf: Organizations["membershipOf"] = async (userId, organizationId) => {
    const row = await tables(storage)
      .selectFrom("organization_members")
      .innerJoin("organizations", "organizations.id", "organization_members.organization_id")
      .select("organization_members.joined_at")
      .where("organization_members.organization_id", "=", organizationId)
      .where("organization_members.user_id", "=", userId)
      .where("organizations.disabled_at", "is", null)
      .executeTakeFirst();
    return row && { joinedAt: row.joined_at };
  };

  const allowedConnections: Organizations["allowedConnections"] = async (organizationId) => {
    const rows = await tables(storage)
      .selectFrom("organization_connections")
      .select("connection")
      .where("organization_id", "=", organizationId)
      .execute();
    return rows.length === 0 ? undefined : new Set(rows.map((row) => row.connection));
  };

  return {
    membershipOf,
    allowedConnections,
    async find(idOrName) {
      const row = await lookUp(storage, idOrName);
      return row && row.disabled_at === null ? fromRow(row) : undefined;
    },

    async organizationsOf(userId) {
      const rows = await tables(storage)
        .selectFrom("organization_members")
        .innerJoin("organizations", "organizations.id", "organization_members.organization_id")
        .selectAll("organizations")
        .where("organization_members.user_id", "=", userId)
        .where("organizations.disabled_at", "is", null)
        .orderBy("organizations.display_name")
        .orderBy("organizations.id")
        .limit(MAX_SHOWN)
        .execute();
      return rows.map(fromRow);
    },

    async forEmailDomain(domain) {
      const entry = await tables(storage)
        .selectFrom("organization_domains")
        .selectAll()
        .where("domain", "=", domain.toLowerCase())
        .where("verified_at", "is not", null)
        .executeTakeFirst();
      const row = entry && (await findOrganizationRow(storage, entry.organization_id));
      if (!row || row.disabled_at !== null) return undefined;
      return { organization: fromRow(row), connection: entry.connection ?? undefined };
    },

    async admits(organizationId, methods) {
      const allowed = await allowedConnections(organizationId);
      if (!allowed) return { connection: undefined };
      const connection = connectionsOf(methods).find((name) => allowed.has(name));
      return connection === undefined ? undefined : { connection };
    },

    async joinThrough(userId, organizationId, connection) {
      if (await membershipOf(userId, organizationId)) return true;
      return storage.transaction(async (tx) => {
        const organization = await findOrganizationRow(tx, organizationId);
        const brings = await tables(tx)
          .selectFrom("organization_connections")
          .select("connection")
          .where("organization_id", "=", organizationId)
          .where("connection", "=", connection)
          .where("auto_membership", "=", 1)
          .executeTakeFirst();
        if (!brings || !organization || organization.disabled_at !== null) return false;
        if (await addMemberRow(tx, organizationId, userId, clock.now()))
          await audit.appendIn(tx, {
            action: organizationEvents.memberAdded,
            userId,
            objectId: organizationId,
            outcome: "done",
            details: { connection },
          });
        return true;
      });
    },

    peekInvitation: invitations.peek,
    acceptInvitation: invitations.accept,

    async allowsClient(organizationId, clientId) {
      const row = await tables(storage)
        .selectFrom("organization_clients")
        .select("client_id")
        .where("organization_id", "=", organizationId)
        .where("client_id", "=", clientId)
        .executeTakeFirst();
      return row !== undefined;
    },

    async bindGrant(grantId, organizationId, userId) {
      await tables(storage)
        .insertInto("grant_organizations")
        .values({
          grant_id: grantId,
          grant_hash: tokenHash(grantId),
          organization_id: organizationId,
          user_id: userId,
          created_at: clock.now(),
        })
        .execute();
    },

    async organizationOfGrant(grantId) {
      const row = await tables(storage)
        .selectFrom("grant_organizations")
        .select("organization_id")
        .where("grant_id", "=", grantId)
        .executeTakeFirst();
      return row?.organization_id;
    },
  };
}
