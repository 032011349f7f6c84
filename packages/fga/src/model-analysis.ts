import type { Dependent, RelationDef, RelationDraft, Rewrite } from "./model.ts";
import type { ReachDraft } from "./reach.ts";

/** Fills in what follows from rewrites and restrictions: tuplesets, reach, unions, cycles and dependents. */
export function analyseModel(relations: readonly RelationDraft[], createReach: () => ReachDraft): void {
  const reaches = new Map<RelationDef, ReachDraft>();
  const drafts = new Map<RelationDef, RelationDraft>(relations.map((draft) => [draft, draft]));
  for (const relation of relations) {
    for (const tupleset of tuplesetsOf(relation.rewrite)) {
      const draft = drafts.get(tupleset);
      if (draft) draft.isTupleset = true;
    }
  }
  for (const component of components(relations)) analyseComponent(component, reaches, createReach());
  const dependents = new Map<RelationDef, Dependent[]>(relations.map((draft) => [draft, []]));
  for (const relation of relations) {
    for (const { target, hop, grants } of edgesOf(relation))
      dependents.get(target)?.push({ relation, hop, grants });
  }
  for (const draft of relations) draft.dependents = dependents.get(draft) ?? [];
}

/** Relations that lead to each other share what they lead to; what they lead to outside is analysed already. */
function analyseComponent(
  component: readonly RelationDraft[],
  reaches: Map<RelationDef, ReachDraft>,
  reach: ReachDraft,
): void {
  const members = new Set<RelationDef>(component);
  const targets = component.flatMap((draft) => edgesOf(draft).map(({ target }) => target));
  const outside = targets.filter((target) => !members.has(target));
  for (const draft of component) for (const restriction of draft.restrictions) reach.add(restriction.kind);
  for (const target of targets) reach.add(target.key);
  for (const target of new Set(outside)) {
    const known = reaches.get(target);
    if (known) reach.addAll(known);
  }
  const isUnion =
    component.every((draft) => isUnionOnly(draft.rewrite)) && outside.every((target) => target.isUnion);
  const mayCycle = targets.length > outside.length || outside.some((target) => target.mayCycle);
  for (const draft of component) {
    reaches.set(draft, reach);
    Object.assign(draft, { reach, isUnion, mayCycle });
  }
}

/** One way in which a relation asks another. */
interface Edge extends Omit<Dependent, "relation"> {
  readonly target: RelationDef;
}

function edgesOf(relation: RelationDef): Edge[] {
  return edgesOfRewrite(relation.rewrite, relation, true);
}

function edgesOfRewrite(rewrite: Rewrite, relation: RelationDef, grants: boolean): Edge[] {
  switch (rewrite.kind) {
    case "this":
      return relation.restrictions.flatMap((restriction) =>
        restriction.relation ? [{ target: restriction.relation, hop: restriction, grants }] : [],
      );
    case "computed":
      return [{ target: rewrite.relation, hop: undefined, grants }];
    case "from":
      return rewrite.parents.map((parent) => ({
        target: parent.relation,
        hop: parent.restriction,
        grants,
      }));
    case "union":
      return rewrite.children.flatMap((child) => edgesOfRewrite(child, relation, grants));
    case "intersection": {
      const narrowest = narrowestOf(rewrite.children, relation);
      return rewrite.children.flatMap((child) =>
        edgesOfRewrite(child, relation, grants && child === narrowest),
      );
    }
    case "difference":
      return [
        ...edgesOfRewrite(rewrite.base, relation, grants),
        ...edgesOfRewrite(rewrite.subtract, relation, false),
      ];
  }
}

/** Has every user of the intersection, like each of its parts, and leads to the fewest relations. */
function narrowestOf(children: readonly Rewrite[], relation: RelationDef): Rewrite | undefined {
  const width = (child: Rewrite): number =>
    edgesOfRewrite(child, relation, true).reduce((sum, { target }) => sum + 1 + target.reach.size, 0);
  return children.toSorted((a, b) => width(a) - width(b))[0];
}

function tuplesetsOf(rewrite: Rewrite): RelationDef[] {
  switch (rewrite.kind) {
    case "from":
      return [rewrite.tupleset];
    case "union":
    case "intersection":
      return rewrite.children.flatMap(tuplesetsOf);
    case "difference":
      return [...tuplesetsOf(rewrite.base), ...tuplesetsOf(rewrite.subtract)];
    default:
      return [];
  }
}

function isUnionOnly(rewrite: Rewrite): boolean {
  if (rewrite.kind === "union") return rewrite.children.every(isUnionOnly);
  return rewrite.kind !== "intersection" && rewrite.kind !== "difference";
}

/**
 * Strongly connected components of "asks", those asked before those asking (Tarjan 1972, with a stack of its own
 * because a model may chain thousands of relations).
 */
function components(relations: readonly RelationDraft[]): RelationDraft[][] {
  const found: RelationDraft[][] = [];
  const order = new Map<RelationDef, number>();
  const low = new Map<RelationDef, number>();
  const open: RelationDraft[] = [];
  const isOpen = new Set<RelationDef>();
  const drafts = new Map<RelationDef, RelationDraft>(relations.map((draft) => [draft, draft]));

  const enter = (draft: RelationDraft): Frame => {
    order.set(draft, order.size);
    low.set(draft, order.size - 1);
    open.push(draft);
    isOpen.add(draft);
    return { draft, targets: edgesOf(draft).map(({ target }) => target), next: 0 };
  };
  const lower = (draft: RelationDef, value: number): void => {
    low.set(draft, Math.min(low.get(draft) ?? value, value));
  };
  const leave = (draft: RelationDraft): void => {
    if (low.get(draft) !== order.get(draft)) return;
    const component = open.splice(open.indexOf(draft));
    for (const member of component) isOpen.delete(member);
    found.push(component);
  };

  for (const root of relations) {
    if (order.has(root)) continue;
    const frames = [enter(root)];
    for (let frame = frames.at(-1); frame; frame = frames.at(-1)) {
      const target = frame.targets[frame.next++];
      const draft = target && drafts.get(target);
      if (!draft) {
        frames.pop();
        leave(frame.draft);
        const caller = frames.at(-1);
        if (caller) lower(caller.draft, low.get(frame.draft) ?? 0);
      } else if (!order.has(draft)) frames.push(enter(draft));
      else if (isOpen.has(draft)) lower(frame.draft, order.get(draft) ?? 0);
    }
  }
  return found;
}

interface Frame {
  readonly draft: RelationDraft;
  readonly targets: readonly RelationDef[];
  next: number;
}
