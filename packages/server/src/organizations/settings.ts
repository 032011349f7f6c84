import type { Tx } from "../storage/index.ts";
import { organizationError } from "./errors.ts";
import { organizationEvents } from "./events.ts";
import { requireRow, type SliceDeps } from "./manage.ts";
import { type DomainRow, tables } from "./store.ts";
import { MAX_CONNECTIONS, type NewDomain } from "./wire.ts";

/** By what members log in, which domains are theirs, which clients act in the organization. */
export interface Settings {
  connections(organization: string): Promise<readonly ConnectionChoice[]>;
  /** Replaces them; none means all. @throws ApiError `organization.reference_unknown` */
  setConnections(
    organization: string,
    choices: readonly ConnectionChoice[],
  ): Promise<readonly ConnectionChoice[]>;
  domains(organization: string): Promise<readonly DomainRow[]>;
  /** @throws ApiError `organization.domain_taken`, `organization.limit_reached` */
  addDomain(organization: string, body: NewDomain): Promise<DomainRow>;
  /** @throws ApiError `organization.domain_unknown` */
  removeDomain(organization: string, domain: string): Promise<void>;
  clients(organization: string): Promise<readonly string[]>;
  /** Replaces them. @throws ApiError `organization.reference_unknown` */
  setClients(organization: string, clientIds: readonly string[]): Promise<readonly string[]>;
}

export interface ConnectionChoice {
  readonly connection: string;
  readonly auto_membership: boolean;
}

const MAX_DOMAINS = 100;

export function createSettings(
  deps: SliceDeps & {
    /** Names of everything one can log in by: methods and connections. */
    loginConnections: ReadonlySet<string>;
    clientExists: (id: string) => Promise<boolean>;
  },
): Settings {
  const { storage, audit, clock, loginConnections } = deps;

  const record = (tx: Tx, action: string, objectId: string, details = {}) =>
    audit.appendIn(tx, { action, objectId, outcome: "done", details });

  function requireConnection(name: string): void {
    if (!loginConnections.has(name))
      throw organizationError("organization.reference_unknown", { detail: `Nobody logs in by "${name}".` });
  }

  return {
    async connections(organization) {
      const { id } = await requireRow(storage, organization);
      const rows = await tables(storage)
        .selectFrom("organization_connections")
        .selectAll()
        .where("organization_id", "=", id)
        .orderBy("connection")
        .execute();
      return rows.map((row) => ({ connection: row.connection, auto_membership: row.auto_membership === 1 }));
    },

    async setConnections(organization, choices) {
      for (const { connection } of choices) requireConnection(connection);
      const unique = [...new Map(choices.map((choice) => [choice.connection, choice])).values()];
      await storage.transaction(async (tx) => {
        const { id } = await requireRow(tx, organization);
        await tables(tx).deleteFrom("organization_connections").where("organization_id", "=", id).execute();
        const rows = unique.map((choice) => ({
          organization_id: id,
          connection: choice.connection,
          auto_membership: choice.auto_membership ? 1 : 0,
        }));
        if (rows.length > 0) await tables(tx).insertInto("organization_connections").values(rows).execute();
        const names = unique.map(({ connection }) => connection).join(" ");
        await record(tx, organizationEvents.connectionsChanged, id, { connections: names });
      });
      return unique.toSorted((a, b) => (a.connection < b.connection ? -1 : 1));
    },

    async domains(organization) {
      const { id } = await requireRow(storage, organization);
      const query = tables(storage).selectFrom("organization_domains").selectAll();
      return query.where("organization_id", "=", id).orderBy("domain").execute();
    },

    async addDomain(organization, { domain, verified, connection }) {
      if (connection !== undefined) requireConnection(connection);
      return storage.transaction(async (tx) => {
        const { id } = await requireRow(tx, organization);
        const { count } = await tables(tx)
          .selectFrom("organization_domains")
          .select((eb) => eb.fn.countAll<number>().as("count"))
          .where("organization_id", "=", id)
          .executeTakeFirstOrThrow();
        if (Number(count) >= MAX_DOMAINS) throw organizationError("organization.limit_reached");
        const now = clock.now();
        const row: DomainRow = {
          domain,
          organization_id: id,
          connection: connection ?? null,
          verified_at: verified ? now : null,
          created_at: now,
        };
        const added = await tables(tx)
          .insertInto("organization_domains")
          .values(row)
          // The organization's own entry is replaced; another one's is not.
          .onConflict((conflict) =>
            conflict.column("domain").doUpdateSet(row).where("organization_domains.organization_id", "=", id),
          )
          .returning("domain")
          .executeTakeFirst();
        if (!added) throw organizationError("organization.domain_taken");
        await record(tx, organizationEvents.domainAdded, id, { domain, verified });
        return row;
      });
    },

    removeDomain: (organization, domain) =>
      storage.transaction(async (tx) => {
        const { id } = await requireRow(tx, organization);
        const removed = await tables(tx)
          .deleteFrom("organization_domains")
          .where("domain", "=", domain.toLowerCase())
          .where("organization_id", "=", id)
          .returning("domain")
          .executeTakeFirst();
        if (!removed) throw organizationError("organization.domain_unknown");
        await record(tx, organizationEvents.domainRemoved, id, { domain: removed.domain });
      }),

    async clients(organization) {
      const { id } = await requireRow(storage, organization);
      const query = tables(storage).selectFrom("organization_clients").select("client_id");
      return (await query.where("organization_id", "=", id).orderBy("client_id").execute()).map(
        (row) => row.client_id,
      );
    },

    async setClients(organization, clientIds) {
      const unique = [...new Set(clientIds)].sort().slice(0, MAX_CONNECTIONS);
      for (const clientId of unique)
        if (!(await deps.clientExists(clientId)))
          throw organizationError("organization.reference_unknown", {
            detail: `There is no client "${clientId}".`,
          });
      await storage.transaction(async (tx) => {
        const { id } = await requireRow(tx, organization);
        await tables(tx).deleteFrom("organization_clients").where("organization_id", "=", id).execute();
        const rows = unique.map((clientId) => ({ organization_id: id, client_id: clientId }));
        if (rows.length > 0) await tables(tx).insertInto("organization_clients").values(rows).execute();
        await record(tx, organizationEvents.clientsChanged, id, { clients: unique.join(" ") });
      });
      return unique;
    },
  };
}
