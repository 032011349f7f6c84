import { type ConditionEvaluator, cannotEvaluate } from "./condition.ts";
import { FgaError, tooComplex } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import { findRelation, type Model, type RelationDef, type Rewrite } from "./model.ts";
import { parseObject, parseUser, type UserRef, WILDCARD } from "./syntax.ts";
import { formatTuple, type Tuple, type TupleKey, validateTuple } from "./tuple.ts";

/**
 * The rules of evaluation written down without any thought of speed: text and lists instead of numbers and indexes,
 * every branch looked at, nothing remembered. The fast paths are tested against it.
 * Takes time exponential in the tuples; `maxSteps` ends it.
 */
export interface Reference {
  /** As `check` in check.ts. */
  check(key: TupleKey): boolean;
  /** Objects of the type for which {@link check} says yes. Those that cannot be told are left out. */
  listObjects(type: string, relation: string, user: string): string[];
  /** Users of the filter for which {@link check} says yes; beside `type:*` only those who are named. */
  listUsers(
    object: string,
    relation: string,
    filter: { type: string; relation?: string | undefined },
  ): string[];
}

export interface ReferenceOptions {
  readonly model: Model;
  readonly tuples: readonly Tuple[];
  readonly contextualTuples?: readonly Tuple[];
  readonly conditions?: ConditionEvaluator;
  readonly context?: JsonObject;
  readonly maxDepth?: number;
  readonly maxSteps?: number;
}

/** The mark of a question that the reference gives up. */
export class ReferenceGivesUp extends Error {}

/** "cycle" is a "no" that knows why. */
type Outcome = "yes" | "no" | "cycle" | FgaError;

export function createReference(options: ReferenceOptions): Reference {
  const { model, conditions, context = {}, maxDepth = 25, maxSteps = 100_000 } = options;
  const given = [...(options.contextualTuples ?? []), ...options.tuples];
  // Of several tuples with one key the first counts, and contextual ones come first.
  const all = given.filter(
    (tuple, index) => given.findIndex((other) => formatTuple(other) === formatTuple(tuple)) === index,
  );
  const valid = all.filter((tuple) => isValid(model, tuple));
  let steps = 0;

  const tuplesOf = (object: string, relation: string): Tuple[] =>
    valid.filter((tuple) => tuple.object === object && tuple.relation === relation);

  function check(key: TupleKey): Outcome {
    return evaluate(key.object, key.relation, key.user, [], 0);
  }

  function evaluate(
    object: string,
    relation: string,
    user: string,
    path: readonly string[],
    depth: number,
  ): Outcome {
    if (++steps > maxSteps) throw new ReferenceGivesUp();
    const here = `${object}#${relation}`;
    if (user === here) return "yes";
    const definition = findRelation(model, typeOf(object), relation);
    if (!hasPath(definition, user)) return "no";
    if (path.includes(here)) return "cycle";
    if (depth >= maxDepth) return tooComplex();
    return rewrite(definition.rewrite, definition, object, user, [...path, here], depth);
  }

  function rewrite(
    rule: Rewrite,
    definition: RelationDef,
    object: string,
    user: string,
    path: readonly string[],
    depth: number,
  ): Outcome {
    const child = (operand: Rewrite): Outcome => rewrite(operand, definition, object, user, path, depth);
    switch (rule.kind) {
      case "this":
        return either(tuplesOf(object, definition.name).map((tuple) => direct(tuple, user, path, depth)));
      case "computed":
        return evaluate(object, rule.relation.name, user, path, depth);
      case "from":
        return either(
          tuplesOf(object, rule.tupleset.name).map((tuple) =>
            parent(tuple, rule.computed, user, path, depth),
          ),
        );
      case "union":
        return either(rule.children.map(child));
      case "intersection":
        return both(rule.children.map(child));
      case "difference":
        return both([child(rule.base), negate(child(rule.subtract))]);
    }
  }

  function direct(tuple: Tuple, user: string, path: readonly string[], depth: number): Outcome {
    const { type, id, relation } = refOf(tuple.user);
    const isSame = tuple.user === user;
    const isForAll =
      relation === undefined && id === WILDCARD && user.startsWith(`${type}:`) && !user.includes("#");
    if (relation === undefined) return isSame || isForAll ? decide(tuple) : "no";
    const answer = isSame ? "yes" : mayHave(type, relation, user) ? "ask" : "no";
    if (answer === "no") return "no";
    const decided = decide(tuple);
    if (decided !== "yes" || answer === "yes") return decided;
    return evaluate(`${type}:${id}`, relation, user, path, depth + 1);
  }

  function parent(
    tuple: Tuple,
    computed: string,
    user: string,
    path: readonly string[],
    depth: number,
  ): Outcome {
    const { type } = refOf(tuple.user);
    if (!model.types.get(type)?.relations.has(computed) || !mayHave(type, computed, user)) return "no";
    const decided = decide(tuple);
    return decided === "yes" ? evaluate(tuple.user, computed, user, path, depth + 1) : decided;
  }

  /** Whether asking makes sense at all; what cannot lead to the user is not asked, not even for its condition. */
  function mayHave(type: string, relation: string, user: string): boolean {
    const definition = findRelation(model, type, relation);
    const { type: userType, relation: userRelation } = refOf(user);
    return definition.key === `${userType}#${userRelation}` || hasPath(definition, user);
  }

  function decide(tuple: Tuple): Outcome {
    const condition = tuple.condition ? model.conditions.get(tuple.condition.name) : undefined;
    if (!condition) return "yes";
    try {
      if (!conditions) throw cannotEvaluate(condition);
      return conditions.evaluate(condition, tuple.condition?.context ?? {}, context) ? "yes" : "no";
    } catch (error) {
      if (FgaError.is(error)) return error;
      throw error;
    }
  }

  /** Users that tuples name on the way: `grants` turns at each subtraction. */
  function namesOf(object: string, relation: string): Set<string> {
    const names = new Set<string>();
    const seen = new Set<string>();
    const visit = (at: string, name: string, grants: boolean): void => {
      const definition = model.types.get(typeOf(at))?.relations.get(name);
      const key = `${at}#${name} ${grants}`;
      if (!definition || seen.has(key)) return;
      seen.add(key);
      walk(definition.rewrite, definition, at, grants);
    };
    const walk = (rule: Rewrite, definition: RelationDef, at: string, grants: boolean): void => {
      if (rule.kind === "this") {
        for (const tuple of tuplesOf(at, definition.name)) {
          const user = refOf(tuple.user);
          if (decide(tuple) !== "yes") continue;
          if (user.relation !== undefined) visit(`${user.type}:${user.id}`, user.relation, grants);
          else if (grants) names.add(tuple.user);
        }
      } else if (rule.kind === "computed") visit(at, rule.relation.name, grants);
      else if (rule.kind === "from") {
        for (const tuple of tuplesOf(at, rule.tupleset.name)) {
          if (decide(tuple) === "yes") visit(tuple.user, rule.computed, grants);
        }
      } else if (rule.kind === "difference") {
        walk(rule.base, definition, at, grants);
        walk(rule.subtract, definition, at, !grants);
      } else for (const operand of rule.children) walk(operand, definition, at, grants);
    };
    visit(object, relation, true);
    return names;
  }

  function objectsOf(type: string): string[] {
    const mentioned = all.flatMap((tuple) => [tuple.object, tuple.user.split("#")[0] ?? ""]);
    return [...new Set(mentioned)].filter(
      (object) => typeOf(object) === type && !object.endsWith(`:${WILDCARD}`),
    );
  }

  return {
    check(key) {
      const outcome = check(key);
      if (outcome instanceof FgaError) throw outcome;
      return outcome === "yes";
    },
    listObjects(type, relation, user) {
      const own = user.split("#")[0] ?? "";
      const objects = new Set([
        ...objectsOf(type),
        ...(typeOf(own) === type && user.includes("#") ? [own] : []),
      ]);
      return [...objects].filter((object) => check({ object, relation, user }) === "yes");
    },
    listUsers(object, relation, filter) {
      const isAllowed = (user: string): boolean => check({ object, relation, user }) === "yes";
      if (filter.relation !== undefined) {
        const objects = new Set([
          ...objectsOf(filter.type),
          ...(typeOf(object) === filter.type ? [object] : []),
        ]);
        return [...objects].map((at) => `${at}#${filter.relation}`).filter(isAllowed);
      }
      const users = objectsOf(filter.type).filter(isAllowed);
      const everyone = `${filter.type}:${WILDCARD}`;
      const names = namesOf(object, relation);
      return names.has(everyone) && isAllowed(everyone)
        ? [everyone, ...users.filter((user) => names.has(user))]
        : users;
    },
  };
}

