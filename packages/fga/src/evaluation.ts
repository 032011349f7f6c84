import { type ConditionEvaluator, cannotEvaluate } from "./condition.ts";
import { FgaError, tooComplex } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import type { Model, RelationDef, Restriction } from "./model.ts";
import type { ConditionJson } from "./model-json.ts";
import { overlayTuples } from "./overlay.ts";
import {
  type ConditionedEdges,
  type Edges,
  EVERYONE,
  type Numbers,
  type TupleReader,
  UNKNOWN,
} from "./reader.ts";
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
  /** Tuples without condition of a restriction. */
  edges(restriction: Restriction): Edges | undefined;
  /** Whether a conditioned tuple counts; what cannot be told is an error and does not count. */
  holds(
    condition: ConditionJson,
    edges: ConditionedEdges,
    object: number,
    user: number,
    fail: OnError,
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
  const links = linksOf(model, tuples, tuples === evaluation.tuples);
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
    edges({ index, key, kind }) {
      const known = links[index];
      if (known) return known;
      const edges = tuples.edges(key, kind);
      links[index] = edges;
      return edges;
    },
    holds(condition, edges, object, user, fail) {
      try {
        if (!conditions) throw cannotEvaluate(condition);
        return conditions.evaluate(condition, edges.context(object, user), context);
      } catch (error) {
        if (!FgaError.is(error)) throw error;
        fail(error);
        return false;
      }
    },
  };
}

type Links = (Edges | undefined)[];
const linksByModel = new WeakMap<Model, WeakMap<TupleReader, Links>>();

/**
 * Edges found before, by {@link Restriction.index}. They are kept for readers that outlive the query, because a
 * reader's edges stay the same object; looking them up by name was a third of a check.
 */
function linksOf(model: Model, tuples: TupleReader, outlivesQuery: boolean): Links {
  if (!outlivesQuery) return [];
  let byReader = linksByModel.get(model);
  if (!byReader) {
    byReader = new WeakMap();
    linksByModel.set(model, byReader);
  }
  let links = byReader.get(tuples);
  if (!links) {
    links = new Array<Edges | undefined>(model.restrictionCount).fill(undefined);
    byReader.set(tuples, links);
  }
  return links;
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

/** Whether the relation of the object is the subject itself: a userset has itself. */
export function isSubject(subject: Subject, relation: RelationDef, object: number): boolean {
  return relation === subject.relation && object === subject.number;
}

/** Takes note of an error that may yet not matter. */
export type OnError = (error: FgaError) => void;

/** Visits each user of one restriction of an object until `visit` says true; says whether it did. */
export function someUser(
  query: Query,
  restriction: Restriction,
  object: number,
  visit: (user: number) => boolean,
  fail: OnError,
): boolean {
  if (restriction.unconditioned && some(query.edges(restriction)?.users(object), visit)) return true;
  return conditionsOf(query, restriction).some(([condition, edges]) =>
    some(edges.users(object), (user) => query.holds(condition, edges, object, user, fail) && visit(user)),
  );
}

/** Visits each user of one restriction of an object. */
export function eachUser(
  query: Query,
  restriction: Restriction,
  object: number,
  visit: (user: number) => void,
  fail: OnError,
): void {
  if (restriction.unconditioned) each(query.edges(restriction)?.users(object), visit);
  for (const [condition, edges] of conditionsOf(query, restriction)) {
    each(edges.users(object), (user) => {
      if (query.holds(condition, edges, object, user, fail)) visit(user);
    });
  }
}

/** Visits each object of one restriction's user. */
export function eachObject(
  query: Query,
  restriction: Restriction,
  user: number,
  visit: (object: number) => void,
  fail: OnError,
): void {
  if (restriction.unconditioned) each(query.edges(restriction)?.objects(user), visit);
  for (const [condition, edges] of conditionsOf(query, restriction)) {
    each(edges.objects(user), (object) => {
      if (query.holds(condition, edges, object, user, fail)) visit(object);
    });
  }
}

/** Whether one tuple of the restriction is there and counts. */
export function hasTuple(
  query: Query,
  restriction: Restriction,
  object: number,
  user: number,
  fail: OnError,
): boolean {
  if (restriction.unconditioned && query.edges(restriction)?.has(object, user)) return true;
  return conditionsOf(query, restriction).some(
    ([condition, edges]) => edges.has(object, user) && query.holds(condition, edges, object, user, fail),
  );
}

type Conditioned = readonly [condition: ConditionJson, edges: ConditionedEdges];
const NONE: readonly Conditioned[] = [];

/** The conditions of a restriction under which there are tuples. */
function conditionsOf({ tuples }: Query, { key, kind, conditions }: Restriction): readonly Conditioned[] {
  if (conditions.length === 0) return NONE;
  return conditions.flatMap((condition): Conditioned[] => {
    const edges = tuples.conditionedEdges(key, kind, condition.name);
    return edges ? [[condition, edges]] : [];
  });
}

// Arrays are by far the most frequent, and the iterator protocol is slow where both kinds come by.
function each(numbers: Numbers | undefined, visit: (number: number) => void): void {
  if (!numbers) return;
  if (isArray(numbers)) for (let i = 0; i < numbers.length; i++) visit(numbers[i]!);
  else for (const number of numbers) visit(number);
}

function some(numbers: Numbers | undefined, visit: (number: number) => boolean): boolean {
  if (!numbers) return false;
  if (isArray(numbers)) {
    for (let i = 0; i < numbers.length; i++) if (visit(numbers[i]!)) return true;
  } else for (const number of numbers) if (visit(number)) return true;
  return false;
}

/** `Array.isArray` does not narrow a readonly array. */
function isArray(numbers: Numbers): numbers is readonly number[] {
  return Array.isArray(numbers);
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
