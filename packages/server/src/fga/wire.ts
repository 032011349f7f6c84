import type { Tuple, UserRef } from "@behalf/fga";
import type { Assertion } from "./assertions.ts";
import type { Change, ReadTuple } from "./read.ts";
import type { StoreRow } from "./store.ts";

/**
 * Answers in protobuf JSON as OpenFGA's gateway writes it: every field is there, also empty ones.
 * @see openfga/api `openfga_service.proto`
 */

/** `Store`. */
export function storeToWire(row: StoreRow) {
  return { ...newStoreToWire(row), deleted_at: row.deleted_at === null ? null : timestamp(row.deleted_at) };
}

/** `CreateStoreResponse`. */
export function newStoreToWire(row: StoreRow) {
  return {
    id: row.id,
    name: row.name,
    created_at: timestamp(row.created_at),
    updated_at: timestamp(row.updated_at),
  };
}

/** `Tuple`. */
export function readTupleToWire({ tuple, insertedAt }: ReadTuple) {
  return { key: tupleToWire(tuple), timestamp: timestamp(insertedAt) };
}

/** `TupleChange`. */
export function changeToWire({ tuple, operation, occurredAt }: Change) {
  return {
    tuple_key: tupleToWire(tuple),
    operation: operation === "write" ? "TUPLE_OPERATION_WRITE" : "TUPLE_OPERATION_DELETE",
    timestamp: timestamp(occurredAt),
  };
}

/** `TupleKey`. */
export function tupleToWire({ user, relation, object, condition }: Tuple) {
  return {
    user,
    relation,
    object,
    condition: condition ? { name: condition.name, context: condition.context ?? {} } : null,
  };
}

/** `Assertion`. */
export function assertionToWire({ key, expectation, contextualTuples, context }: Assertion) {
  return { tuple_key: key, expectation, contextual_tuples: contextualTuples.map(tupleToWire), context };
}

/** `User`: the one member that fits. */
export function userToWire({ type, id, relation }: UserRef) {
  if (relation !== undefined) return { userset: { type, id, relation } };
  return id === "*" ? { wildcard: { type } } : { object: { type, id } };
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