/** Yes if any is; else an error if any is; else a cycle if any is. */
function either(outcomes: readonly Outcome[]): Outcome {
  const error = outcomes.find((outcome) => outcome instanceof FgaError);
  if (outcomes.includes("yes")) return "yes";
  return error ?? (outcomes.includes("cycle") ? "cycle" : "no");
}

/** A cycle if any is; else no if any is; else an error if any is. */
function both(outcomes: readonly Outcome[]): Outcome {
  const error = outcomes.find((outcome) => outcome instanceof FgaError);
  if (outcomes.includes("cycle")) return "cycle";
  return outcomes.includes("no") ? "no" : (error ?? "yes");
}

/** What is subtracted takes away when it holds, and when it comes back to itself. */
function negate(outcome: Outcome): Outcome {
  if (outcome === "yes") return "no";
  return outcome === "no" ? "yes" : outcome;
}

function hasPath({ reach }: RelationDef, user: string): boolean {
  const { type, relation } = refOf(user);
  if (relation !== undefined) return reach.has(`${type}#${relation}`);
  return user === `${type}:${WILDCARD}`
    ? reach.has(user)
    : reach.has(type) || reach.has(`${type}:${WILDCARD}`);
}

function isValid(model: Model, tuple: Tuple): boolean {
  try {
    validateTuple(model, tuple);
    return true;
  } catch (error) {
    if (FgaError.is(error)) return false;
    throw error;
  }
}

function typeOf(object: string): string {
  return parseObject(object)?.type ?? "";
}

function refOf(user: string): UserRef {
  return parseUser(user) ?? raiseMalformed(user);
}

function raiseMalformed(user: string): never {
  throw new FgaError("validation_error", `the 'user' field is malformed: ${user}`);
}
