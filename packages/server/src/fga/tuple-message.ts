import type { JsonObject, Tuple } from "@behalf/fga";
import { fgaError, invalidField } from "./errors.ts";
import { matching, messageOf, messagesOf, OBJECT, pattern, RELATION, textOf } from "./message.ts";

/** OpenFGA's limit on contextual tuples of one query. */
const MAX_CONTEXTUAL_TUPLES = 100;
const MAX_USER_BYTES = 512;
/** Deeper contexts are refused, so that none exhausts the stack. Written ones stay below 10. */
const MAX_CONTEXT_DEPTH = 100;
const CONDITION_NAME = pattern("^[^\\s]{2,256}$");

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

/** The user, or `""`. `name` is the message's. @throws FgaApiError `validation_error` past 512 bytes */
export function withinUserLimit(user: string, name: string): string {
  if (Buffer.byteLength(user) > MAX_USER_BYTES)
    throw invalidField(`${name}.User`, `value length must be at most ${MAX_USER_BYTES} bytes`);
  return user;
}

function readCondition(condition: JsonObject): { name: string; context: JsonObject } {
  return {
    name: matching(textOf(condition, "name"), CONDITION_NAME, "RelationshipCondition.Name"),
    context: readContext(condition) ?? {},
  };
}

function refuseDepth(context: JsonObject): void {
  const open: [value: unknown, depth: number][] = [[context, 1]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [value, depth] = next;
    if (typeof value !== "object" || value === null) continue;
    if (depth > MAX_CONTEXT_DEPTH)
      throw fgaError("validation_error", `invalid context: nests more than ${MAX_CONTEXT_DEPTH} levels`);
    for (const item of Object.values(value)) open.push([item, depth + 1]);
  }
}
