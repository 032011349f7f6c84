import { FgaError } from "./errors.ts";
import type { AuthorizationModelJson, ConditionJson, UsersetJson } from "./model-json.ts";
import { modelSizeBytes } from "./model-size.ts";
import {
  childrenOf,
  cycleFreeRelations,
  keyOf,
  lookUp,
  reachableRelations,
  type WrittenRelation,
  type WrittenTypes,
} from "./model-written.ts";

/** Limits on one model. @see openfga server defaults */
export interface ModelLimits {
  /** Types in a model. Default 100. */
  readonly maxTypes: number;
  /** Size in bytes of protobuf's wire format. Default 262,144. */
  readonly maxSizeBytes: number;
  /** Conditions in a model. Default 25. */
  readonly maxConditions: number;
}

export const DEFAULT_MODEL_LIMITS: ModelLimits = { maxTypes: 100, maxSizeBytes: 262_144, maxConditions: 25 };

const SCHEMA_VERSIONS = ["1.1", "1.2"];
const RESERVED = ["self", "this"];

interface Subject {
  readonly types: WrittenTypes;
  readonly conditions: Readonly<Record<string, ConditionJson>>;
  readonly type: string;
  readonly relation: string;
  /** Keys `type#relation` of relations that at least one user can have. */
  readonly reachable: ReadonlySet<string>;
  /** Keys `type#relation` of relations from which following computed relations always ends. */
  readonly cycleFree: ReadonlySet<string>;
  /** Keys `type#relation` of relations on the right of a `from`. */
  readonly tuplesets: ReadonlySet<string>;
}

/**
 * Refuses a model that OpenFGA refuses, with its code and message; the first problem in the order of names wins.
 * @throws FgaError `type_definitions_too_few_items`, `exceeded_entity_limit`, `validation_error`,
 *   `invalid_authorization_model`
 */
export function validateModel(model: AuthorizationModelJson, limits: ModelLimits): void {
  checkLimits(model, limits);
  if (!SCHEMA_VERSIONS.includes(model.schema_version)) throw invalid("invalid schema version");
  const names = model.type_definitions.map((definition) => definition.type);
  if (new Set(names).size < names.length)
    throw invalid("an authorization model cannot contain duplicate types");
  const types = writtenTypes(model);
  for (const [type, relations] of types) checkNames(type, relations.keys());
  const reachable = reachableRelations(types);
  const cycleFree = cycleFreeRelations(types);
  const tuplesets = tuplesetRelations(types);
  for (const type of [...types.keys()].sort()) {
    for (const relation of [...(types.get(type)?.keys() ?? [])].sort()) {
      checkRelation({ types, conditions: model.conditions, type, relation, reachable, cycleFree, tuplesets });
    }
  }
  checkConditions(model.conditions);
}

function checkLimits(model: AuthorizationModelJson, limits: ModelLimits): void {
  if (model.type_definitions.length === 0) {
    throw new FgaError(
      "type_definitions_too_few_items",
      "invalid TypeDefinitions: value must contain at least 1 item(s)",
    );
  }
  if (model.type_definitions.length > limits.maxTypes) {
    throw new FgaError(
      "exceeded_entity_limit",
      `The number of type definitions in an authorization model exceeds the allowed limit of ${limits.maxTypes}`,
    );
  }
  if (Object.keys(model.conditions).length > limits.maxConditions) {
    throw new FgaError(
      "validation_error",
      `invalid Conditions: value must contain no more than ${limits.maxConditions} pair(s)`,
    );
  }
  const size = modelSizeBytes(model);
  if (size > limits.maxSizeBytes) {
    throw new FgaError(
      "exceeded_entity_limit",
      `model exceeds size limit: ${size} bytes vs ${limits.maxSizeBytes} bytes`,
    );
  }
}

function writtenTypes(model: AuthorizationModelJson): WrittenTypes {
  return new Map(
    model.type_definitions.map(({ type, relations, metadata }) => {
      const information = new Map(Object.entries(metadata?.relations ?? {}));
      const written = Object.entries(relations).map(([name, rewrite]): [string, WrittenRelation] => [
        name,
        { rewrite, restrictions: information.get(name)?.directly_related_user_types ?? [] },
      ]);
      return [type, new Map(written)];
    }),
  );
}

function checkNames(type: string, relations: Iterable<string>): void {
  if (type === "") throw invalid("the type name of a type definition cannot be an empty string");
  if (RESERVED.includes(type)) throw invalid(`the definition of type '${type}' is invalid`);
  for (const relation of relations) {
    if (relation === "") throw invalid(`type '${type}' defines a relation with an empty string for a name`);
    if (RESERVED.includes(relation))
      throw invalidRelation(type, relation, "self and this are reserved keywords");
  }
}

function checkRelation(subject: Subject): void {
  const { types, type, relation, reachable, cycleFree } = subject;
  const written = lookUp(types, type, relation);
  if (!written) return;
  checkRewrite(subject, written.rewrite);
  checkRestrictions(subject, written);
  const key = keyOf(type, relation);
  if (!reachable.has(key)) {
    throw invalidRelation(type, relation, cycleFree.has(key) ? "no entrypoints defined" : "potential loop");
  }
  if (!cycleFree.has(key))
    throw invalidRelation(type, relation, "an authorization model cannot contain a cycle");
}

