import { type FgaError, tooComplex } from "./errors.ts";
import { canReach, eachUser, hasTuple, type Query, type Subject } from "./evaluation.ts";
import type { RelationDef, Restriction, Rewrite } from "./model.ts";
import { EVERYONE } from "./reader.ts";

/** A set of relations of objects. */
export interface Seen {
  /** False if it was there. */
  add(relation: RelationDef, object: number): boolean;
  has(relation: RelationDef, object: number): boolean;
  delete(relation: RelationDef, object: number): void;
}

/** Empty {@link Seen}. */
export function createSeen(): Seen {
  const seen = new Map<RelationDef, Set<number>>();
  return {
    add(relation, object) {
      const objects = seen.get(relation);
      if (!objects) {
        seen.set(relation, new Set([object]));
        return true;
      }
      if (objects.has(object)) return false;
      objects.add(object);
      return true;
    },
    has: (relation, object) => seen.get(relation)?.has(object) ?? false,
    delete: (relation, object) => seen.get(relation)?.delete(object),
  };
}

/**
 * Whether the subject reaches a relation that leads to unions only: breadth first, so that each object is met at
 * its smallest depth and once.
 * @returns true, false, or the first error if there is no path without one
 */
export function reachUnion(
  query: Query,
  subject: Subject,
  relation: RelationDef,
  object: number,
  depth: number,
): boolean | FgaError {
  const seen = createSeen();
  const start: Node = [relation, object];
  let problem: FgaError | undefined;
  const fail = (error: FgaError): void => {
    problem ??= error;
  };
  seen.add(relation, object);
  let next: Node[] = [start];
  for (let at = depth; next.length > 0; at++) {
    const level = next;
    next = [];
    const reached = (target: RelationDef, number: number, isHop: boolean): void => {
      // What is computed on the same object joins the level that is being walked.
      if (seen.add(target, number)) (isHop ? next : level).push([target, number]);
    };
    for (const [current, number] of level) {
      if (isSubject(subject, current, number)) return true;
      if (!canReach(current, subject)) continue;
      if (at >= query.limits.maxDepth) fail(tooComplex());
      else {
        query.step();
        if (isAssigned(query, subject, current, number, fail)) return true;
        followUnion(query, subject, current.rewrite, current, number, reached, fail);
      }
    }
  }
  return problem ?? false;
}

/**
 * Whether a path from the relation comes back to itself, among what {@link reachUnion} walked to answer "no".
 * Depth first with a stack of its own: what is on the stack is open, what was seen and is not open is done.
 */
export function unionHasCycle(
  query: Query,
  subject: Subject,
  relation: RelationDef,
  object: number,
): boolean {
  const [seen, open] = [createSeen(), createSeen()];
  const frames: { readonly node: Node; readonly targets: Node[] }[] = [];
  const enter = (node: Node): void => {
    query.step();
    const targets: Node[] = [];
    seen.add(...node);
    open.add(...node);
    const [current, number] = node;
    followUnion(
      query,
      subject,
      current.rewrite,
      current,
      number,
      (...found) => targets.push([found[0], found[1]]),
      ignore,
    );
    frames.push({ node, targets });
  };
  enter([relation, object]);
  for (let frame = frames.at(-1); frame; frame = frames.at(-1)) {
    const target = frame.targets.pop();
    if (!target) {
      open.delete(...frame.node);
      frames.pop();
    } else if (open.has(...target)) return true;
    else if (!seen.has(...target)) enter(target);
  }
  return false;
}

type Node = readonly [relation: RelationDef, object: number];

/** Whether the object is the subject's own: a userset has itself. */
export function isSubject(subject: Subject, relation: RelationDef, object: number): boolean {
  return relation === subject.relation && object === subject.number;
}

/** Whether a tuple gives the relation to the subject, or to everyone of its type. */
export function isAssigned(
  query: Query,
  subject: Subject,
  relation: RelationDef,
  object: number,
  fail: (error: FgaError) => void,
): boolean {
  for (const restriction of relation.restrictions) {
    const isOwn = restriction.kind === subject.kind;
    if (!isOwn && restriction.kind !== subject.wildcardKind) continue;
    if (hasTuple(query, relation, restriction, object, isOwn ? subject.number : EVERYONE, fail)) return true;
  }
  return false;
}

/** Visits what a union leads to, leaving out relations that the subject cannot have. */
function followUnion(
  query: Query,
  subject: Subject,
  rule: Rewrite,
  relation: RelationDef,
  object: number,
  visit: (target: RelationDef, number: number, isHop: boolean) => void,
  fail: (error: FgaError) => void,
): void {
  const hops = (from: RelationDef, restriction: Restriction, target: RelationDef): void => {
    if (!canReach(target, subject)) return;
    eachUser(query, from, restriction, object, (user) => visit(target, user, true), fail);
  };
  switch (rule.kind) {
    case "this":
      for (const restriction of relation.restrictions) {
        if (restriction.relation) hops(relation, restriction, restriction.relation);
      }
      return;
    case "computed":
      if (canReach(rule.relation, subject)) visit(rule.relation, object, false);
      return;
    case "from":
      for (const parent of rule.parents) hops(rule.tupleset, parent.restriction, parent.relation);
      return;
    case "union":
      for (const child of rule.children) followUnion(query, subject, child, relation, object, visit, fail);
      return;
    default:
      throw new Error(`"${relation.key}" was compiled as a union but has a ${rule.kind}`);
  }
}

/** Errors were reported when the same tuples were walked before. */
function ignore(): void {}
