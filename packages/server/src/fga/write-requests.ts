import type { JsonObject, TupleKey } from "@behalf/fga";
import type { Assertion } from "./assertions.ts";
import { fgaError, invalidField } from "./errors.ts";
import {
  booleanOf,
  CHECK_USER,
  ID,
  matching,
  messageOf,
  messagesOf,
  OBJECT,
  type Pattern,
  pattern,
  RELATION,
  textOf,
} from "./message.ts";
import type { ReadFilter } from "./read.ts";
import { readModelId } from "./requests.ts";
import { readContext, readTuple, readTuples, withinUserLimit } from "./tuple-message.ts";
import type { WriteRequest } from "./tuples.ts";

const MAX_ASSERTIONS = 100;
const MAX_TUPLES_PER_ASSERTION = 20;
const READ_USER = pattern("^[^\\s]{1,511}:[^\\s]{1,511}$");

/** Tuples to write and to delete. */
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

function readDeleteKey(key: JsonObject): TupleKey {
  return {
    user: withinUserLimit(textOf(key, "user"), "TupleKeyWithoutCondition"),
    relation: matching(textOf(key, "relation"), RELATION, "TupleKeyWithoutCondition.Relation"),
    object: matching(textOf(key, "object"), OBJECT, "TupleKeyWithoutCondition.Object"),
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
