import type {
  CheckRequest,
  ExpandRequest,
  JsonObject,
  ListObjectsRequest,
  ListUsersRequest,
  QueryContext,
  Tuple,
  TupleKey,
} from "@behalf/fga";
import type { Assertion } from "./assertions.ts";
import { fgaError, invalidField } from "./errors.ts";
import {
  asMessage,
  booleanOf,
  CHECK_USER,
  ID,
  matching,
  member,
  messageOf,
  messagesOf,
  OBJECT,
  type Pattern,
  pattern,
  RELATION,
  TYPE,
  textOf,
} from "./message.ts";
import type { QueryTarget } from "./queries.ts";
import type { ReadFilter } from "./read.ts";
import type { Consistency } from "./resident.ts";
import type { WriteRequest } from "./tuples.ts";

/**
 * Bodies of the endpoints, with the rules of their fields. What concerns the model is the engine's to say.
 * @see openfga/api `openfga_service.proto`, `openfga.proto`
 */

/** OpenFGA's limit on contextual tuples of one query. */
const MAX_CONTEXTUAL_TUPLES = 100;
const MAX_USER_BYTES = 512;
/** Deeper contexts are refused, so that none exhausts the stack. Written ones stay below 10. */
const MAX_CONTEXT_DEPTH = 100;
const CONSISTENCIES: readonly Consistency[] = ["UNSPECIFIED", "MINIMIZE_LATENCY", "HIGHER_CONSISTENCY"];
const MAX_ASSERTIONS = 100;
const MAX_TUPLES_PER_ASSERTION = 20;
const READ_USER = pattern("^[^\\s]{1,511}:[^\\s]{1,511}$");
const CONDITION_NAME = pattern("^[^\\s]{2,256}$");
const OBJECT_ID = pattern("^[^#:\\s]+$");
const CORRELATION_ID = pattern("^[\\w\\d-]{1,36}$");

/** Store, model and consistency of a query; `name` is the message's, for errors. */
export function readTarget(body: JsonObject, storeId: string, name: string): QueryTarget {
  return {
    storeId: matching(storeId, ID, `${name}.StoreId`),
    modelId: readModelId(body, name),
    consistency: readConsistency(body),
  };
}

/** The model id, or `""`. */
export function readModelId(body: JsonObject, name: string): string {
  const id = textOf(body, "authorization_model_id");
  return id === "" ? "" : matching(id, ID, `${name}.AuthorizationModelId`);
}

/** A check, of `CheckRequest` or one item of a batch. */
export function readCheck(body: JsonObject, name: string): CheckRequest {
  const key = messageOf(body, "tuple_key");
  if (!key) throw invalidField(`${name}.TupleKey`, "value is required");
  return {
    user: matching(textOf(key, "user"), CHECK_USER, "CheckRequestTupleKey.User"),
    relation: matching(textOf(key, "relation"), RELATION, "CheckRequestTupleKey.Relation"),
    object: matching(textOf(key, "object"), OBJECT, "CheckRequestTupleKey.Object"),
    ...readQueryContext(body),
  };
}

/** One check of a batch with the id that its answer goes by. */
export interface BatchItem {
  readonly correlationId: string;
  readonly request: CheckRequest;
}

/** OpenFGA's `maxChecksPerBatchCheck`. */
export const MAX_CHECKS_PER_BATCH = 50;

/** The checks of a batch, each id once. */
export function readBatch(body: JsonObject): readonly BatchItem[] {
  const checks = messagesOf(body, "checks");
  if (checks.length === 0)
    throw invalidField("BatchCheckRequest.Checks", "value must contain at least 1 item(s)");
  if (checks.length > MAX_CHECKS_PER_BATCH)
    throw fgaError(
      "validation_error",
      `batchCheck received ${checks.length} checks, the maximum allowed is ${MAX_CHECKS_PER_BATCH}`,
    );
  const seen = new Set<string>();
  return checks.map((item) => {
    const correlationId = matching(
      textOf(item, "correlation_id"),
      CORRELATION_ID,
      "BatchCheckItem.CorrelationId",
    );
    if (seen.has(correlationId))
      throw fgaError("validation_error", `received duplicate correlation id: ${correlationId}`);
    seen.add(correlationId);
    return { correlationId, request: readCheck(item, "BatchCheckItem") };
  });
}

