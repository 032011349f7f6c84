import { type Expression, type SqlBool, sql } from "kysely";
import type { Queryable, Storage, Tx } from "../storage/index.ts";

/** The part of other slices' tables that administrators see and switch. */
export interface AdminTables {
  users: {
    id: string;
    email: string;
    email_key: string;
    email_verified: number;
    name: string | null;
    role: string;
    disabled_at: number | null;
    created_at: number;
    updated_at: number;
  };
  sessions: { user_id: string };
  clients: {
    id: string;
    /** JSON in the shape of `clientMetadataSchema`. */
    metadata: string;
    /** Keyed hash of the secret; `null` for a public client. */
    secret_hash: string | null;
    disabled_at: number | null;
    created_at: number;
    updated_at: number;
  };
  client_switches: { id: string; disabled_at: number | null };
}

export type UserRow = AdminTables["users"];
export type ClientRow = AdminTables["clients"];

const USER_COLUMNS = [
  "id",
  "email",
  "email_key",
  "email_verified",
  "name",
  "role",
  "disabled_at",
  "created_at",
  "updated_at",
] as const;

/** Users by id, oldest first; `email` finds addresses that contain it. */
export function listUserRows(
  storage: Storage,
  filter: { email: string | undefined; after: string | undefined; limit: number },
): Promise<UserRow[]> {
  let query = storage.db<AdminTables>().selectFrom("users").select(USER_COLUMNS);
  if (filter.email !== undefined) query = query.where(contains("email_key", filter.email));
  if (filter.after !== undefined) query = query.where("id", ">", filter.after);
  return query.orderBy("id").limit(filter.limit).execute();
}

export function findUserRow(on: Queryable, id: string): Promise<UserRow | undefined> {
  return on
    .db<AdminTables>()
    .selectFrom("users")
    .select(USER_COLUMNS)
    .where("id", "=", id)
    .executeTakeFirst();
}

/**
 * Makes concurrent changes of administrators wait for each other: an update that changes nothing takes the
 * rows' locks on both engines, and what follows in the transaction sees what the other one committed.
 */
export async function lockAdministrators(tx: Tx): Promise<void> {
  await tx
    .db<AdminTables>()
    .updateTable("users")
    .set((eb) => ({ updated_at: eb.ref("updated_at") }))
    .where("role", "=", "admin")
    .execute();
}

/** Administrators other than `id` who can log in. */
export async function countOtherAdministrators(tx: Tx, id: string): Promise<number> {
  const row = await tx
    .db<AdminTables>()
    .selectFrom("users")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("role", "=", "admin")
    .where("disabled_at", "is", null)
    .where("id", "!=", id)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Clients made at run time, by id; with `agentsOnly` those that have an agent policy. */
export function listClientRows(
  storage: Storage,
  filter: { agentsOnly: boolean; after: string | undefined; limit: number },
): Promise<ClientRow[]> {
  let query = storage.db<AdminTables>().selectFrom("clients").selectAll();
  // Metadata is written by JSON.stringify, which escapes quotes inside of values: this finds members only.
  if (filter.agentsOnly) query = query.where("metadata", "like", '%"agent":{%');
  if (filter.after !== undefined) query = query.where("id", ">", filter.after);
  return query.orderBy("id").limit(filter.limit).execute();
}

export function findClientRow(on: Queryable, id: string): Promise<ClientRow | undefined> {
  return on.db<AdminTables>().selectFrom("clients").selectAll().where("id", "=", id).executeTakeFirst();
}

/** When each configured client was switched off; those that are on have no entry. */
export async function readSwitches(on: Queryable): Promise<ReadonlyMap<string, number>> {
  const rows = await on
    .db<AdminTables>()
    .selectFrom("client_switches")
    .selectAll()
    .where("disabled_at", "is not", null)
    .execute();
  return new Map(rows.map((row) => [row.id, row.disabled_at ?? 0]));
}

/** `like` with the text as it is: its wildcards stand for themselves. */
function contains(column: string, text: string): Expression<SqlBool> {
  const pattern = `%${text.replace(/[\\%_]/g, "\\$&")}%`;
  return sql<SqlBool>`${sql.ref(column)} like ${pattern} escape '\\'`;
}
