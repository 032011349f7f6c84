import { FgaError } from "./errors.ts";
import { type Evaluation, type Query, type QueryContext, startQuery } from "./evaluation.ts";
import type { RelationDef, Restriction, Rewrite } from "./model.ts";
import { formatUser, isRelationName, type ObjectRef, parseObject, WILDCARD } from "./syntax.ts";

/** Asks for the rewrite of a relation with the tuples of an object put in. */
export interface ExpandRequest extends Pick<QueryContext, "contextualTuples"> {
  readonly object: string;
  readonly relation: string;
}

/** One node of the answer as OpenFGA's wire has it. @see openfga/api `UsersetTree` */
export interface ExpandNode {
  readonly name: string;
  readonly leaf?: ExpandLeaf;
  readonly union?: { readonly nodes: readonly ExpandNode[] };
  readonly intersection?: { readonly nodes: readonly ExpandNode[] };
  readonly difference?: { readonly base: ExpandNode; readonly subtract: ExpandNode };
}

export interface ExpandLeaf {
  readonly users?: { readonly users: readonly string[] };
  readonly computed?: { readonly userset: string };
  readonly tupleToUserset?: {
    readonly tupleset: string;
    readonly computed: readonly { readonly userset: string }[];
  };
}

/**
 * One level of the relation: usersets are named, not followed; conditions are not decided; users are sorted.
 * @throws FgaError `invalid_expand_input` if object or relation is missing, `validation_error` for both,
 *   `invalid_tuple` or `validation_error` for contextual tuples
 */
export function expand(evaluation: Evaluation, request: ExpandRequest): ExpandNode {
  if (request.object === "" || request.relation === "") {
    throw new FgaError(
      "invalid_expand_input",
      "Invalid input. Make sure you provide an object and a relation",
    );
  }
  const query = startQuery(evaluation, request);
  const { object, relation } = resolve(evaluation, request);
  return expandRewrite(query, relation.rewrite, relation, object);
}

function resolve(
  { model }: Evaluation,
  request: ExpandRequest,
): { object: ObjectRef; relation: RelationDef } {
  const fail = (reason: string): FgaError => new FgaError("validation_error", reason);
  const object = parseObject(request.object);
  if (!object) throw fail("invalid 'object' field format");
  if (object.id === WILDCARD) throw fail("the 'object' field cannot reference a typed wildcard");
  const type = model.types.get(object.type);
  if (!type) throw fail(`type '${object.type}' not found`);
  if (!isRelationName(request.relation)) throw fail("the 'relation' field is malformed");
  const relation = type.relations.get(request.relation);
  if (!relation) throw fail(`relation '${object.type}#${request.relation}' not found`);
  return { object, relation };
}

function expandRewrite(query: Query, rule: Rewrite, relation: RelationDef, object: ObjectRef): ExpandNode {
  const at = (name: string): string => formatUser({ ...object, relation: name });
  const name = at(relation.name);
  const child = (operand: Rewrite): ExpandNode => expandRewrite(query, operand, relation, object);
  switch (rule.kind) {
    case "this":
      return { name, leaf: { users: { users: usersOf(query, relation, object).toSorted(byCodePoint) } } };
    case "computed":
      return { name, leaf: { computed: { userset: at(rule.relation.name) } } };
    case "from": {
      const computed = usersOf(query, rule.tupleset, object).map((user) => ({
        userset: `${user}#${rule.computed}`,
      }));
      return { name, leaf: { tupleToUserset: { tupleset: at(rule.tupleset.name), computed } } };
    }
    case "union":
      return { name, union: { nodes: rule.children.map(child) } };
    case "intersection":
      return { name, intersection: { nodes: rule.children.map(child) } };
    case "difference":
      return { name, difference: { base: child(rule.base), subtract: child(rule.subtract) } };
  }
}

/** Users of the tuples that are valid under the model, whatever their condition says. */
function usersOf(query: Query, relation: RelationDef, object: ObjectRef): string[] {
  const number = query.numberOf(object);
  const users = relation.restrictions.flatMap((restriction) =>
    numbersOf(query, relation, restriction, number).map((user) =>
      formatUser({
        type: restriction.type,
        id: restriction.isWildcard ? WILDCARD : query.tuples.idOf(restriction.type, user),
        relation: restriction.relation?.name,
      }),
    ),
  );
  return [...new Set(users)];
}

function numbersOf(
  { tuples }: Query,
  { key }: RelationDef,
  { kind, ...restriction }: Restriction,
  object: number,
): number[] {
  const plain = restriction.unconditioned ? [...(tuples.edges(key, kind)?.users(object) ?? [])] : [];
  const conditioned = restriction.conditions.flatMap((condition) => [
    ...(tuples.conditionedEdges(key, kind, condition.name)?.users(object) ?? []),
  ]);
  return [...plain, ...conditioned];
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
