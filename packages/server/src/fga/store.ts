import type { Tuple, TupleKey } from "@behalf/fga";
import { sql } from "kysely";
import type { Queryable } from "../storage/index.ts";

/** Tables of the FGA slice. Times are milliseconds. */
export interface FgaTables {
  fga_stores: StoreRow;
  fga_models: { store_id: string; id: string; model: string; created_at: number };
  fga_tuples: TupleColumns & { store_id: string; seq: number; inserted_at: number };
  fga_changes: ChangeRow & { store_id: string };
  fga_assertions: { store_id: string; model_id: string; assertions: string };
}

export interface StoreRow {
  id: string;
  name: string;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
  /** Number of the last change; counts on, with gaps. */
  last_seq: number;
  /** Time of the last change. */
  changed_at: number;
  latest_model_id: string | null;
}

/** A tuple as it lies in a row. */
export interface TupleColumns {
  object_type: string;
  object_id: string;
  relation: string;
  user_text: string;
  /** `{"name", "context"}`; null without condition. */
  condition_json: string | null;
}

export type Operation = "write" | "delete";

/** One change of a store's tuples. */
export interface ChangeRow extends TupleColumns {
  seq: number;
  operation: Operation;
  occurred_at: number;
}

/** The row's tuple. */
export function toTuple(row: TupleColumns): Tuple {
  const key = { user: row.user_text, relation: row.relation, object: `${row.object_type}:${row.object_id}` };
  return row.condition_json === null ? key : { ...key, condition: JSON.parse(row.condition_json) };
}

/** The columns of a tuple, or of a key alone. An object without `:` has an empty type, which no tuple has. */
export function toColumns(tuple: Tuple | TupleKey): TupleColumns {
  const colon = tuple.object.indexOf(":");
  const condition = "condition" in tuple ? tuple.condition : undefined;
  return {
    object_type: colon < 0 ? "" : tuple.object.slice(0, colon),
    object_id: tuple.object.slice(colon + 1),
    relation: tuple.relation,
    user_text: tuple.user,
    condition_json: condition
      ? JSON.stringify({ name: condition.name, context: condition.context ?? {} })
      : null,
  };
}

/** Identifies a tuple within its store; no member may hold a newline. */
export function keyOf(row: Omit<TupleColumns, "condition_json">): string {
  return `${row.object_type}\n${row.object_id}\n${row.relation}\n${row.user_text}`;
}

/** The store, unless it is unknown or deleted. */
export function findStore(on: Queryable, id: string): Promise<StoreRow | undefined> {
  return on
    .db<FgaTables>()
    .selectFrom("fga_stores")
    .selectAll()
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
}

/** A store's end and what changed since `known`, in one snapshot. */
export interface Changes {
  readonly lastSeq: number;
  readonly latestModelId: string | null;
  readonly changes: readonly ChangeRow[];
}

/** At most `limit` changes after `known`, oldest first; `undefined` if the store is unknown or deleted. */
export async function changesSince(
  on: Queryable,
  storeId: string,
  known: number,
  limit: number,
): Promise<Changes | undefined> {
  type Row = Pick<StoreRow, "last_seq" | "latest_model_id"> & { [K in keyof ChangeRow]: ChangeRow[K] | null };
  const { rows } = await sql<Row>`
    select s.last_seq, s.latest_model_id, c.seq, c.operation, c.object_type, c.object_id, c.relation,
      c.user_text, c.condition_json, c.occurred_at
    from fga_stores s left join fga_changes c on c.store_id = s.id and c.seq > ${known}
    where s.id = ${storeId} and s.deleted_at is null
    order by c.seq limit ${limit}`.execute(on.db());
  const [first] = rows;
  if (!first) return undefined;
  // Without changes the outer join gives one row of nulls, which `seq` tells apart.
  const changes = rows.filter((row) => row.seq !== null) as unknown as ChangeRow[];
  return { lastSeq: first.last_seq, latestModelId: first.latest_model_id, changes };
}

/** At most `limit` tuples after `after`, in the order they were written, none written after `until`. */
export async function tuplesAfter(
  on: Queryable,
  storeId: string,
  range: { after: number; until: number; limit: number },
): Promise<readonly (TupleColumns & { seq: number })[]> {
  return on
    .db<FgaTables>()
    .selectFrom("fga_tuples")
    .select(["object_type", "object_id", "relation", "user_text", "condition_json", "seq"])
    .where("store_id", "=", storeId)
    .where("seq", ">", range.after)
    .where("seq", "<=", range.until)
    .orderBy("seq")
    .limit(range.limit)
    .execute();
}
