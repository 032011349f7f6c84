import type { Audit } from "../audit/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Queryable, Storage, Tx } from "../storage/index.ts";
import { organizationError } from "./errors.ts";
import { organizationEvents } from "./events.ts";
import { endGrants, findOrganizationRow, type OrganizationRow, tables } from "./store.ts";
import type { NewOrganization, OrganizationChange } from "./wire.ts";

/** Organizations, as administrators make, change and end them. */
export interface ManageOrganizations {
  /** Oldest first; by id. */
  list(filter: { after?: string | undefined; limit: number }): Promise<OrganizationRow[]>;
  /** By id or name. @throws ApiError `organization.unknown` */
  get(idOrName: string): Promise<OrganizationRow>;
  /** @throws ApiError `organization.name_taken` */
  create(body: NewOrganization): Promise<OrganizationRow>;
  /** The name stays what it is: tokens carry it. @throws ApiError `organization.unknown` */
  change(idOrName: string, change: OrganizationChange): Promise<OrganizationRow>;
  /** Off: nobody logs in to it, and what was granted in it ends. Safe to call twice. */
  setDisabled(idOrName: string, disabled: boolean): Promise<OrganizationRow>;
  /** With its members, invitations and roles; what was granted in it ends. @throws ApiError `organization.unknown` */
  remove(idOrName: string): Promise<void>;
}

export interface SliceDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** By id when it begins like one, else by name. @throws ApiError `organization.unknown` */
export async function requireRow(on: Queryable, idOrName: string): Promise<OrganizationRow> {
  const row = await lookUp(on, idOrName);
  if (!row) throw organizationError("organization.unknown");
  return row;
}

/** An id is compared exactly; a name in any case, as OpenID clients compare `org_name`. */
export function lookUp(on: Queryable, idOrName: string): Promise<OrganizationRow | undefined> {
  // Names never begin like ids; and what no name or id looks like is not worth a query.
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(idOrName)) return Promise.resolve(undefined);
  if (idOrName.startsWith("org_")) return findOrganizationRow(on, idOrName);
  const name = idOrName.toLowerCase();
  return tables(on).selectFrom("organizations").selectAll().where("name", "=", name).executeTakeFirst();
}

export function createManage(deps: SliceDeps): ManageOrganizations {
  const { storage, audit, clock, ids } = deps;

  const record = (tx: Tx, action: string, objectId: string, details = {}) =>
    audit.appendIn(tx, { action, objectId, outcome: "done", details });

  return {
    list({ after, limit }) {
      const query = tables(storage).selectFrom("organizations").selectAll().orderBy("id").limit(limit);
      return (after === undefined ? query : query.where("id", ">", after)).execute();
    },
    get: (idOrName) => requireRow(storage, idOrName),

    create: (body) =>
      storage.transaction(async (tx) => {
        const now = clock.now();
        const row: OrganizationRow = {
          id: ids.prefixed("org"),
          name: body.name,
          display_name: body.display_name ?? body.name,
          branding: JSON.stringify(body.branding),
          metadata: JSON.stringify(body.metadata),
          disabled_at: null,
          created_at: now,
          updated_at: now,
        };
        const made = await tables(tx)
          .insertInto("organizations")
          .values(row)
          .onConflict((conflict) => conflict.column("name").doNothing())
          .returning("id")
          .executeTakeFirst();
        if (!made) throw organizationError("organization.name_taken");
        await record(tx, organizationEvents.created, row.id, { name: row.name });
        return row;
      }),

    change: (idOrName, change) =>
      storage.transaction(async (tx) => {
        const row = await requireRow(tx, idOrName);
        const members = {
          ...(change.display_name === undefined ? {} : { display_name: change.display_name }),
          ...(change.branding === undefined ? {} : { branding: JSON.stringify(change.branding) }),
          ...(change.metadata === undefined ? {} : { metadata: JSON.stringify(change.metadata) }),
          updated_at: clock.now(),
        };
        await tables(tx).updateTable("organizations").set(members).where("id", "=", row.id).execute();
        await record(tx, organizationEvents.changed, row.id, {
          members: Object.keys(change).sort().join(" "),
        });
        return { ...row, ...members };
      }),

    setDisabled: (idOrName, disabled) =>
      storage.transaction(async (tx) => {
        const row = await requireRow(tx, idOrName);
        if ((row.disabled_at !== null) === disabled) return row;
        const change = { disabled_at: disabled ? clock.now() : null, updated_at: clock.now() };
        await tables(tx).updateTable("organizations").set(change).where("id", "=", row.id).execute();
        if (disabled) await endGrants(tx, row.id);
        await record(tx, disabled ? organizationEvents.disabled : organizationEvents.enabled, row.id);
        return { ...row, ...change };
      }),

    remove: (idOrName) =>
      storage.transaction(async (tx) => {
        const { id, name } = await requireRow(tx, idOrName);
        await tables(tx).deleteFrom("organizations").where("id", "=", id).execute();
        await tables(tx).deleteFrom("role_assignments").where("organization_id", "=", id).execute();
        await endGrants(tx, id);
        await record(tx, organizationEvents.deleted, id, { name });
      }),
  };
}
