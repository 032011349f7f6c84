import { createChecker } from "./check.ts";
import { validateContext } from "./condition.ts";
import { FgaError } from "./errors.ts";
import {
  type Evaluation,
  eachObject,
  type Query,
  type QueryContext,
  type Subject,
  startQuery,
  subjectOf,
} from "./evaluation.ts";
import { findRelation, type RelationDef } from "./model.ts";
import { EVERYONE } from "./reader.ts";
import { createSeen } from "./seen.ts";
import { resolveUser } from "./tuple.ts";

/** Asks which objects of a type a user has a relation to. */
export interface ListObjectsRequest extends QueryContext {
  readonly type: string;
  readonly relation: string;
  readonly user: string;
  /** Most objects to answer with. Default: no limit. */
  readonly maxResults?: number | undefined;
}

/** Objects found, in no order. */
export interface ObjectList {
  /** `type:id` each, every one once. */
  readonly objects: string[];
  /** True if `maxResults` or `isOver` ended the search before it was through. */
  readonly truncated: boolean;
}

/**
 * The objects that {@link check} says yes to. Walks from the user to objects against the direction of a check;
 * where the model has intersections or exclusions, what is found is a candidate and is checked.
 * An error at any tuple or candidate fails the whole list, unless `maxResults` objects were found before.
 * @throws FgaError `invalid_tuple` or `validation_error` for contextual tuples, `type_not_found`,
 *   `relation_not_found`, `validation_error` for the user, the context or a condition,
 *   `authorization_model_resolution_too_complex`
 */
export function listObjects(evaluation: Evaluation, request: ListObjectsRequest): ObjectList {
  const query = startQuery(evaluation, request);
  const target = findRelation(evaluation.model, request.type, request.relation);
  const { user, userRelation } = resolveUser(
    evaluation.model,
    request.user,
    (reason) => new FgaError("validation_error", `invalid 'user' value: ${reason}`),
  );
  validateContext(request.context);
  const subject = subjectOf(query, user, userRelation, undefined);
  const nameOf = (object: number): string =>
    `${target.type}:${object < 0 ? user.id : query.tuples.idOf(target.type, object)}`;
  const found = collect(query, subject, target, request.maxResults ?? Number.POSITIVE_INFINITY);
  return { objects: found.objects.map(nameOf), truncated: found.truncated };
}

function collect(
  query: Query,
  subject: Subject,
  target: RelationDef,
  maxResults: number,
): { objects: number[]; truncated: boolean } {
  const objects: number[] = [];
  const checker = target.isUnion ? undefined : createChecker(query, subject);
  let problem: FgaError | undefined;
  const fail = (error: FgaError): void => {
    if (error.code === "authorization_model_resolution_too_complex") throw error;
    problem ??= error;
  };
  const accept = (object: number): void => {
    if (!checker || isAllowed(checker.check, target, object, fail)) objects.push(object);
    if (objects.length >= maxResults) throw FULL;
  };
  try {
    walkFromSubject(query, subject, target, accept, fail);
  } catch (error) {
    if (error === FULL || isOverError(error)) return { objects, truncated: true };
    throw error;
  }
  if (problem) throw problem;
  return { objects, truncated: false };
}

/** Visits each object of the target that a path leads to from the subject, once. */
function walkFromSubject(
  query: Query,
  subject: Subject,
  target: RelationDef,
  accept: (object: number) => void,
  fail: (error: FgaError) => void,
): void {
  const seen = createSeen();
  const open: [RelationDef, number][] = [];
  const isRelevant = (relation: RelationDef): boolean =>
    relation === target || target.reach.has(relation.key);
  const reach = (relation: RelationDef, object: number): void => {
    if (!seen.add(relation, object)) return;
    query.step();
    open.push([relation, object]);
    if (relation === target) accept(object);
  };
  if (subject.relation && isRelevant(subject.relation)) reach(subject.relation, subject.number);
  const starts: [kind: string, number: number][] = [[subject.kind, subject.number]];
  if (subject.wildcardKind !== undefined) starts.push([subject.wildcardKind, EVERYONE]);
  for (const [kind, number] of starts) {
    for (const { relation, restriction } of query.model.assignable.get(kind) ?? []) {
      // A userset's own relation was reached above, and goes on from there.
      if (restriction.relation || !isRelevant(relation)) continue;
      eachObject(query, restriction, number, (object) => reach(relation, object), fail);
    }
  }
  for (let next = open.pop(); next; next = open.pop()) {
    const [relation, object] = next;
    for (const { relation: dependent, hop, grants } of relation.dependents) {
      if (!grants || !isRelevant(dependent)) continue;
      if (!hop) reach(dependent, object);
      else eachObject(query, hop, object, (at) => reach(dependent, at), fail);
    }
  }
}

/** Thrown to leave the walk once the list is full. */
const FULL = Symbol("full");

function isAllowed(
  check: (relation: RelationDef, object: number) => boolean,
  target: RelationDef,
  object: number,
  fail: (error: FgaError) => void,
): boolean {
  try {
    return check(target, object);
  } catch (error) {
    if (!FgaError.is(error) || isOverError(error)) throw error;
    fail(error);
    return false;
  }
}

function isOverError(error: unknown): boolean {
  return FgaError.is(error) && error.code === "deadline_exceeded";
}
