import type { RelationDef } from "./model.ts";

/** A set of relations of objects that keeps the order of addition, so that it is also the queue of a walk. */
export interface Seen {
  /** Everything ever added. */
  readonly size: number;
  relationAt(index: number): RelationDef;
  objectAt(index: number): number;
  /** False if it was there. */
  add(relation: RelationDef, object: number): boolean;
  has(relation: RelationDef, object: number): boolean;
  /** Takes it out of the set, though not out of the order. */
  delete(relation: RelationDef, object: number): void;
}

/** Up to here looking through the list beats hashing; most checks stay below. */
const MAX_SCANNED = 24;

/** Empty {@link Seen}. */
export function createSeen(): Seen {
  const relations: RelationDef[] = [];
  const objects: number[] = [];
  let index: Map<RelationDef, Set<number>> | undefined;

  function indexed(): Map<RelationDef, Set<number>> {
    if (index) return index;
    index = new Map();
    for (let i = 0; i < relations.length; i++) addTo(index, relations[i]!, objects[i]!);
    return index;
  }

  function has(relation: RelationDef, object: number): boolean {
    if (index) return index.get(relation)?.has(object) ?? false;
    for (let i = 0; i < objects.length; i++)
      if (objects[i] === object && relations[i] === relation) return true;
    return false;
  }

  return {
    get size() {
      return objects.length;
    },
    relationAt: (position) => relations[position]!,
    objectAt: (position) => objects[position]!,
    has,
    add(relation, object) {
      if (has(relation, object)) return false;
      if (index || objects.length >= MAX_SCANNED) addTo(indexed(), relation, object);
      relations.push(relation);
      objects.push(object);
      return true;
    },
    delete: (relation, object) => indexed().get(relation)?.delete(object),
  };
}

function addTo(index: Map<RelationDef, Set<number>>, relation: RelationDef, object: number): void {
  const objects = index.get(relation);
  if (objects) objects.add(object);
  else index.set(relation, new Set([object]));
}
