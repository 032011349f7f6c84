import { createIntMap } from "./int-map.ts";
import type { Numbers } from "./reader.ts";

/** Neighbours of numbered nodes: one side of a graph. Each pair is held once. */
export interface Adjacency {
  has(node: number, neighbour: number): boolean;
  neighbours(node: number): Numbers;
  /** Nodes that have neighbours. */
  nodes(): Iterable<number>;
  /** Adds a pair that is not there. */
  add(node: number, neighbour: number): void;
  /** Removes a pair that is there. */
  remove(node: number, neighbour: number): void;
}

type List = number[] | Set<number>;

const NONE: readonly number[] = [];
/** Up to here a scan of an array beats a hash look-up and takes a third of the memory. */
const MAX_ARRAY = 16;

/**
 * An empty {@link Adjacency}. Most nodes have one neighbour, which lies in the map itself;
 * two to 16 lie in an array, more in a Set.
 */
export function createAdjacency(): Adjacency {
  // A value from 0 on is the one neighbour; below -1 it names a list: -2 is list 0. -1 is IntMap's "absent".
  const entries = createIntMap();
  const lists: List[] = [];
  const freeLists: number[] = [];

  const listAt = (entry: number): List => lists[-2 - entry]!;
  const isList = (entry: number): boolean => entry < -1;

  function newList(list: List): number {
    const index = freeLists.pop() ?? lists.length;
    lists[index] = list;
    return -2 - index;
  }

  return {
    has(node, neighbour) {
      const entry = entries.get(node);
      if (entry >= 0) return entry === neighbour;
      if (!isList(entry)) return false;
      const list = listAt(entry);
      return Array.isArray(list) ? list.includes(neighbour) : list.has(neighbour);
    },
    neighbours(node) {
      const entry = entries.get(node);
      if (entry >= 0) return [entry];
      return isList(entry) ? listAt(entry) : NONE;
    },
    nodes: () => entries.keys(),
    add(node, neighbour) {
      const entry = entries.get(node);
      if (entry >= 0) return entries.set(node, newList([entry, neighbour]));
      if (!isList(entry)) return entries.set(node, neighbour);
      const list = listAt(entry);
      if (!Array.isArray(list)) list.add(neighbour);
      else if (list.length < MAX_ARRAY) list.push(neighbour);
      else lists[-2 - entry] = new Set([...list, neighbour]);
    },
    remove(node, neighbour) {
      const entry = entries.get(node);
      if (!isList(entry)) return entries.delete(node);
      const list = listAt(entry);
      if (Array.isArray(list)) {
        list[list.indexOf(neighbour)] = list[list.length - 1]!;
        list.pop();
      } else list.delete(neighbour);
      const left = Array.isArray(list) ? list.length : list.size;
      if (left > 1) return;
      lists[-2 - entry] = [];
      freeLists.push(-2 - entry);
      for (const last of list) entries.set(node, last);
    },
  };
}