export function readListObjects(body: JsonObject, name: string): ListObjectsRequest {
  const user = textOf(body, "user");
  if (user === "") throw invalidField(`${name}.User`, "value length must be at least 1 bytes");
  return {
    type: matching(textOf(body, "type"), TYPE, `${name}.Type`),
    relation: matching(textOf(body, "relation"), RELATION, `${name}.Relation`),
    user: withinUserLimit(user, name),
    ...readQueryContext(body),
  };
}

export function readListUsers(body: JsonObject): ListUsersRequest {
  const object = messageOf(body, "object");
  if (!object) throw invalidField("ListUsersRequest.Object", "value is required");
  const filters = messagesOf(body, "user_filters");
  const [filter] = filters;
  if (!filter || filters.length > 1)
    throw invalidField("ListUsersRequest.UserFilters", "value must contain exactly 1 item(s)");
  const type = matching(textOf(object, "type"), TYPE, "Object.Type");
  const id = matching(textOf(object, "id"), OBJECT_ID, "Object.Id");
  const relation = textOf(filter, "relation");
  return {
    object: `${type}:${id}`,
    relation: matching(textOf(body, "relation"), RELATION, "ListUsersRequest.Relation"),
    filter: {
      type: matching(textOf(filter, "type"), TYPE, "UserTypeFilter.Type"),
      ...(relation === "" ? {} : { relation: matching(relation, RELATION, "UserTypeFilter.Relation") }),
    },
    // Unlike in the other queries, contextual tuples are a bare list here.
    contextualTuples: readTuples(body, "contextual_tuples", "ListUsersRequest.ContextualTuples"),
    context: readContext(body),
  };
}

export function readExpand(body: JsonObject): ExpandRequest {
  const key = messageOf(body, "tuple_key");
  if (!key) throw invalidField("ExpandRequest.TupleKey", "value is required");
  // Empty ones have an answer of their own: `invalid_expand_input`.
  const [relation, object] = [textOf(key, "relation"), textOf(key, "object")];
  return {
    relation: relation && matching(relation, RELATION, "ExpandRequestTupleKey.Relation"),
    object: object && matching(object, OBJECT, "ExpandRequestTupleKey.Object"),
    contextualTuples: readContextualTuples(body),
  };
}

export function readWrite(body: JsonObject, storeId: string): WriteRequest {
  const [writes, deletes] = [messageOf(body, "writes"), messageOf(body, "deletes")];
  return {
    storeId: matching(storeId, ID, "WriteRequest.StoreId"),
    modelId: readModelId(body, "WriteRequest"),
    writes: writes ? atLeastOne(writes, "WriteRequestWrites").map(readTuple) : [],
    deletes: deletes ? atLeastOne(deletes, "WriteRequestDeletes").map(readDeleteKey) : [],
    onDuplicate: readOption(writes, "on_duplicate"),
    onMissing: readOption(deletes, "on_missing"),
  };
}

/** What a read matches. Without a tuple key: everything. */
export function readReadFilter(body: JsonObject): ReadFilter {
  const key = messageOf(body, "tuple_key");
  if (!key) return { objectType: "", objectId: "", relation: "", user: "" };
  const optional = (name: string, rule: Pattern, at: string): string => {
    const value = textOf(key, name);
    return value && matching(value, rule, at);
  };
  const user = withinUserLimit(
    optional("user", READ_USER, "ReadRequestTupleKey.User"),
    "ReadRequestTupleKey",
  );
  const relation = optional("relation", RELATION, "ReadRequestTupleKey.Relation");
  const object = optional("object", OBJECT, "ReadRequestTupleKey.Object");
  const colon = object.indexOf(":");
  const filter = {
    objectType: object.slice(0, Math.max(colon, 0)),
    objectId: object.slice(colon + 1),
    relation,
    user,
  };
  if (filter.objectType === "" || (filter.objectId === "" && user === ""))
    throw fgaError(
      "validation_error",
      "the 'tuple_key' field was provided but the object type field is required and both the object id and user cannot be empty",
    );
  return filter;
}

