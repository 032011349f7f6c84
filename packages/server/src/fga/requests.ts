import type {
  CheckRequest,
  ExpandRequest,
  JsonObject,
  ListObjectsRequest,
  ListUsersRequest,
  QueryContext,
} from "@behalf/fga";
import { fgaError, invalidField } from "./errors.ts";
import {
  CHECK_USER,
  ID,
  matching,
  member,
  messageOf,
  messagesOf,
  OBJECT,
  pattern,
  RELATION,
  TYPE,
  textOf,
} from "./message.ts";
import type { QueryTarget } from "./queries.ts";
import type { Consistency } from "./resident.ts";
import { readContext, readContextualTuples, readTuples, withinUserLimit } from "./tuple-message.ts";

/**
 * Bodies of the query endpoints, with the rules of their fields. What concerns the model is the engine's to say.
 * @see openfga/api `openfga_service.proto`, `openfga.proto`
 */

const CONSISTENCIES: readonly Consistency[] = ["UNSPECIFIED", "MINIMIZE_LATENCY", "HIGHER_CONSISTENCY"];
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

/** A list of objects, `name` being the message's: unary or streamed. */
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

/** A list of users of one kind. */
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

/** One level of a relation. */
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

function readQueryContext(body: JsonObject): QueryContext {
  return { contextualTuples: readContextualTuples(body), context: readContext(body) };
}

function readConsistency(body: JsonObject): Consistency {
  const value = member(body, "consistency") ?? 0;
  // Protobuf JSON takes an enum by name and by number.
  const known = CONSISTENCIES.find((name, i) => value === name || value === i);
  if (!known) throw fgaError("validation_error", "invalid value for enum field consistency");
  return known;
}
