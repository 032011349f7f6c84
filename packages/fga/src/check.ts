import { reachUnion, unionHasCycle } from "./check-union.ts";
import { validateContext } from "./condition.ts";
import { FgaError, tooComplex } from "./errors.ts";
import {
  canReach,
  type Evaluation,
  hasTuple,
  isSubject,
  type Query,
  type QueryContext,
  type Subject,
  someUser,
  startQuery,
  subjectOf,
} from "./evaluation.ts";
import type { RelationDef, Rewrite } from "./model.ts";
import { both, CYCLE, either, FIRST_ERROR, isError, NO, negate, type Outcome, YES } from "./outcome.ts";
import { EVERYONE } from "./reader.ts";
import { resolveKey, type TupleKey } from "./tuple.ts";

/** Asks whether a user has a relation to an object. */
export interface CheckRequest extends TupleKey, QueryContext {}

/**
 * Whether the user has the relation, as OpenFGA's Check (v1 algorithm) answers.
 * The user may be any object, typed wildcard or userset of the model, also one that no tuple could name.
 * @throws FgaError `validation_error` for user, object, relation or context; `invalid_tuple` for contextual tuples;
 *   `authorization_model_resolution_too_complex` past the depth or step limit; `deadline_exceeded` if `isOver` said so
 */
export function check(evaluation: Evaluation, request: CheckRequest): boolean {
  const { object, user, userRelation, relation } = resolveKey(
    evaluation.model,
    request,
    (reason) => new FgaError("validation_error", reason),
  );
  validateContext(request.context);
  const query = startCheckQuery(evaluation, request);
  const subject = subjectOf(query, user, userRelation, object);
  if (relation.isUnion) {
    const found = reachUnion(query, subject, relation, query.numberOf(object), 0);
    if (typeof found === "boolean") return found;
    throw found;
  }
  return createChecker(query, subject).check(relation, query.numberOf(object));
}

/** Checks of one subject; what one check learns the next ones use. */
export interface Checker {
  /** Whether the subject has the relation to the object. @throws FgaError as {@link check} */
  check(relation: RelationDef, object: number): boolean;
}

/** Rewrites open at once; guards the stack against a model that chains a thousand computed relations. */
const MAX_OPEN_REWRITES = 1_000;

interface Remembered {
  readonly outcome: Outcome;
  readonly depth: number;
}

/**
 * Checks of one subject within one query. Long because its parts share what the query has learned: the path that
 * is open, answers remembered and errors met.
 */