/** Assertions of one model. */
export function readAssertions(body: JsonObject): Assertion[] {
  const assertions = messagesOf(body, "assertions");
  if (assertions.length > MAX_ASSERTIONS)
    throw invalidField(
      "WriteAssertionsRequest.Assertions",
      `value must contain no more than ${MAX_ASSERTIONS} item(s)`,
    );
  return assertions.map((assertion) => {
    const key = messageOf(assertion, "tuple_key");
    if (!key) throw invalidField("Assertion.TupleKey", "value is required");
    const at = "Assertion.ContextualTuples";
    return {
      key: {
        user: matching(textOf(key, "user"), CHECK_USER, "AssertionTupleKey.User"),
        relation: matching(textOf(key, "relation"), RELATION, "AssertionTupleKey.Relation"),
        object: matching(textOf(key, "object"), OBJECT, "AssertionTupleKey.Object"),
      },
      expectation: booleanOf(assertion, "expectation"),
      contextualTuples: readTuples(assertion, "contextual_tuples", at, MAX_TUPLES_PER_ASSERTION),
      context: readContext(assertion) ?? null,
    };
  });
}

/** A tuple key with its condition. */
export function readTuple(tuple: JsonObject): Tuple {
  const condition = messageOf(tuple, "condition");
  return {
    user: withinUserLimit(textOf(tuple, "user"), "TupleKey"),
    relation: matching(textOf(tuple, "relation"), RELATION, "TupleKey.Relation"),
    object: matching(textOf(tuple, "object"), OBJECT, "TupleKey.Object"),
    ...(condition ? { condition: readCondition(condition) } : {}),
  };
}

/** Contextual tuples of a check, list or expand. */
export function readContextualTuples(body: JsonObject): Tuple[] | undefined {
  const message = messageOf(body, "contextual_tuples");
  return message && readTuples(message, "tuple_keys", "ContextualTupleKeys.TupleKeys");
}

/** Values for conditions. @throws FgaApiError `validation_error` if it nests too deep */
export function readContext(body: JsonObject): JsonObject | undefined {
  const context = messageOf(body, "context");
  if (context) refuseDepth(context);
  return context;
}

/** Tuples of a repeated field, at most 100. */
export function readTuples(
  body: JsonObject,
  field: string,
  at: string,
  max = MAX_CONTEXTUAL_TUPLES,
): Tuple[] {
  const tuples = messagesOf(body, field);
  if (tuples.length > max) throw invalidField(at, `value must contain no more than ${max} item(s)`);
  return tuples.map(readTuple);
}

function readQueryContext(body: JsonObject): QueryContext {
  return { contextualTuples: readContextualTuples(body), context: readContext(body) };
}

function readDeleteKey(key: JsonObject): TupleKey {
  return {
    user: withinUserLimit(textOf(key, "user"), "TupleKeyWithoutCondition"),
    relation: matching(textOf(key, "relation"), RELATION, "TupleKeyWithoutCondition.Relation"),
    object: matching(textOf(key, "object"), OBJECT, "TupleKeyWithoutCondition.Object"),
  };
}

function readCondition(condition: JsonObject): { name: string; context: JsonObject } {
  return {
    name: matching(textOf(condition, "name"), CONDITION_NAME, "RelationshipCondition.Name"),
    context: readContext(condition) ?? {},
  };
}

function atLeastOne(message: JsonObject, name: string): JsonObject[] {
  const keys = messagesOf(message, "tuple_keys");
  if (keys.length === 0) throw invalidField(`${name}.TupleKeys`, "value must contain at least 1 item(s)");
  return keys;
}

function readOption(message: JsonObject | undefined, name: string): "error" | "ignore" {
  const value = message ? textOf(message, name) : "";
  if (value === "ignore") return "ignore";
  if (value === "" || value === "error") return "error";
  throw fgaError("validation_error", `invalid ${name} option: ${value}`);
}

function readConsistency(body: JsonObject): Consistency {
  const value = member(body, "consistency") ?? 0;
  // Protobuf JSON takes an enum by name and by number.
  const known = CONSISTENCIES.find((name, i) => value === name || value === i);
  if (!known) throw fgaError("validation_error", "invalid value for enum field consistency");
  return known;
}

function withinUserLimit(user: string, name: string): string {
  if (Buffer.byteLength(user) > MAX_USER_BYTES)
    throw invalidField(`${name}.User`, `value length must be at most ${MAX_USER_BYTES} bytes`);
  return user;
}

function refuseDepth(context: JsonObject): void {
  const open: [value: unknown, depth: number][] = [[asMessage(context, "context"), 1]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [value, depth] = next;
    if (typeof value !== "object" || value === null) continue;
    if (depth > MAX_CONTEXT_DEPTH)
      throw fgaError("validation_error", `invalid context: nests more than ${MAX_CONTEXT_DEPTH} levels`);
    for (const item of Object.values(value)) open.push([item, depth + 1]);
  }
}
