import { type Adjacency, createAdjacency } from "./adjacency.ts";
import { FgaError } from "./errors.ts";
import { createInterner, type Interner } from "./interner.ts";
import type { JsonObject } from "./json.ts";
import { type ConditionedEdges, type Edges, EVERYONE, type TupleReader, UNKNOWN } from "./reader.ts";
import { formatUser, type ObjectRef, parseObject, parseUser, type UserRef, WILDCARD } from "./syntax.ts";
import { invalidTuple, kindOf, type Tuple, type TupleKey } from "./tuple.ts";

/**
 * Tuples of one store in memory, indexed both ways. Knows no model: what is valid is judged by the model of each
 * request. One key holds one tuple, whatever its condition.
 */
export interface MemoryTuples extends TupleReader {
  readonly size: number;
  /** Adds the tuple. False, and nothing changes, if its key is taken. @throws FgaError `invalid_tuple` if malformed */
  add(tuple: Tuple): boolean;
  /** Removes the tuple of this key. False if there is none. */
  remove(key: TupleKey): boolean;
  /** The tuple of this key. */
  get(key: TupleKey): Tuple | undefined;
  /** Tuples that match every given part, in no order. Writing while reading ends the guarantee. */
  read(filter?: TupleFilter): Iterable<Tuple>;
}

/** What {@link MemoryTuples.read} matches; parts left out match everything. */
export interface TupleFilter {
  /** `document:1`, or `document:` for every object of the type. */
  readonly object?: string | undefined;
  readonly relation?: string | undefined;
  readonly user?: string | undefined;
}

/** Tuples of one relation, by kind of user. */
interface RelationTuples {
  readonly type: string;
  readonly name: string;
  readonly kinds: Map<string, KindTuples>;
}

/** Tuples of one relation and one kind of user. */
interface KindTuples {
  readonly userType: string;
  readonly isWildcard: boolean;
  readonly userRelation: string | undefined;
  readonly plain: Graph;
  readonly conditioned: Map<string, ConditionedGraph>;
}

interface Graph extends Edges {
  readonly forward: Adjacency;
  readonly reverse: Adjacency;
}

interface ConditionedGraph extends Graph, ConditionedEdges {
  readonly contexts: Map<number, Map<number, JsonObject>>;
}

interface Place {
  readonly kind: KindTuples;
  readonly object: number;
  readonly user: number;
}

/**
 * Empty {@link MemoryTuples}.
 * @param internerOf makes the numbers for the ids of one type; an overlay passes its own
 */
