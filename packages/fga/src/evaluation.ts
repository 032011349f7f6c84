import { type ConditionEvaluator, cannotEvaluate } from "./condition.ts";
import { FgaError, tooComplex } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import type { Model, RelationDef, Restriction } from "./model.ts";
import { overlayTuples } from "./overlay.ts";
import { type ConditionedEdges, EVERYONE, type TupleReader, UNKNOWN } from "./reader.ts";
import { type ObjectRef, type UserRef, WILDCARD } from "./syntax.ts";
import { kindOf, type Tuple, validateTuple } from "./tuple.ts";

/** What a query is evaluated against. */
export interface Evaluation {
  readonly model: Model;
  readonly tuples: TupleReader;
  /** Without one, a conditioned tuple that would be used is a `validation_error`. */
  readonly conditions?: ConditionEvaluator | undefined;
  readonly limits?: Partial<EvaluationLimits> | undefined;
}

/** Limits on the work of one query. */
export interface EvaluationLimits {
  /** Hops over usersets and tuplesets from the object asked for. Default 25, OpenFGA's `resolveNodeLimit`. */
  readonly maxDepth: number;
  /** Objects looked at; past it the query is `authorization_model_resolution_too_complex`. Default 2,000,000. */
  readonly maxSteps: number;
  /**
   * Asked every 1,024 steps; true ends the query: a check with `deadline_exceeded`, a list with what it has.
   * The engine has no clock of its own.
   */
  readonly isOver: () => boolean;
}

export const DEFAULT_EVALUATION_LIMITS: EvaluationLimits = {
  maxDepth: 25,
  // About a second on one core: larger than any list that is answered whole, small enough to refuse a bomb.
  maxSteps: 2_000_000,
  isOver: () => false,
};

/** What every query may bring along. */
export interface QueryContext {
  /** Tuples that count for this query only; they win over a stored tuple of the same key. */
  readonly contextualTuples?: readonly Tuple[] | undefined;
  /** Values for conditions. */
  readonly context?: JsonObject | undefined;
}

/** The user that a check is about. `number` may be {@link UNKNOWN}. */
export interface Subject {
  /** `user`, `user:*` or `group#member`. */
  readonly kind: string;
  readonly number: number;
  /** Kind of the typed wildcard that includes it; undefined for usersets and for the wildcard itself. */
  readonly wildcardKind: string | undefined;
  /** Set for a userset. */
  readonly relation: RelationDef | undefined;
}

/** One query while it runs. */
export interface Query {
  readonly model: Model;
  readonly tuples: TupleReader;
  readonly limits: EvaluationLimits;
  /** Counts one step. @throws FgaError past the limits */
  step(): void;
  /** Number of an object, {@link UNKNOWN} if no tuple names it. */
  numberOf(object: ObjectRef): number;
  /** Whether a conditioned tuple counts. @throws FgaError if that cannot be told */
  holds(
    restriction: Restriction,
    condition: number,
    edges: ConditionedEdges,
    object: number,
    user: number,
  ): boolean;
}

/** A second number for an object that no tuple names, when {@link UNKNOWN} stands for another one. */
export const OTHER_UNKNOWN = -2;
const STEPS_BETWEEN_LOOKS = 1024;

/**
 * Starts a query: validates its contextual tuples and lays them over the stored ones.
 * @throws FgaError as {@link validateTuple}
 */
export function startQuery(
  evaluation: Evaluation,
  { contextualTuples = [], context = {} }: QueryContext,
): Query {
  const { model, conditions } = evaluation;
  for (const tuple of contextualTuples) validateTuple(model, tuple);
  const limits = { ...DEFAULT_EVALUATION_LIMITS, ...evaluation.limits };
  const tuples = overlayTuples(evaluation.tuples, contextualTuples);
  let steps = 0;
  return {
    model,
    tuples,
    limits,
    step() {
      steps++;
      if (steps > limits.maxSteps) throw tooComplex();
      if (steps % STEPS_BETWEEN_LOOKS === 0 && limits.isOver()) throw queryIsOver();
    },
    numberOf: ({ type, id }) => tuples.numberOf(type, id),
    holds(restriction, index, edges, object, user) {
      const condition = restriction.conditions[index]!;
      if (!conditions) throw cannotEvaluate(condition);
      return conditions.evaluate(condition, edges.context(object, user), context);
    },
  };
}

