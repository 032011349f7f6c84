import { createChecker } from "./check.ts";
import { validateContext } from "./condition.ts";
import { FgaError, relationNotFound, tooComplex, typeNotFound } from "./errors.ts";
import {
  type Evaluation,
  eachUser,
  type Query,
  type QueryContext,
  type Subject,
  startQuery,
} from "./evaluation.ts";
import { findRelation, type Model, type RelationDef, type Rewrite } from "./model.ts";
import { EVERYONE } from "./reader.ts";
import { createSeen } from "./seen.ts";
import { formatUser, type ObjectRef, parseObject, type UserRef, WILDCARD } from "./syntax.ts";

/** Kind of users that a list is about: objects of a type, or usersets of one of its relations. */
export interface UserFilter {
  readonly type: string;
  readonly relation?: string | undefined;
}

/** Asks which users of one kind have a relation to an object. */
export interface ListUsersRequest extends QueryContext {
  readonly object: string;
  readonly relation: string;
  readonly filter: UserFilter;
  /** Most users to answer with. Default: no limit. */
  readonly maxResults?: number | undefined;
}

/** Users found, in no order. */
export interface UserList {
  readonly users: UserRef[];
  /** True if `maxResults` or `isOver` ended the search before it was through. */
  readonly truncated: boolean;
}

/**
 * The users that tuples name on a way to the relation and that {@link check} says yes to. An object that everyone
 * of a type has is answered with `type:*`; of the users of that type only those are listed besides who are named
 * themselves, so that an excluded one is told apart from one that is only included.
 * An error at any tuple fails the whole list.
 * @throws FgaError `invalid_tuple` or `validation_error` for contextual tuples, `type_not_found`,
 *   `relation_not_found`, `validation_error` for the object, the context or a condition,
 *   `authorization_model_resolution_too_complex`
 */
export function listUsers(evaluation: Evaluation, request: ListUsersRequest): UserList {
  const object = parseObject(request.object);
  if (!object || object.id === WILDCARD)
    throw new FgaError("validation_error", "invalid 'object' field format");
  const query = startQuery(evaluation, request);
  const filter = resolveFilter(evaluation.model, request.filter);
  const target = findRelation(evaluation.model, object.type, request.relation);
  validateContext(request.context);
  const maxResults = request.maxResults ?? Number.POSITIVE_INFINITY;
  const { subjects, truncated } = collect(query, target, query.numberOf(object), filter, maxResults);
  return { users: subjects.map((subject) => toUserRef(query, subject, filter, object)), truncated };
}

/** A {@link UserFilter} found in the model. */
interface Filter {
  readonly type: string;
  /** `user` or `group#member`. */
  readonly kind: string;
  /** `user:*`; undefined where usersets are asked for. */
  readonly wildcardKind: string | undefined;
  readonly relation: RelationDef | undefined;
}

function resolveFilter(model: Model, { type, relation }: UserFilter): Filter {
  const found = model.types.get(type);
  if (!found) throw typeNotFound(type);
  if (relation === undefined || relation === "") {
    return { type, kind: type, wildcardKind: `${type}:*`, relation: undefined };
  }
  const definition = found.relations.get(relation);
  if (!definition) throw relationNotFound(type, relation);
  return { type, kind: definition.key, wildcardKind: undefined, relation: definition };
}

function collect(
  query: Query,
  target: RelationDef,
  object: number,
  filter: Filter,
  maxResults: number,
): { subjects: Subject[]; truncated: boolean } {
  const subjects: Subject[] = [];
  const accept = (subject: Subject): boolean => {
    const isAllowed = target.isUnion || createChecker(query, subject).check(target, object);
    if (isAllowed) subjects.push(subject);
    if (subjects.length >= maxResults) throw FULL;
    return isAllowed;
  };
  try {
    const named = createNamed(filter, accept);
    walkFromObject(query, target, object, filter, named);
    named.finish();
  } catch (error) {
    const isOver = FgaError.is(error) && error.code === "deadline_exceeded";
    if (error === FULL || isOver) return { subjects, truncated: true };
    throw error;
  }
  return { subjects, truncated: false };
}

/** Thrown to leave the walk once the list is full. */
const FULL = Symbol("full");

/** Where the walk reports what it meets; each subject is judged once. */
interface Named {
  /** A user of the filter's kind. */
  user(number: number): void;
  /** Every user of the filter's type. */
  everyone(): void;
  /** A user of the filter's kind who is named where that takes the relation away. */
  passOver(number: number): void;
  /** Judges what is left when the walk is through. */
  finish(): void;
}

