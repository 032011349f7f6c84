import type { Tuple } from "@behalf/fga";
import type { Storage } from "../storage/index.ts";
import { type ChangeRow, type FgaTables, findStore, type Operation, toTuple } from "./store.ts";

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

/** At most `limit` changes after `after`, oldest first, of one type unless it is `""`. */
export async function readChangesOf(
  storage: Storage,
  storeId: string,
  type: string,
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
  if (type !== "") query = query.where("object_type", "=", type);
  return (await query.execute()).map(toChange);
}

/** The number after which all changes of `time` and later come; halves the log, whose times never fall. */
export async function lastSeqBefore(storage: Storage, storeId: string, time: number): Promise<number> {
  const store = await findStore(storage, storeId);
  let [before, end] = [0, store?.last_seq ?? 0];
  while (before < end) {
    const middle = Math.floor((before + end) / 2);
    const next = await storage
      .db<FgaTables>()
      .selectFrom("fga_changes")
      .select(["seq", "occurred_at"])
      .where("store_id", "=", storeId)
      .where("seq", ">", middle)
      .orderBy("seq")
      .limit(1)
      .executeTakeFirst();
    if (next && next.occurred_at < time) before = next.seq;
    else end = middle;
  }
  return before;
}

function toChange(row: ChangeRow): Change {
  return { seq: row.seq, operation: row.operation, tuple: toTuple(row), occurredAt: row.occurred_at };
}
