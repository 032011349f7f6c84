import { contextProblem } from "./condition.ts";
import { FgaError } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import type { Model, RelationDef, Restriction } from "./model.ts";
import { isRelationName, type ObjectRef, parseObject, parseUser, type UserRef, WILDCARD } from "./syntax.ts";

/** What identifies a tuple in a store. */
export interface TupleKey {
  readonly user: string;
  readonly relation: string;
  readonly object: string;
}

/** A condition that a tuple carries, with the context stored beside it. */
export interface TupleCondition {
  readonly name: string;
  readonly context?: JsonObject | null | undefined;
}

/** A relationship tuple as OpenFGA's wire has it. */
export interface Tuple extends TupleKey {
  readonly condition?: TupleCondition | null | undefined;
}

/** A request's user, object and relation, found in a model. */
export interface ResolvedKey {
  readonly object: ObjectRef;
  readonly user: UserRef;
  /** Relation of a userset user. */
  readonly userRelation: RelationDef | undefined;
  readonly relation: RelationDef;
}

/** `document:1#viewer@user:anne`, for messages only. */
export function formatTuple({ object, relation, user }: TupleKey): string {
  return `${object}#${relation}@${user}`;
}

/**
 * Refuses a tuple that may not be written under `model`, or sent as a contextual tuple, with OpenFGA's reason.
 * @throws FgaError `invalid_tuple` for its shape, types and restrictions, `validation_error` for its condition
 */
export function validateTuple(model: Model, tuple: Tuple): void {
  const resolved = resolveKey(model, tuple, (reason) => invalidTuple(tuple, reason));
  const { relation, user } = resolved;
  if (relation.isTupleset) {
    const name = relation.key;
    if (user.id === WILDCARD && user.relation === undefined) {
      throw invalidTuple(tuple, `unexpected wildcard relationship with tupleset relation '${name}'`);
    }
    if (user.relation !== undefined) {
      throw invalidTuple(tuple, `unexpected user '${tuple.user}' with tupleset relation '${name}'`);
    }
  }
  const restriction = relation.restrictions.find((candidate) => candidate.kind === kindOf(user));
  if (!restriction) throw invalidTuple(tuple, restrictionReason(user, relation));
  const problem = conditionProblem(model, restriction, tuple.condition);
  if (problem) throw invalidCondition(tuple, problem);
}

/** {@link validateTuple}, and refuses a tuple that holds without being written. @throws FgaError as there */
export function validateWrite(model: Model, tuple: Tuple): void {
  validateTuple(model, tuple);
  if (tuple.user === `${tuple.object}#${tuple.relation}`)
    throw invalidTuple(tuple, "cannot write a tuple that is implicit");
}

/** The kind under which a model's restrictions name this user: `user`, `user:*` or `group#member`. */
export function kindOf(user: UserRef): string {
  if (user.relation !== undefined) return `${user.type}#${user.relation}`;
  return user.id === WILDCARD ? `${user.type}:*` : user.type;
}

/**
 * Parses user, object and relation and finds their types and relations; nothing else is asked, so that a user may
 * be one that no tuple could name. The first problem goes to `fail`, in OpenFGA's order: user, object, relation.
 */
export function resolveKey(model: Model, key: TupleKey, fail: (reason: string) => FgaError): ResolvedKey {
  const { user, userRelation } = resolveUser(model, key.user, fail);
  const object = parseObject(key.object);
  if (!object) throw fail("invalid 'object' field format");
  if (object.id === WILDCARD) throw fail("the 'object' field cannot reference a typed wildcard");
  const type = model.types.get(object.type);
  if (!type) throw fail(`type '${object.type}' not found`);
  if (!isRelationName(key.relation)) throw fail("the 'relation' field is malformed");
  const relation = type.relations.get(key.relation);
  if (!relation) throw fail(`relation '${object.type}#${key.relation}' not found`);
  return { object, user, userRelation, relation };
}

/** Parses a user and finds its type and relation. */
export function resolveUser(
  model: Model,
  text: string,
  fail: (reason: string) => FgaError,
): { user: UserRef; userRelation: RelationDef | undefined } {
  const user = parseUser(text);
  if (!user) throw fail("the 'user' field is malformed");
  const type = model.types.get(user.type);
  if (!type) throw fail(`type '${user.type}' not found`);
  if (user.relation === undefined) return { user, userRelation: undefined };
  const userRelation = type.relations.get(user.relation);
  if (!userRelation) throw fail(`relation '${user.type}#${user.relation}' not found`);
  return { user, userRelation };
}

/** OpenFGA's answer to a malformed tuple. */
export function invalidTuple(tuple: TupleKey, reason: string): FgaError {
  return new FgaError("invalid_tuple", `Invalid tuple '${formatTuple(tuple)}'. Reason: ${reason}`);
}

function invalidCondition(tuple: Tuple, reason: string): FgaError {
  const condition = tuple.condition ? ` (condition ${tuple.condition.name})` : "";
  return new FgaError(
    "validation_error",
    `Invalid tuple '${formatTuple(tuple)}${condition}'. Reason: ${reason}`,
  );
}

function restrictionReason(user: UserRef, relation: RelationDef): string {
  const suffix = `is not an allowed type restriction for '${relation.key}'`;
  if (user.relation !== undefined) return `'${kindOf(user)}' ${suffix}`;
  return user.id === WILDCARD
    ? `the typed wildcard '${kindOf(user)}' ${suffix}`
    : `type '${user.type}' ${suffix}`;
}

/** The condition must be allowed for exactly this kind of user (CVE-2025-64751). */
function conditionProblem(
  model: Model,
  restriction: Restriction,
  given: TupleCondition | null | undefined,
): string | undefined {
  if (!given) return restriction.unconditioned ? undefined : "condition is missing";
  const condition = model.conditions.get(given.name);
  if (!condition) return "undefined condition";
  if (!restriction.conditions.includes(condition)) return "invalid condition for type restriction";
  return contextProblem(condition, given.context ?? {});
}
