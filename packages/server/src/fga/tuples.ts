import { FgaError, parseUser, type Tuple, type TupleKey, validateWrite } from "@behalf/fga";
import { sql } from "kysely";
import type { Clock } from "../lib/clock.ts";
import type { Storage, Tx } from "../storage/index.ts";
import { fgaError, fgaErrors } from "./errors.ts";
import { type Models, noModels } from "./models.ts";
import type { Residents } from "./resident.ts";
import { type ChangeRow, type FgaTables, keyOf, type TupleColumns, toColumns } from "./store.ts";

/** Writes and deletes of one request; deletes come first. */
export interface WriteRequest {
  readonly storeId: string;
  /** `""` for the store's latest. */
  readonly modelId: string;
  readonly writes: readonly Tuple[];
  readonly deletes: readonly TupleKey[];
  /** `ignore`: a tuple that is there with the same condition is no error and no change. */
  readonly onDuplicate: "error" | "ignore";
  /** `ignore`: a tuple that is not there is no error and no change. */
  readonly onMissing: "error" | "ignore";
}

/** Changes the tuples of stores. */
export interface Tuples {
  /**
   * Does all of the request, durably, or none of it. Safe to call in parallel: the writes of a store happen one
   * after another. Returns the id of the model that the tuples were checked against.
   * @throws FgaError, FgaApiError `invalid_write_input`, `validation_error`,
   *   `cannot_allow_duplicate_tuples_in_one_request`, `exceeded_entity_limit`, `write_failed_due_to_invalid_input`,
   *   `Aborted`, and what {@link Models.resolve} throws
   */
  write(request: WriteRequest): Promise<string>;
}

/** OpenFGA's `maxTuplesPerWrite`: writes and deletes together. */
export const MAX_TUPLES_PER_WRITE = 100;
/** OpenFGA's limit on the context of one tuple's condition. */
const MAX_CONTEXT_BYTES = 32_768;

export function createTuples(deps: {
  storage: Storage;
  clock: Clock;
  models: Models;
  residents: Residents;
}): Tuples {
  const { storage, clock, models, residents } = deps;
  return {
    async write(request) {
      if (request.writes.length + request.deletes.length === 0) throw fgaError("invalid_write_input");
      const { id, model } = await models.resolve(request.storeId, request.modelId);
      for (const tuple of request.writes) validate(() => validateWrite(model, tuple), tuple);
      request.deletes.forEach(validateDelete);
      refuseRepeats(request);
      const done = await residents.recordWrite(request.storeId, () =>
        storage.transaction((tx) => apply(tx, request, clock.now())),
      );
      if (!done) throw noModels(request.storeId);
      return id;
    },
  };
}

/** What a committed write did. `base` is the store's last change before it. */
export interface CommittedWrite {
  readonly base: number;
  readonly last: number;
  readonly changes: readonly ChangeRow[];
}

async function apply(tx: Tx, request: WriteRequest, now: number): Promise<CommittedWrite | undefined> {
  const { storeId } = request;
  const count = request.writes.length + request.deletes.length;
  const { rows } = await sql<{ last_seq: number }>`
    update fga_stores set last_seq = last_seq + ${count} where id = ${storeId} and deleted_at is null
    returning last_seq`.execute(tx.db());
  const last = rows[0]?.last_seq;
  if (last === undefined) return undefined;
  const base = last - count;
  const deleted = await deleteTuples(tx, request);
  const written = await insertTuples(tx, request, base + request.deletes.length, now);
  const changes: ChangeRow[] = [
    ...deleted.map((row, i) => ({
      ...row,
      seq: base + 1 + i,
      operation: "delete" as const,
      occurred_at: now,
    })),
    ...written.map((row) => ({ ...row, operation: "write" as const, occurred_at: now })),
  ];
  for (const rowsOfOne of inChunks(tx, changes))
    await tx
      .db<FgaTables>()
      .insertInto("fga_changes")
      .values(rowsOfOne.map((row) => ({ ...row, store_id: storeId })))
      .execute();
  return { base, last, changes };
}

/** Deletes and returns the keys that were there. */
async function deleteTuples(tx: Tx, { storeId, deletes, onMissing }: WriteRequest): Promise<TupleColumns[]> {
  const rows = deletes.map(toColumns);
  const gone = new Set<string>();
  for (const chunk of inChunks(tx, rows)) {
    const keys = chunk.map(
      (row) => sql`(${row.object_type}, ${row.object_id}, ${row.relation}, ${row.user_text})`,
    );
    const result = await sql<TupleColumns>`
      delete from fga_tuples where store_id = ${storeId}
        and (object_type, object_id, relation, user_text) in (values ${sql.join(keys)})
      returning object_type, object_id, relation, user_text`.execute(tx.db());
    for (const row of result.rows) gone.add(keyOf(row));
  }
  const missing = deletes[rows.findIndex((row) => !gone.has(keyOf(row)))];
  if (missing && onMissing === "error")
    throw writeFailed(`cannot delete a tuple which does not exist: ${describe(missing)}`);
  return rows.filter((row) => gone.has(keyOf(row)));
}

