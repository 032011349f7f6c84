import { type FgaError, tooComplex } from "./errors.ts";
import {
  canReach,
  eachUser,
  hasTuple,
  isSubject,
  type OnError,
  type Query,
  type Subject,
} from "./evaluation.ts";
import type { RelationDef } from "./model.ts";
import { EVERYONE } from "./reader.ts";
import { createSeen } from "./seen.ts";
import { type UnionPlan, unionPlans } from "./union-plan.ts";

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
  let problem: FgaError | undefined;
  const fail = (error: FgaError): void => {
    problem ??= error;
  };
  const plans = unionPlans(query.model, subject);
  const seen = createSeen();
  if (canReach(relation, subject)) seen.add(relation, object);
  let levelEnd = seen.size;
  for (let i = 0, at = depth; i < seen.size; i++) {
    if (i === levelEnd) {
      at++;
      levelEnd = seen.size;
    }
    const current = seen.relationAt(i);
    const number = seen.objectAt(i);
    const plan = plans.of(current);
    if (isSubject(subject, current, number)) return true;
    if (at >= query.limits.maxDepth) fail(tooComplex());
    else {
      query.step();
      if (plan.isOwn && number === subject.number) return true;
      if (isAssigned(query, plan, subject, number, fail)) return true;
      for (const { restriction, target } of plan.hops) {
        eachUser(query, restriction, number, (user) => void seen.add(target, user), fail);
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
  const plans = unionPlans(query.model, subject);
  const frames: Frame[] = [];
  const enter = (current: RelationDef, number: number): void => {
    query.step();
    seen.add(current, number);
    open.add(current, number);
    const targets: [RelationDef, number][] = [];
    for (const { restriction, target } of plans.of(current).hops) {
      eachUser(query, restriction, number, (user) => targets.push([target, user]), ignore);
    }
    frames.push({ relation: current, object: number, targets });
  };
  enter(relation, object);
  for (let frame = frames.at(-1); frame; frame = frames.at(-1)) {
    const target = frame.targets.pop();
    if (!target) {
      open.delete(frame.relation, frame.object);
      frames.pop();
    } else if (open.has(...target)) return true;
    else if (!seen.has(...target)) enter(...target);
  }
  return false;
}

interface Frame {
  readonly relation: RelationDef;
  readonly object: number;
  readonly targets: [RelationDef, number][];
}

function isAssigned(query: Query, plan: UnionPlan, subject: Subject, object: number, fail: OnError): boolean {
  for (const restriction of plan.own)
    if (hasTuple(query, restriction, object, subject.number, fail)) return true;
  for (const restriction of plan.everyone)
    if (hasTuple(query, restriction, object, EVERYONE, fail)) return true;
  return false;
}

/** Errors were reported when the same tuples were walked before. */
function ignore(): void {}
