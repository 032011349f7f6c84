import type { Audit } from "../audit/index.ts";
import { type Config, ConfigError, permissionProblems } from "../config.ts";
import type { Clock } from "../lib/clock.ts";
import type { Queryable, Storage, Tx } from "../storage/index.ts";
import { roleError } from "./errors.ts";
import { roleEvents } from "./events.ts";
import type { Role, Roles } from "./index.ts";
import { createMetadata } from "./metadata.ts";
import { roleRoutes } from "./routes.ts";

/** Tables of the roles slice, and the part of others' that it reads. */
export interface RoleTables {
  roles: { name: string; description: string; permissions: string; created_at: number; updated_at: number };
  role_assignments: { user_id: string; organization_id: string; role: string };
  user_metadata: { user_id: string; app_metadata: string; user_metadata: string };
  users: { id: string };
}

/** How the tables write "everywhere". */
const EVERYWHERE = "";
/** More than one page of them is a mistake, and all are read at once. */
const MAX_ROLES = 500;

export interface RoleDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly config: Pick<Config, "roles" | "apis">;
}

export function createRoles(deps: RoleDeps): Roles {
  const { storage, audit, clock, config } = deps;
  const configured = new Map(
    config.roles.map((entry) => [entry.name, { ...entry, source: "configuration" as const }]),
  );
  const table = (on: Queryable) => on.db<RoleTables>();

  const record = (
    tx: Tx,
    action: string,
    objectId: string,
    more: { userId?: string; details?: object } = {},
  ) => audit.appendIn(tx, { action, objectId, outcome: "done", ...(more as object) });

  async function find(on: Queryable, name: string): Promise<Role | undefined> {
    const row =
      configured.get(name) ??
      (await table(on).selectFrom("roles").selectAll().where("name", "=", name).executeTakeFirst());
    return row && ("source" in row ? row : fromRow(row));
  }

  async function get(name: string): Promise<Role> {
    const role = await find(storage, name);
    if (!role) throw roleError("role.unknown");
    return role;
  }

  function check(permissions: Role["permissions"]): void {
    const problem = permissionProblems(permissions, config.apis)[0];
    if (problem) throw roleError("role.permission_unknown", { detail: problem });
  }

  async function rolesOf(userId: string, organizationId: string | undefined): Promise<readonly Role[]> {
    const rows = await table(storage)
      .selectFrom("role_assignments")
      .select("role")
      .where("user_id", "=", userId)
      .where("organization_id", "in", [EVERYWHERE, organizationId ?? EVERYWHERE])
      .execute();
    const names = [...new Set(rows.map((row) => row.role))].sort();
    return (await Promise.all(names.map((name) => find(storage, name)))).filter((role) => role !== undefined);
  }

  async function unknown(names: readonly string[]): Promise<readonly string[]> {
    const found = await Promise.all(
      [...new Set(names)].map(async (name) => [name, await find(storage, name)] as const),
    );
    return found.filter(([, role]) => role === undefined).map(([name]) => name);
  }

  const roles: Omit<Roles, "adminRoutes"> = {
    get,
    unknown,
    ...createMetadata(deps),

    async list() {
      const rows = await table(storage)
        .selectFrom("roles")
        .selectAll()
        .orderBy("name")
        .limit(MAX_ROLES)
        .execute();
      return [...configured.values(), ...rows.map(fromRow)];
    },

    async create({ name, description, permissions }) {
      check(permissions);
      if (configured.has(name)) throw roleError("role.name_taken");
      const now = clock.now();
      const row = {
        name,
        description,
        permissions: JSON.stringify(permissions),
        created_at: now,
        updated_at: now,
      };
      await storage.transaction(async (tx) => {
        const made = await table(tx)
          .insertInto("roles")
          .values(row)
          .onConflict((conflict) => conflict.column("name").doNothing())
          .returning("name")
          .executeTakeFirst();
        if (!made) throw roleError("role.name_taken");
        await record(tx, roleEvents.created, name);
      });
      return fromRow(row);
    },

    async change(name, change) {
      if (configured.has(name)) throw roleError("role.read_only");
      if (change.permissions) check(change.permissions);
      await storage.transaction(async (tx) => {
        const changed = await table(tx)
          .updateTable("roles")
          .set({
            updated_at: clock.now(),
            ...(change.description === undefined ? {} : { description: change.description }),
            ...(change.permissions === undefined ? {} : { permissions: JSON.stringify(change.permissions) }),
          })
          .where("name", "=", name)
          .returning("name")
          .executeTakeFirst();
        if (!changed) throw roleError("role.unknown");
        await record(tx, roleEvents.changed, name, {
          details: { members: Object.keys(change).sort().join(" ") },
        });
      });
      return get(name);
    },

    async remove(name) {
      if (configured.has(name)) throw roleError("role.read_only");
      await storage.transaction(async (tx) => {
        const removed = await table(tx)
          .deleteFrom("roles")
          .where("name", "=", name)
          .returning("name")
          .executeTakeFirst();
        if (!removed) throw roleError("role.unknown");
        // A new role of this name is another role, and nobody has it.
        await table(tx).deleteFrom("role_assignments").where("role", "=", name).execute();
        await record(tx, roleEvents.deleted, name);
      });
    },

    async assign(userId, names) {
      const [missing] = await unknown(names);
      if (missing !== undefined) throw roleError("role.unknown", { detail: `There is no role ${missing}.` });
      const unique = [...new Set(names)].sort();
      await storage.transaction(async (tx) => {
        const user = await table(tx)
          .selectFrom("users")
          .select("id")
          .where("id", "=", userId)
          .executeTakeFirst();
        if (!user) throw roleError("role.user_unknown");
        await table(tx)
          .deleteFrom("role_assignments")
          .where("user_id", "=", userId)
          .where("organization_id", "=", EVERYWHERE)
          .execute();
        const rows = unique.map((role) => ({ user_id: userId, organization_id: EVERYWHERE, role }));
        if (rows.length > 0) await table(tx).insertInto("role_assignments").values(rows).execute();
        await record(tx, roleEvents.assigned, userId, { userId, details: { roles: unique.join(" ") } });
      });
      return unique;
    },

    rolesOf: async (userId, organizationId) =>
      (await rolesOf(userId, organizationId)).map((role) => role.name),
    async permissionsOf(userId, organizationId, audience) {
      const all = await rolesOf(userId, organizationId);
      return new Set(all.flatMap((role) => role.permissions[audience] ?? []));
    },

    async refuseRolesInBoth() {
      const names = [...configured.keys()];
      if (names.length === 0) return;
      const rows = await table(storage)
        .selectFrom("roles")
        .select("name")
        .where("name", "in", names)
        .execute();
      if (rows.length > 0)
        throw new ConfigError(
          rows.map((row) => `roles: "${row.name}" is in the database too; give it another name in the file`),
        );
    },
  };
  return { ...roles, adminRoutes: (tools) => roleRoutes({ roles, tools }) };
}

function fromRow(row: Pick<RoleTables["roles"], "name" | "description" | "permissions">): Role {
  // Written by us from checked bodies.
  const permissions = JSON.parse(row.permissions) as Role["permissions"];
  return { name: row.name, description: row.description, permissions, source: "runtime" };
}