function checkRewrite(subject: Subject, rewrite: UsersetJson): void {
  const { types, type, relation } = subject;
  const { computedUserset, tupleToUserset } = rewrite;
  if (computedUserset) {
    const target = computedUserset.relation;
    if (target === relation) throw invalidRelation(type, relation, "invalid userset rewrite definition");
    if (!lookUp(types, type, target)) throw invalid(`'${type}#${target}' relation is undefined`);
  } else if (tupleToUserset) {
    checkTupleToUserset(subject, tupleToUserset.tupleset.relation, tupleToUserset.computedUserset.relation);
  } else if (!rewrite.this) {
    const children = childrenOf(rewrite);
    if (!children) throw invalidRelation(type, relation, "invalid userset rewrite definition");
    if (children.length < 2) {
      const kind = rewrite.union ? "union" : "intersection";
      throw invalid(`invalid relation: '${type}#${relation}' as ${kind} has less than 2 children`);
    }
    for (const child of children) checkRewrite(subject, child);
  }
}

/** A tupleset is purely direct (CVE-2022-39342) and leads to at least one type that has the computed relation. */
function checkTupleToUserset({ types, type }: Subject, tupleset: string, computed: string): void {
  const written = lookUp(types, type, tupleset);
  if (!written) throw invalid(`'${type}#${tupleset}' relation is undefined`);
  if (!written.rewrite.this) {
    throw invalid(
      `the '${type}#${tupleset}' relation is referenced in at least one tupleset and thus must be a direct relation`,
    );
  }
  if (!written.restrictions.some((restriction) => lookUp(types, restriction.type, computed))) {
    const related = written.restrictions.map((restriction) => restriction.type).join(", ");
    throw invalid(
      `undefined relation: ${computed} does not appear as a relation in any of the directly related user types [${related}]`,
    );
  }
}

function checkRestrictions(
  { types, conditions, type, relation, tuplesets }: Subject,
  written: WrittenRelation,
): void {
  const { restrictions } = written;
  const assignable = containsThis(written.rewrite);
  if (assignable && restrictions.length === 0) {
    throw invalid(
      `the assignable relation '${relation}' in object type '${type}' must contain at least one relation type`,
    );
  }
  if (!assignable && restrictions.length > 0) {
    throw invalid(
      `the non-assignable relation '${relation}' in object type '${type}' should not contain a relation type`,
    );
  }
  for (const restriction of restrictions) {
    const isPlain = restriction.relation === undefined && !restriction.wildcard;
    const exists =
      types.has(restriction.type) &&
      (restriction.relation === undefined ||
        lookUp(types, restriction.type, restriction.relation) !== undefined);
    if (!exists || (!isPlain && tuplesets.has(keyOf(type, relation)))) {
      const name =
        restriction.relation === undefined ? restriction.type : keyOf(restriction.type, restriction.relation);
      throw invalid(`the relation type '${name}' on '${relation}' in object type '${type}' is not valid`);
    }
    if (restriction.condition !== "" && !Object.hasOwn(conditions, restriction.condition)) {
      throw invalid(`condition ${restriction.condition} is undefined for relation ${relation}`);
    }
  }
}

function checkConditions(conditions: Readonly<Record<string, ConditionJson>>): void {
  for (const [key, condition] of Object.entries(conditions)) {
    if (key !== condition.name)
      throw invalid(`condition key '${key}' does not match condition name '${condition.name}'`);
    for (const [name, { type_name, generic_types }] of Object.entries(condition.parameters)) {
      const generics = type_name === "TYPE_NAME_MAP" || type_name === "TYPE_NAME_LIST" ? 1 : 0;
      if (type_name === "TYPE_NAME_UNSPECIFIED" || generic_types.length !== generics) {
        throw invalid(
          `failed to compile expression on condition '${key}' - failed to decode parameter type for parameter '${name}'`,
        );
      }
    }
  }
}

function tuplesetRelations(types: WrittenTypes): Set<string> {
  const found = new Set<string>();
  const visit = (type: string, rewrite: UsersetJson): void => {
    if (rewrite.tupleToUserset) found.add(keyOf(type, rewrite.tupleToUserset.tupleset.relation));
    for (const child of childrenOf(rewrite) ?? []) visit(type, child);
  };
  for (const [type, relations] of types) for (const { rewrite } of relations.values()) visit(type, rewrite);
  return found;
}

function containsThis(rewrite: UsersetJson): boolean {
  return rewrite.this !== undefined || (childrenOf(rewrite) ?? []).some(containsThis);
}

function invalid(message: string): FgaError {
  return new FgaError("invalid_authorization_model", message);
}

function invalidRelation(type: string, relation: string, cause: string): FgaError {
  return invalid(`the definition of relation '${relation}' in object type '${type}' is invalid: ${cause}`);
}
