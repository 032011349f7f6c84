import type { Tuple } from "@behalf/fga";
import type { Storage } from "../storage/index.ts";
import { type ChangeRow, type FgaTables, type Operation, toTuple } from "./store.ts";

/** What a read matches; parts that are `""` match everything. The type is given unless all parts are `""`. */
export interface ReadFilter {
  readonly objectType: string;
  readonly objectId: string;
  readonly relation: string;
  readonly user: string;
}

/** A stored tuple with the time it was written, in milliseconds. */
export interface ReadTuple {
  readonly seq: number;
  readonly tuple: Tuple;
  readonly insertedAt: number;
}

/** One entry of a store's log. */
export interface Change {
  readonly seq: number;
  readonly operation: Operation;
  readonly tuple: Tuple;
  readonly occurredAt: number;
}

/** At most `limit` tuples written after `after`, in the order they were written. */
export async function readTuplesOf(
  storage: Storage,
  storeId: string,
  filter: ReadFilter,
  page: { after: number; limit: number },
): Promise<readonly ReadTuple[]> {
  let query = storage
    .db<FgaTables>()
    .selectFrom("fga_tuples")
    .selectAll()
    .where("store_id", "=", storeId)
    .where("seq", ">", page.after)
    .orderBy("seq")
    .limit(page.limit);
  if (filter.objectType !== "") query = query.where("object_type", "=", filter.objectType);
  if (filter.objectId !== "") query = query.where("object_id", "=", filter.objectId);
  if (filter.relation !== "") query = query.where("relation", "=", filter.relation);
  if (filter.user !== "") query = query.where("user_text", "=", filter.user);
  const rows = await query.execute();
  return rows.map((row) => ({ seq: row.seq, tuple: toTuple(row), insertedAt: row.inserted_at }));
}

/** At most `limit` changes after `after`, oldest first, of one type unless it is `""`, not before `since`. */
export async function readChangesOf(
  storage: Storage,
  storeId: string,
  filter: { type: string; since: number | undefined },
  page: { after: number; limit: number },
): Promise<readonly Change[]> {
  let query = storage
    .db<FgaTables>()
    .selectFrom("fga_changes")
    .selectAll()
    .where("store_id", "=", storeId)
    .where("seq", ">", page.after)
    .orderBy("seq")
    .limit(page.limit);
  if (filter.type !== "") query = query.where("object_type", "=", filter.type);
  if (filter.since !== undefined) query = query.where("occurred_at", ">=", filter.since);
  return (await query.execute()).map(toChange);
}

function toChange(row: ChangeRow): Change {
  return { seq: row.seq, operation: row.operation, tuple: toTuple(row), occurredAt: row.occurred_at };
}
