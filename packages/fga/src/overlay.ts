import { extendInterner } from "./interner.ts";
import { createMemoryTuples, type MemoryTuples } from "./memory.ts";
import type { ConditionedEdges, Edges, TupleReader } from "./reader.ts";
import type { Tuple } from "./tuple.ts";

/**
 * A reader of `base` and `tuples` together, for one request; `base` is not changed. Of two tuples with one key the
 * one of `tuples` counts, even where its condition differs; of two in `tuples` the first.
 * @throws FgaError `invalid_tuple` if one is malformed
 */
export function overlayTuples(base: TupleReader, tuples: readonly Tuple[]): TupleReader {
  if (tuples.length === 0) return base;
  const own = createMemoryTuples((type) =>
    extendInterner({ find: (id) => base.numberOf(type, id), name: (number) => base.idOf(type, number) }),
  );
  for (const tuple of tuples) own.add(tuple);
  const conditions = new Set(tuples.flatMap((tuple) => (tuple.condition ? [tuple.condition.name] : [])));
  return {
    numberOf(type, id) {
      const below = base.numberOf(type, id);
      return below >= 0 ? below : own.numberOf(type, id);
    },
    idOf: (type, number) => own.idOf(type, number),
    edges(relation, kind) {
      const hidden = ownEdges(own, relation, kind, conditions);
      return hidden.length === 0
        ? base.edges(relation, kind)
        : merge(base.edges(relation, kind), own.edges(relation, kind), hidden);
    },
    conditionedEdges(relation, kind, condition) {
      const [below, above] = [
        base.conditionedEdges(relation, kind, condition),
        own.conditionedEdges(relation, kind, condition),
      ];
      const hidden = ownEdges(own, relation, kind, conditions);
      if (hidden.length === 0) return below;
      return mergeConditioned(below, above, hidden);
    },
  };
}

/** Every set of edges of the kind that the overlay has: keys in one of them hide the base's tuple. */
function ownEdges(
  own: MemoryTuples,
  relation: string,
  kind: string,
  conditions: ReadonlySet<string>,
): Edges[] {
  const plain = own.edges(relation, kind);
  if (!plain) return [];
  const conditioned = [...conditions].flatMap(
    (condition) => own.conditionedEdges(relation, kind, condition) ?? [],
  );
  return [plain, ...conditioned];
}

function merge(below: Edges | undefined, above: Edges | undefined, hidden: readonly Edges[]): Edges {
  const shows = (object: number, user: number): boolean => !hidden.some((edges) => edges.has(object, user));
  return {
    has: (object, user) =>
      above?.has(object, user) || (below?.has(object, user) === true && shows(object, user)),
    users: (object) => concat(above?.users(object), below?.users(object), (user) => shows(object, user)),
    objects: (user) => concat(above?.objects(user), below?.objects(user), (object) => shows(object, user)),
  };
}

function mergeConditioned(
  below: ConditionedEdges | undefined,
  above: ConditionedEdges | undefined,
  hidden: readonly Edges[],
): ConditionedEdges {
  return {
    ...merge(below, above, hidden),
    context: (object, user) => {
      const edges = above?.has(object, user) ? above : below;
      return edges?.context(object, user) ?? {};
    },
  };
}

function concat(
  above: Iterable<number> | undefined,
  below: Iterable<number> | undefined,
  shows: (number: number) => boolean,
): number[] {
  const all = [...(above ?? [])];
  for (const number of below ?? []) if (shows(number)) all.push(number);
  return all;
}