export function createChecker(query: Query, subject: Subject): Checker {
  const { maxDepth } = query.limits;
  const errors: FgaError[] = [];
  const path = new Map<RelationDef, Set<number>>();
  const memories = {
    plain: new Map<RelationDef, Map<number, Remembered>>(),
    cycles: new Map<RelationDef, Map<number, Remembered>>(),
  };
  let cycleHits = 0;
  let openRewrites = 0;

  const fail = (error: FgaError): Outcome => FIRST_ERROR + errors.push(error) - 1;

  /**
   * One relation of one object.
   * @param cycles true below a subtracted rewrite, where a "no" must say whether a cycle was met
   */
  function evaluate(relation: RelationDef, object: number, depth: number, cycles: boolean): Outcome {
    if (isSubject(subject, relation, object)) return YES;
    if (!canReach(relation, subject)) return NO;
    if (path.get(relation)?.has(object)) {
      cycleHits++;
      return CYCLE;
    }
    const remembered = recall(relation, object, depth, cycles);
    if (remembered !== undefined) return remembered;
    if (depth >= maxDepth) return fail(tooComplex());
    const hitsBefore = cycleHits;
    const outcome = relation.isUnion
      ? evaluateUnion(relation, object, depth, cycles)
      : onPath(relation, object, depth, cycles);
    // What met a cycle depends on the path that led here and holds for this path only (CVE-2025-46331).
    if (cycleHits === hitsBefore) remember(relation, object, depth, cycles, outcome);
    return outcome;
  }

  function onPath(relation: RelationDef, object: number, depth: number, cycles: boolean): Outcome {
    query.step();
    const open = path.get(relation) ?? new Set();
    path.set(relation, open.add(object));
    const outcome = rewrite(relation.rewrite, relation, object, depth, cycles);
    open.delete(object);
    return outcome;
  }

  /** Unions alone are reachability: no path, no recursion. A cycle inside leaves nothing open outside. */
  function evaluateUnion(relation: RelationDef, object: number, depth: number, cycles: boolean): Outcome {
    const found = reachUnion(query, subject, relation, object, depth);
    if (found === true) return YES;
    if (found !== false) return fail(found);
    return cycles && relation.mayCycle && unionHasCycle(query, subject, relation, object) ? CYCLE : NO;
  }

  function rewrite(
    rule: Rewrite,
    relation: RelationDef,
    object: number,
    depth: number,
    cycles: boolean,
  ): Outcome {
    if (++openRewrites > MAX_OPEN_REWRITES) throw tooComplex();
    const outcome = dispatch(rule, relation, object, depth, cycles);
    openRewrites--;
    return outcome;
  }

  function dispatch(
    rule: Rewrite,
    relation: RelationDef,
    object: number,
    depth: number,
    cycles: boolean,
  ): Outcome {
    switch (rule.kind) {
      case "this":
        return direct(relation, object, depth, cycles);
      case "computed":
        return evaluate(rule.relation, object, depth, cycles);
      case "from":
        return from(rule, object, depth, cycles);
      case "union":
        return union(rule.children, relation, object, depth, cycles);
      case "intersection":
        return intersection(rule.children, relation, object, depth, cycles);
      case "difference":
        return difference(rule, relation, object, depth, cycles);
    }
  }

  function direct(relation: RelationDef, object: number, depth: number, cycles: boolean): Outcome {
    let outcome: Outcome = NO;
    const noteError = (error: FgaError): void => {
      outcome = fail(error);
    };
    for (const restriction of relation.restrictions) {
      const isOwn = restriction.kind === subject.kind;
      if (!isOwn && restriction.kind !== subject.wildcardKind) continue;
      if (hasTuple(query, restriction, object, isOwn ? subject.number : EVERYONE, noteError)) return YES;
    }
    for (const restriction of relation.restrictions) {
      const target = restriction.relation;
      if (!target || !canReach(target, subject)) continue;
      const visit = (user: number): boolean => {
        outcome = either(outcome, evaluate(target, user, depth + 1, cycles));
        return outcome === YES;
      };
      if (someUser(query, restriction, object, visit, noteError)) return YES;
    }
    return outcome;
  }

  function from(
    rule: Extract<Rewrite, { kind: "from" }>,
    object: number,
    depth: number,
    cycles: boolean,
  ): Outcome {
    let outcome: Outcome = NO;
    const noteError = (error: FgaError): void => {
      outcome = fail(error);
    };
    for (const { restriction, relation } of rule.parents) {
      if (!canReach(relation, subject)) continue;
      const visit = (parent: number): boolean => {
        outcome = either(outcome, evaluate(relation, parent, depth + 1, cycles));
        return outcome === YES;
      };
      if (someUser(query, restriction, object, visit, noteError)) return YES;
    }
    return outcome;
  }

  function union(
    children: readonly Rewrite[],
    relation: RelationDef,
    object: number,
    depth: number,
    cycles: boolean,
  ): Outcome {
    let outcome: Outcome = NO;
    for (const child of children) {
      outcome = either(outcome, rewrite(child, relation, object, depth, cycles));
      if (outcome === YES) return YES;
    }
    return outcome;
  }

  function intersection(
    children: readonly Rewrite[],
    relation: RelationDef,
    object: number,
    depth: number,
    cycles: boolean,
  ): Outcome {
    let outcome: Outcome = YES;
    for (const child of children) {
      outcome = both(outcome, rewrite(child, relation, object, depth, cycles));
      if (outcome === CYCLE || (outcome === NO && !cycles)) return outcome;
    }
    return outcome;
  }

  function difference(
    rule: Extract<Rewrite, { kind: "difference" }>,
    relation: RelationDef,
    object: number,
    depth: number,
    cycles: boolean,
  ): Outcome {
    const base = rewrite(rule.base, relation, object, depth, cycles);
    if (base === CYCLE || (base === NO && !cycles)) return base;
    return both(base, negate(rewrite(rule.subtract, relation, object, depth, true)));
  }

  /** An answer holds at its depth and above, an error at its depth and below. */
  function recall(
    relation: RelationDef,
    object: number,
    depth: number,
    cycles: boolean,
  ): Outcome | undefined {
    const found = (cycles ? memories.cycles : memories.plain).get(relation)?.get(object);
    if (!found) return undefined;
    const holds = isError(found.outcome) ? depth >= found.depth : depth <= found.depth;
    return holds ? found.outcome : undefined;
  }

  function remember(
    relation: RelationDef,
    object: number,
    depth: number,
    cycles: boolean,
    outcome: Outcome,
  ): void {
    const memory = cycles ? memories.cycles : memories.plain;
    let ofRelation = memory.get(relation);
    if (!ofRelation) {
      ofRelation = new Map();
      memory.set(relation, ofRelation);
    }
    ofRelation.set(object, { outcome, depth });
  }

  return {
    check(relation, object) {
      const outcome = evaluate(relation, object, 0, false);
      const error = errors[outcome - FIRST_ERROR];
      if (error) throw error;
      return outcome === YES;
    },
  };
}

/** In a check, whatever is wrong with a contextual tuple is `invalid_tuple`, as OpenFGA has it. */
function startCheckQuery(evaluation: Evaluation, request: CheckRequest): Query {
  try {
    return startQuery(evaluation, request);
  } catch (error) {
    if (FgaError.is(error)) throw new FgaError("invalid_tuple", error.message, { cause: error });
    throw error;
  }
}