export function createMemoryTuples(internerOf: (type: string) => Interner = createInterner): MemoryTuples {
  const interners = new Map<string, Interner>();
  const relations = new Map<string, RelationTuples>();
  let size = 0;

  const interner = (type: string): Interner => getOrAdd(interners, type, () => internerOf(type));
  const numberOf = (type: string, id: string): number => interners.get(type)?.find(id) ?? UNKNOWN;

  /** Where the key's tuple is or would be, if there are tuples of its kind. */
  function find(relation: string, { object, user }: Parsed): Place | undefined {
    const kind = relations.get(`${object.type}#${relation}`)?.kinds.get(kindOf(user));
    if (!kind) return undefined;
    const userNumber = kind.isWildcard ? EVERYONE : numberOf(user.type, user.id);
    return { kind, object: numberOf(object.type, object.id), user: userNumber };
  }

  function kindFor(object: ObjectRef, relation: string, user: UserRef): KindTuples {
    const tuples = getOrAdd(relations, `${object.type}#${relation}`, () => ({
      type: object.type,
      name: relation,
      kinds: new Map<string, KindTuples>(),
    }));
    return getOrAdd(tuples.kinds, kindOf(user), () => ({
      userType: user.type,
      isWildcard: user.relation === undefined && user.id === WILDCARD,
      userRelation: user.relation,
      plain: createGraph(),
      conditioned: new Map(),
    }));
  }

  function add(tuple: Tuple): boolean {
    const parsed = parse(tuple);
    const place = find(tuple.relation, parsed);
    if (place && graphHolding(place)) return false;
    const { object, user } = parsed;
    const kind = place?.kind ?? kindFor(object, tuple.relation, user);
    const objectNumber = interner(object.type).retain(object.id);
    const userNumber = kind.isWildcard ? EVERYONE : interner(user.type).retain(user.id);
    if (tuple.condition) {
      const graph = getOrAdd(kind.conditioned, tuple.condition.name, createConditionedGraph);
      addEdge(graph, objectNumber, userNumber);
      const contexts = getOrAdd(graph.contexts, objectNumber, () => new Map<number, JsonObject>());
      contexts.set(userNumber, tuple.condition.context ?? {});
    } else addEdge(kind.plain, objectNumber, userNumber);
    size++;
    return true;
  }

  function remove(key: TupleKey): boolean {
    const parsed = parse(key);
    const place = find(key.relation, parsed);
    const graph = place && graphHolding(place);
    if (!graph) return false;
    const { object, user, kind } = place;
    graph.forward.remove(object, user);
    graph.reverse.remove(user, object);
    if ("contexts" in graph) deleteContext(graph, object, user);
    interner(parsed.object.type).release(object);
    if (!kind.isWildcard) interner(kind.userType).release(user);
    size--;
    return true;
  }

  function get(key: TupleKey): Tuple | undefined {
    const place = find(key.relation, parse(key));
    const graph = place && graphHolding(place);
    if (!graph) return undefined;
    const { user, relation, object } = key;
    if (!("contexts" in graph)) return { user, relation, object };
    const [name] = [...place.kind.conditioned].find(([, candidate]) => candidate === graph) ?? [""];
    return { user, relation, object, condition: { name, context: graph.context(place.object, place.user) } };
  }

  function* read(filter: TupleFilter = {}): Iterable<Tuple> {
    const { object = "", relation, user } = filter;
    const type = object.slice(0, object.indexOf(":"));
    const id = object === "" ? "" : object.slice(type.length + 1);
    const kind = user === undefined ? undefined : kindOfText(user);
    for (const tuples of relations.values()) {
      if ((object !== "" && tuples.type !== type) || (relation !== undefined && tuples.name !== relation))
        continue;
      for (const [name, candidate] of tuples.kinds) {
        if (user === undefined || kind === name) yield* readKind(tuples, candidate, id, user);
      }
    }
  }

  function* readKind(
    tuples: RelationTuples,
    kind: KindTuples,
    id: string,
    user: string | undefined,
  ): Iterable<Tuple> {
    const graphs: [string | undefined, Graph][] = [[undefined, kind.plain], ...kind.conditioned];
    for (const [condition, graph] of graphs) {
      for (const [object, number] of edgesIn(tuples, kind, graph, id, user)) {
        const key = {
          user: formatUser({ type: kind.userType, id: userId(kind, number), relation: kind.userRelation }),
          relation: tuples.name,
          object: `${tuples.type}:${interner(tuples.type).name(object)}`,
        };
        if (condition === undefined) yield key;
        else
          yield {
            ...key,
            condition: { name: condition, context: (graph as ConditionedGraph).context(object, number) },
          };
      }
    }
  }

  function* edgesIn(
    tuples: RelationTuples,
    kind: KindTuples,
    graph: Graph,
    id: string,
    user: string | undefined,
  ): Iterable<[number, number]> {
    const object = id === "" ? undefined : numberOf(tuples.type, id);
    if (user === undefined) {
      for (const node of object === undefined ? graph.forward.nodes() : [object]) {
        for (const neighbour of graph.users(node)) yield [node, neighbour];
      }
      return;
    }
    const number = kind.isWildcard ? EVERYONE : numberOf(kind.userType, parseUser(user)?.id ?? "");
    for (const node of object === undefined ? graph.objects(number) : [object]) {
      if (graph.has(node, number)) yield [node, number];
    }
  }

  const userId = (kind: KindTuples, number: number): string =>
    kind.isWildcard ? WILDCARD : interner(kind.userType).name(number);

  return {
    get size() {
      return size;
    },
    numberOf,
    idOf: (type, number) => interner(type).name(number),
    edges: (relation, kind) => relations.get(relation)?.kinds.get(kind)?.plain,
    conditionedEdges: (relation, kind, condition) =>
      relations.get(relation)?.kinds.get(kind)?.conditioned.get(condition),
    add,
    remove,
    get,
    read,
  };
}

function createGraph(): Graph {
  const [forward, reverse] = [createAdjacency(), createAdjacency()];
  return { forward, reverse, has: forward.has, users: forward.neighbours, objects: reverse.neighbours };
}

function createConditionedGraph(): ConditionedGraph {
  const contexts = new Map<number, Map<number, JsonObject>>();
  return { ...createGraph(), contexts, context: (object, user) => contexts.get(object)?.get(user) ?? {} };
}

function addEdge(graph: Graph, object: number, user: number): void {
  graph.forward.add(object, user);
  graph.reverse.add(user, object);
}

function deleteContext({ contexts }: ConditionedGraph, object: number, user: number): void {
  const ofObject = contexts.get(object);
  ofObject?.delete(user);
  if (ofObject?.size === 0) contexts.delete(object);
}

function graphHolding({ kind, object, user }: Place): Graph | ConditionedGraph | undefined {
  if (kind.plain.has(object, user)) return kind.plain;
  for (const graph of kind.conditioned.values()) if (graph.has(object, user)) return graph;
  return undefined;
}

interface Parsed {
  readonly object: ObjectRef;
  readonly user: UserRef;
}

function parse(key: TupleKey): Parsed {
  const [object, user] = [parseObject(key.object), parseUser(key.user)];
  if (!user) throw invalidTuple(key, "the 'user' field is malformed");
  if (!object) throw invalidTuple(key, "invalid 'object' field format");
  return { object, user };
}

function kindOfText(user: string): string {
  const parsed = parseUser(user);
  if (!parsed) throw new FgaError("validation_error", "the 'user' field is malformed");
  return kindOf(parsed);
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
