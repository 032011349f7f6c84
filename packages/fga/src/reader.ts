import type { JsonObject } from "./json.ts";

/**
 * What evaluation asks of tuples. Objects go by number, a number being good for one type until the next write, so
 * that the inner loops never touch text. Synchronous: who keeps tuples elsewhere brings them in first.
 *
 * A relation's tuples lie apart by kind of user (`user`, `user:*`, `group#member`) and by condition, so that
 * choosing what a model's restrictions allow already skips every tuple that is invalid under it.
 */
export interface TupleReader {
  /** Number of an object that some tuple names, or -1. */
  numberOf(type: string, id: string): number;
  /** Id of a number that this reader gave out. */
  idOf(type: string, number: number): string;
  /**
   * Tuples without condition of one kind of user, `relation` being `document#viewer`. Undefined if there never were
   * any; once there are, the same object at every call.
   */
  edges(relation: string, kind: string): Edges | undefined;
  /** Tuples under one condition of one kind of user. Undefined if there are none. */
  conditionedEdges(relation: string, kind: string, condition: string): ConditionedEdges | undefined;
}

/**
 * Tuples of one relation and one kind of user as a graph between objects and users. The user of a wildcard kind
 * is number 0; the user of a userset kind is the userset's object. Unknown (negative) numbers have no edges.
 */
export interface Edges {
  has(object: number, user: number): boolean;
  /** Users of an object. */
  users(object: number): Numbers;
  /** Objects of a user. */
  objects(user: number): Numbers;
}

/** {@link Edges} whose tuples carry a context. */
export interface ConditionedEdges extends Edges {
  /** Context that is stored with the tuple. */
  context(object: number, user: number): JsonObject;
}

/** Numbers, each once, in no order. Not to be kept: the next write may change them. */
export type Numbers = readonly number[] | ReadonlySet<number>;

/** The number of the one user of a wildcard kind. */
export const EVERYONE = 0;
/** The number of an object that no tuple names. */
export const UNKNOWN = -1;
