import { canReach, type Subject } from "./evaluation.ts";
import type { Model, RelationDef, Restriction, Rewrite } from "./model.ts";

/** What to look at for one relation of an object, where it leads to unions only and the kind of subject is known. */
export interface UnionPlan {
  /** True if the relation, or one computed into it, is the subject's own. */
  readonly isOwn: boolean;
  /** Restrictions under which a tuple may name the subject itself. */
  readonly own: readonly Restriction[];
  /** Restrictions under which a tuple may name everyone of the subject's type. */
  readonly everyone: readonly Restriction[];
  /** Tuples to follow, and the relation to go on with at the other end. */
  readonly hops: readonly { readonly restriction: Restriction; readonly target: RelationDef }[];
}

/** Plans are dropped when this many parts are kept; a model of usual size has some hundred. */
const MAX_KEPT_PARTS = 200_000;

/** Plans of one model for subjects of one kind. */
export interface UnionPlans {
  /** The plan of a relation, made when it is first asked for. */
  of(relation: RelationDef): UnionPlan;
}

interface Kept {
  readonly bySubject: Map<string, UnionPlans>;
  parts: number;
}

const keptByModel = new WeakMap<Model, Kept>();

/** Plans for subjects of the same kind as `subject`. */
export function unionPlans(model: Model, subject: Subject): UnionPlans {
  let kept = keptByModel.get(model);
  if (!kept || kept.parts > MAX_KEPT_PARTS) {
    kept = { bySubject: new Map(), parts: 0 };
    keptByModel.set(model, kept);
  }
  let plans = kept.bySubject.get(subject.kind);
  if (!plans) {
    plans = createPlans(subject, kept);
    kept.bySubject.set(subject.kind, plans);
  }
  return plans;
}

function createPlans(subject: Subject, kept: Kept): UnionPlans {
  const plans = new Map<RelationDef, UnionPlan>();
  return {
    of(relation) {
      let plan = plans.get(relation);
      if (!plan) {
        plan = makePlan(relation, subject);
        plans.set(relation, plan);
        kept.parts += 1 + plan.own.length + plan.everyone.length + plan.hops.length;
      }
      return plan;
    },
  };
}

function makePlan(relation: RelationDef, subject: Subject): UnionPlan {
  const own: Restriction[] = [];
  const everyone: Restriction[] = [];
  const hops: { restriction: Restriction; target: RelationDef }[] = [];
  const closure = new Set([relation]);
  // A set is walked in the order of addition, what is added on the way included.
  for (const member of closure) {
    for (const leaf of leavesOf(member.rewrite, member)) {
      if (leaf.kind === "computed") {
        if (canReach(leaf.relation, subject)) closure.add(leaf.relation);
      } else if (leaf.kind === "from") {
        for (const parent of leaf.parents)
          hops.push({ restriction: parent.restriction, target: parent.relation });
      } else {
        for (const restriction of member.restrictions) {
          if (restriction.kind === subject.kind) own.push(restriction);
          if (restriction.kind === subject.wildcardKind) everyone.push(restriction);
          if (restriction.relation) hops.push({ restriction, target: restriction.relation });
        }
      }
    }
  }
  const isOwn = subject.relation !== undefined && closure.has(subject.relation);
  return { isOwn, own, everyone, hops: hops.filter(({ target }) => canReach(target, subject)) };
}

type Leaf = Extract<Rewrite, { kind: "this" | "computed" | "from" }>;

function leavesOf(rule: Rewrite, relation: RelationDef): Leaf[] {
  switch (rule.kind) {
    case "union":
      return rule.children.flatMap((child) => leavesOf(child, relation));
    case "intersection":
    case "difference":
      throw new Error(`"${relation.key}" was compiled as a union but has a ${rule.kind}`);
    default:
      return [rule];
  }
}