/** The subject of a check of `object`; two objects without tuples are told apart by their ids. */
export function subjectOf(
  query: Query,
  user: UserRef,
  userRelation: RelationDef | undefined,
  object: ObjectRef | undefined,
): Subject {
  const isWildcard = user.relation === undefined && user.id === WILDCARD;
  return {
    kind: kindOf(user),
    number: isWildcard ? EVERYONE : numberBeside(query, user, object),
    wildcardKind: user.relation === undefined && !isWildcard ? `${user.type}:*` : undefined,
    relation: userRelation,
  };
}

/** True if the model has a path from the subject to the relation, so that asking tuples makes sense. A userset has itself. */
export function canReach(relation: RelationDef, subject: Subject): boolean {
  if (relation === subject.relation || relation.reach.has(subject.kind)) return true;
  return subject.wildcardKind !== undefined && relation.reach.has(subject.wildcardKind);
}

/** Asks each user of one restriction of an object until `visit` says true; says whether it did. */
export function someUser(
  query: Query,
  relation: RelationDef,
  restriction: Restriction,
  object: number,
  visit: (user: number) => boolean,
  fail: (error: FgaError) => void,
): boolean {
  if (restriction.unconditioned) {
    const edges = query.tuples.edges(relation.key, restriction.kind);
    if (edges) for (const user of edges.users(object)) if (visit(user)) return true;
  }
  for (let i = 0; i < restriction.conditions.length; i++) {
    const edges = query.tuples.conditionedEdges(
      relation.key,
      restriction.kind,
      restriction.conditions[i]!.name,
    );
    if (!edges) continue;
    for (const user of edges.users(object)) {
      if (holdsOr(query, restriction, i, edges, object, user, fail) && visit(user)) return true;
    }
  }
  return false;
}

/** Visits each user of one restriction of an object. */
export function eachUser(
  query: Query,
  relation: RelationDef,
  restriction: Restriction,
  object: number,
  visit: (user: number) => void,
  fail: (error: FgaError) => void,
): void {
  const visitAll = (user: number): boolean => {
    visit(user);
    return false;
  };
  someUser(query, relation, restriction, object, visitAll, fail);
}

/** Visits each object of one restriction's user. */
export function eachObject(
  query: Query,
  relation: RelationDef,
  restriction: Restriction,
  user: number,
  visit: (object: number) => void,
  fail: (error: FgaError) => void,
): void {
  if (restriction.unconditioned) {
    const edges = query.tuples.edges(relation.key, restriction.kind);
    if (edges) for (const object of edges.objects(user)) visit(object);
  }
  for (let i = 0; i < restriction.conditions.length; i++) {
    const edges = query.tuples.conditionedEdges(
      relation.key,
      restriction.kind,
      restriction.conditions[i]!.name,
    );
    if (!edges) continue;
    for (const object of edges.objects(user)) {
      if (holdsOr(query, restriction, i, edges, object, user, fail)) visit(object);
    }
  }
}

/** Whether one tuple of the restriction is there and counts. */
export function hasTuple(
  query: Query,
  relation: RelationDef,
  restriction: Restriction,
  object: number,
  user: number,
  fail: (error: FgaError) => void,
): boolean {
  if (restriction.unconditioned && query.tuples.edges(relation.key, restriction.kind)?.has(object, user))
    return true;
  for (let i = 0; i < restriction.conditions.length; i++) {
    const edges = query.tuples.conditionedEdges(
      relation.key,
      restriction.kind,
      restriction.conditions[i]!.name,
    );
    if (edges?.has(object, user) && holdsOr(query, restriction, i, edges, object, user, fail)) return true;
  }
  return false;
}

/** The mark of a query that its caller ended; lists turn it into a short answer. */
export function queryIsOver(): FgaError {
  return new FgaError("deadline_exceeded", "Request Deadline Exceeded");
}

function numberBeside(query: Query, user: UserRef, object: ObjectRef | undefined): number {
  const number = query.numberOf(user);
  if (number !== UNKNOWN) return number;
  return object && user.type === object.type && user.id === object.id ? UNKNOWN : OTHER_UNKNOWN;
}

function holdsOr(
  query: Query,
  restriction: Restriction,
  condition: number,
  edges: ConditionedEdges,
  object: number,
  user: number,
  fail: (error: FgaError) => void,
): boolean {
  try {
    return query.holds(restriction, condition, edges, object, user);
  } catch (error) {
    if (!FgaError.is(error)) throw error;
    fail(error);
    return false;
  }
}