/** Inserts and returns the rows that were not there, numbered from `base + 1`. */
async function insertTuples(
  tx: Tx,
  { storeId, writes, onDuplicate }: WriteRequest,
  base: number,
  now: number,
): Promise<(TupleColumns & { seq: number })[]> {
  const rows = writes.map((tuple, i) => ({ ...toColumns(tuple), seq: base + 1 + i }));
  const inserted = new Set<string>();
  for (const chunk of inChunks(tx, rows)) {
    const result = await tx
      .db<FgaTables>()
      .insertInto("fga_tuples")
      .values(chunk.map((row) => ({ ...row, store_id: storeId, inserted_at: now })))
      .onConflict((conflict) =>
        conflict.columns(["store_id", "object_type", "object_id", "relation", "user_text"]).doNothing(),
      )
      .returning(["object_type", "object_id", "relation", "user_text"])
      .execute();
    for (const row of result) inserted.add(keyOf(row));
  }
  for (const [i, row] of rows.entries()) {
    const tuple = writes[i];
    if (!tuple || inserted.has(keyOf(row))) continue;
    if (onDuplicate === "error")
      throw writeFailed(`cannot write a tuple which already exists: ${describe(tuple)}`);
    await refuseOtherCondition(tx, storeId, row, tuple);
  }
  return rows.filter((row) => inserted.has(keyOf(row)));
}

async function refuseOtherCondition(tx: Tx, storeId: string, row: TupleColumns, tuple: Tuple): Promise<void> {
  const stored = await tx
    .db<FgaTables>()
    .selectFrom("fga_tuples")
    .select("condition_json")
    .where("store_id", "=", storeId)
    .where("object_type", "=", row.object_type)
    .where("object_id", "=", row.object_id)
    .where("relation", "=", row.relation)
    .where("user_text", "=", row.user_text)
    .executeTakeFirstOrThrow();
  if (sameCondition(stored.condition_json, row.condition_json)) return;
  throw fgaError(
    "Aborted",
    `${fgaErrors.Aborted.message}: attempted to write a tuple which already exists with a different condition: ${describe(tuple)}`,
  );
}

/** The order of members in a context does not matter. */
function sameCondition(a: string | null, b: string | null): boolean {
  return a === b || (a !== null && b !== null && canonical(JSON.parse(a)) === canonical(JSON.parse(b)));
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

function validateDelete(key: TupleKey): void {
  if (!parseUser(key.user))
    throw fgaError(
      "validation_error",
      `Invalid tuple '${key.object}#${key.relation}@${key.user}'. Reason: the 'user' field is malformed`,
    );
}

/** In a write, whatever is wrong with a tuple is a `validation_error`, as OpenFGA has it. */
function validate(run: () => void, tuple: Tuple): void {
  try {
    run();
  } catch (error) {
    if (FgaError.is(error)) throw fgaError("validation_error", error.message);
    throw error;
  }
  const bytes = tuple.condition?.context ? Buffer.byteLength(JSON.stringify(tuple.condition.context)) : 0;
  if (bytes > MAX_CONTEXT_BYTES)
    throw fgaError(
      "validation_error",
      `Invalid tuple '${tuple.object}#${tuple.relation}@${tuple.user}'. Reason: condition context size limit exceeded: ${bytes} bytes exceeds ${MAX_CONTEXT_BYTES} bytes`,
    );
}

function refuseRepeats({ writes, deletes }: WriteRequest): void {
  const seen = new Set<string>();
  for (const key of [...deletes, ...writes]) {
    const name = keyOf(toColumns(key));
    if (seen.has(name))
      throw fgaError(
        "cannot_allow_duplicate_tuples_in_one_request",
        `duplicate tuple in write: ${describe(key)}`,
      );
    seen.add(name);
  }
  if (seen.size > MAX_TUPLES_PER_WRITE)
    throw fgaError(
      "exceeded_entity_limit",
      `The number of write operations exceeds the allowed limit of ${MAX_TUPLES_PER_WRITE}`,
    );
}

function writeFailed(what: string) {
  return fgaError(
    "write_failed_due_to_invalid_input",
    `${what}: tuple to be written already existed or the tuple to be deleted did not exist`,
  );
}

function describe({ user, relation, object }: TupleKey): string {
  return `user: '${user}', relation: '${relation}', object: '${object}'`;
}

/**
 * The rows of one statement each. SQLite keeps statements prepared, so there they come in few sizes;
 * PostgreSQL pays for each round trip instead.
 */
function inChunks<T>(tx: Tx, rows: readonly T[]): T[][] {
  if (tx.engine === "postgres") return rows.length === 0 ? [] : [[...rows]];
  const chunks: T[][] = [];
  let start = 0;
  for (const size of CHUNK_SIZES)
    for (; rows.length - start >= size; start += size) chunks.push(rows.slice(start, start + size));
  return chunks;
}

const CHUNK_SIZES = [100, 50, 20, 10, 5, 2, 1];