function createNamed({ kind, wildcardKind, relation }: Filter, accept: (subject: Subject) => boolean): Named {
  const judged = new Set<number>();
  const passedOver = new Set<number>();
  let everyone: "not met" | "allowed" | "refused" = "not met";
  const judge = (number: number): void => {
    if (judged.has(number)) return;
    judged.add(number);
    accept({ kind, number, wildcardKind, relation });
  };
  return {
    user: judge,
    everyone() {
      if (everyone !== "not met" || wildcardKind === undefined) return;
      const isAllowed = accept({ kind: wildcardKind, number: EVERYONE, wildcardKind: undefined, relation });
      everyone = isAllowed ? "allowed" : "refused";
    },
    passOver: (number) => void passedOver.add(number),
    finish() {
      // Where a circle refuses everyone together, naming a user in a subtraction can end the circle for that user,
      // who then has the relation as one of everyone and must not be missing from the list.
      if (everyone === "refused") for (const number of passedOver) judge(number);
    },
  };
}

/**
 * Walks from the object to users, breadth first. Below an odd number of subtractions users are passed over: naming
 * somebody there takes the relation away, and below an even number it gives it back.
 * @throws FgaError of a condition, or `authorization_model_resolution_too_complex` past the depth limit, for which
 *   computed relations count here, unlike in a check
 */
function walkFromObject(
  query: Query,
  target: RelationDef,
  object: number,
  filter: Filter,
  named: Named,
): void {
  const seen = { grants: createSeen(), subtracts: createSeen() };
  const mayLead = (relation: RelationDef): boolean =>
    relation === filter.relation ||
    relation.reach.has(filter.kind) ||
    (filter.wildcardKind !== undefined && relation.reach.has(filter.wildcardKind));
  type Node = [relation: RelationDef, object: number, grants: boolean];
  let level: Node[] = [];
  let next: Node[] = [[target, object, true]];

  const reach = (relation: RelationDef, at: number, grants: boolean): void => {
    if (mayLead(relation) && seen[grants ? "grants" : "subtracts"].add(relation, at))
      next.push([relation, at, grants]);
  };
  const direct = (relation: RelationDef, at: number, grants: boolean): void => {
    for (const restriction of relation.restrictions) {
      const { relation: userset, kind } = restriction;
      if (userset) eachUser(query, restriction, at, (user) => reach(userset, user, grants), raise);
      else if (kind === filter.kind)
        eachUser(query, restriction, at, grants ? named.user : named.passOver, raise);
      else if (grants && kind === filter.wildcardKind)
        eachUser(query, restriction, at, named.everyone, raise);
    }
  };
  const follow = (rule: Rewrite, relation: RelationDef, at: number, grants: boolean): void => {
    switch (rule.kind) {
      case "this":
        direct(relation, at, grants);
        break;
      case "computed":
        reach(rule.relation, at, grants);
        break;
      case "from":
        for (const parent of rule.parents) {
          if (!mayLead(parent.relation)) continue;
          eachUser(query, parent.restriction, at, (user) => reach(parent.relation, user, grants), raise);
        }
        break;
      case "difference":
        follow(rule.base, relation, at, grants);
        follow(rule.subtract, relation, at, !grants);
        break;
      default:
        for (const child of rule.children) follow(child, relation, at, grants);
    }
  };

  for (let depth = 0; next.length > 0; depth++) {
    [level, next] = [next, []];
    for (const [relation, at, grants] of level) {
      if (depth >= query.limits.maxDepth) throw tooComplex();
      query.step();
      if (grants && relation === filter.relation) named.user(at);
      follow(relation.rewrite, relation, at, grants);
    }
  }
}

function raise(error: FgaError): never {
  throw error;
}

function toUserRef(query: Query, subject: Subject, filter: Filter, object: ObjectRef): UserRef {
  const { type } = filter;
  if (subject.kind === filter.wildcardKind) return { type, id: WILDCARD, relation: undefined };
  const id = subject.number < 0 ? object.id : query.tuples.idOf(type, subject.number);
  return { type, id, relation: filter.relation?.name };
}

/** `user:anne`, `user:*` or `group:1#member` of each user. */
export function formatUsers(list: UserList): string[] {
  return list.users.map(formatUser);
}
