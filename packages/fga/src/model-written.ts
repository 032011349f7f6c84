import type { RelationReferenceJson, UsersetJson } from "./model-json.ts";

/** A relation as written: its rewrite and who may be assigned to it. */
export interface WrittenRelation {
  readonly rewrite: UsersetJson;
  readonly restrictions: readonly RelationReferenceJson[];
}

/** Type → relation → definition. */
export type WrittenTypes = ReadonlyMap<string, ReadonlyMap<string, WrittenRelation>>;

/** Keys of relations that some user can have: directly, or by a rewrite whose parts some user can have. */
export function reachableRelations(types: WrittenTypes): Set<string> {
  return leastFixpoint(types, (type, written, reachable) => {
    const holds = (rewrite: UsersetJson): boolean => {
      if (rewrite.this) {
        return written.restrictions.some(
          (r) => r.relation === undefined || reachable.has(keyOf(r.type, r.relation)),
        );
      }
      const targets = hopsOf(types, type, rewrite);
      if (targets) return targets.some((target) => reachable.has(target));
      const children = childrenOf(rewrite) ?? [];
      return rewrite.union ? children.some(holds) : children.length > 0 && children.every(holds);
    };
    return holds(written.rewrite);
  });
}

/** Keys of relations from which following computed relations always ends. */
export function cycleFreeRelations(types: WrittenTypes): Set<string> {
  return leastFixpoint(types, (type, { rewrite }, cycleFree) => {
    const ends = ({ computedUserset, ...other }: UsersetJson): boolean =>
      computedUserset
        ? cycleFree.has(keyOf(type, computedUserset.relation))
        : (childrenOf(other) ?? []).every(ends);
    return ends(rewrite);
  });
}

/**
 * The smallest set of relations that is closed under `holds`. A relation is asked again only after one that it
 * mentions has joined, so that a model of any shape costs about its size.
 */
function leastFixpoint(
  types: WrittenTypes,
  holds: (type: string, written: WrittenRelation, members: ReadonlySet<string>) => boolean,
): Set<string> {
  const members = new Set<string>();
  const mentionedBy = new Map<string, [type: string, relation: string, written: WrittenRelation][]>();
  const queue: [type: string, relation: string, written: WrittenRelation][] = [];
  for (const [type, relations] of types) {
    for (const [relation, written] of relations) {
      queue.push([type, relation, written]);
      for (const key of mentionsOf(types, type, written)) {
        const known = mentionedBy.get(key);
        if (known) known.push([type, relation, written]);
        else mentionedBy.set(key, [[type, relation, written]]);
      }
    }
  }
  for (let next = queue.pop(); next; next = queue.pop()) {
    const [type, relation, written] = next;
    const key = keyOf(type, relation);
    if (members.has(key) || !holds(type, written, members)) continue;
    members.add(key);
    queue.push(...(mentionedBy.get(key) ?? []));
  }
  return members;
}

function mentionsOf(types: WrittenTypes, type: string, written: WrittenRelation): Set<string> {
  const mentions = new Set<string>();
  const visit = (rewrite: UsersetJson): void => {
    if (rewrite.this) {
      for (const r of written.restrictions)
        if (r.relation !== undefined) mentions.add(keyOf(r.type, r.relation));
    }
    for (const hop of hopsOf(types, type, rewrite) ?? []) mentions.add(hop);
    for (const child of childrenOf(rewrite) ?? []) visit(child);
  };
  visit(written.rewrite);
  return mentions;
}

/** Where a computed relation or a tuple-to-userset leads, undefined for the other rewrites. */
function hopsOf(types: WrittenTypes, type: string, rewrite: UsersetJson): string[] | undefined {
  const { computedUserset, tupleToUserset } = rewrite;
  if (computedUserset) return [keyOf(type, computedUserset.relation)];
  if (!tupleToUserset) return undefined;
  const parents = lookUp(types, type, tupleToUserset.tupleset.relation)?.restrictions ?? [];
  return parents.map((parent) => keyOf(parent.type, tupleToUserset.computedUserset.relation));
}

/** Operands of a set operation, undefined for the other rewrites. */
export function childrenOf({
  union,
  intersection,
  difference,
}: UsersetJson): readonly UsersetJson[] | undefined {
  if (difference) return [difference.base, difference.subtract];
  return (union ?? intersection)?.child;
}

/** The relation, if type and relation exist. */
export function lookUp(types: WrittenTypes, type: string, relation: string): WrittenRelation | undefined {
  return types.get(type)?.get(relation);
}

/** `type#relation`. */
export function keyOf(type: string, relation: string): string {
  return `${type}#${relation}`;
}
