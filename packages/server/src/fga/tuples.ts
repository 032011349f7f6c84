import { FgaError, parseUser, type Tuple, type TupleKey, validateWrite } from "@behalf/fga";
import { sql } from "kysely";
import type { Clock } from "../lib/clock.ts";
import type { Storage, Tx } from "../storage/index.ts";
import { runOverRows } from "./bulk.ts";
import { fgaError, fgaErrors } from "./errors.ts";
import { type Models, noModels } from "./models.ts";
import type { Residents } from "./resident.ts";
import {
  type ChangeRow,
  type FgaTables,
  keyOf,
  type Operation,
  type TupleColumns,
  toColumns,
} from "./store.ts";

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
  const { storeId, deletes, writes } = request;
  const count = writes.length + deletes.length;
  const { rows } = await sql<{ last_seq: number; changed_at: number }>`
    update fga_stores set last_seq = last_seq + ${count},
      changed_at = case when changed_at > ${now} then changed_at else ${now} end
    where id = ${storeId} and deleted_at is null
    returning last_seq, changed_at`.execute(tx.db());
  const [store] = rows;
  if (!store) return undefined;
  const { last_seq: last, changed_at: at } = store;
  const base = last - count;
  const deleted = await deleteTuples(tx, request, base, at);
  const written = await insertTuples(tx, request, base + deletes.length, at);
  const changes = [...deleted, ...written];
  await insertChanges(tx, storeId, changes);
  return { base, last, changes };
}

/** Deletes, and returns the changes that it made, numbered from `base + 1`. */
async function deleteTuples(tx: Tx, request: WriteRequest, base: number, at: number): Promise<ChangeRow[]> {
  const { storeId, deletes, onMissing } = request;
  const changes = deletes.map((key, i) => toChange(key, "delete", base + 1 + i, at));
  const found = await runOverRows<TupleColumns>(
    tx,
    changes.map((row) => [storeId, row.object_type, row.object_id, row.relation, row.user_text]),
    (values) => `delete from fga_tuples
      where (store_id, object_type, object_id, relation, user_text) in (values ${values})
      returning object_type, object_id, relation, user_text`,
  );
  if (found.length === changes.length) return changes;
  const gone = new Set(found.map(keyOf));
  const missing = deletes[changes.findIndex((row) => !gone.has(keyOf(row)))];
  if (missing && onMissing === "error")
    throw writeFailed(`cannot delete a tuple which does not exist: ${describe(missing)}`);
  return changes.filter((row) => gone.has(keyOf(row)));
}

/** Inserts, and returns the changes that it made, numbered from `base + 1`. */
async function insertTuples(tx: Tx, request: WriteRequest, base: number, at: number): Promise<ChangeRow[]> {
  const { storeId, writes, onDuplicate } = request;
  const changes = writes.map((tuple, i) => toChange(tuple, "write", base + 1 + i, at));
  const inserted = await runOverRows<{ seq: number }>(
    tx,
    changes.map((row) => [
      storeId,
      row.object_type,
      row.object_id,
      row.relation,
      row.user_text,
      row.condition_json,
      row.seq,
      at,
    ]),
    (values) => `insert into fga_tuples
      (store_id, object_type, object_id, relation, user_text, condition_json, seq, inserted_at)
      values ${values}
      on conflict (store_id, object_type, object_id, relation, user_text) do nothing returning seq`,
  );
  if (inserted.length === changes.length) return changes;
  const done = new Set(inserted.map(({ seq }) => seq));
  for (const [i, row] of changes.entries()) {
    const tuple = writes[i];
    if (!tuple || done.has(row.seq)) continue;
    if (onDuplicate === "error")
      throw writeFailed(`cannot write a tuple which already exists: ${describe(tuple)}`);
    await refuseOtherCondition(tx, storeId, row, tuple);
  }
  return changes.filter((row) => done.has(row.seq));
}

async function insertChanges(tx: Tx, storeId: string, changes: readonly ChangeRow[]): Promise<void> {
  await runOverRows(
    tx,
    changes.map((row) => [
      storeId,
      row.seq,
      row.operation,
      row.object_type,
      row.object_id,
      row.relation,
      row.user_text,
      row.condition_json,
      row.occurred_at,
    ]),
    (values) => `insert into fga_changes
      (store_id, seq, operation, object_type, object_id, relation, user_text, condition_json, occurred_at)
      values ${values}`,
  );
}

function toChange(tuple: Tuple | TupleKey, operation: Operation, seq: number, at: number): ChangeRow {
  return { ...toColumns(tuple), operation, seq, occurred_at: at };
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
    const name = `${key.object}\n${key.relation}\n${key.user}`;
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
