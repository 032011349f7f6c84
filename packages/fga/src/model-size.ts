import type {
  AuthorizationModelJson,
  ConditionJson,
  ConditionParameterJson,
  ObjectRelationJson,
  RelationReferenceJson,
  TypeDefinitionJson,
  UsersetJson,
} from "./model-json.ts";
import { CONDITION_TYPE_NAMES } from "./model-json.ts";

/** A model is stored with its ULID, which counts. */
const ULID_CHARS = 26;

/**
 * Bytes of the model in protobuf's wire format, the measure of OpenFGA's model size limit.
 * Every field number in the proto is below 16, so that each tag is one byte.
 * @see openfga/api `authzmodel.proto`; https://protobuf.dev/programming-guides/encoding/
 */
export function modelSizeBytes(model: AuthorizationModelJson): number {
  return (
    delimited(ULID_CHARS) +
    text(model.schema_version) +
    sum(model.type_definitions, (definition) => delimited(typeDefinition(definition))) +
    map(model.conditions, condition)
  );
}

function typeDefinition({ type, relations, metadata }: TypeDefinitionJson): number {
  const body = text(type) + map(relations, userset);
  if (!metadata) return body;
  const inner =
    map(
      metadata.relations,
      (relation) =>
        sum(relation.directly_related_user_types, (r) => delimited(reference(r))) + source(relation),
    ) + source(metadata);
  return body + delimited(inner);
}

function reference({ type, relation, wildcard, condition }: RelationReferenceJson): number {
  return text(type) + text(relation ?? "") + (wildcard ? delimited(0) : 0) + text(condition);
}

function userset(rewrite: UsersetJson): number {
  const { computedUserset, tupleToUserset, union, intersection, difference } = rewrite;
  if (rewrite.this) return delimited(0);
  if (computedUserset) return delimited(objectRelation(computedUserset));
  if (tupleToUserset) {
    const { tupleset, computedUserset: computed } = tupleToUserset;
    return delimited(delimited(objectRelation(tupleset)) + delimited(objectRelation(computed)));
  }
  const children = union ?? intersection;
  if (children) return delimited(sum(children.child, (child) => delimited(userset(child))));
  if (difference)
    return delimited(delimited(userset(difference.base)) + delimited(userset(difference.subtract)));
  return 0;
}

function objectRelation({ object, relation }: ObjectRelationJson): number {
  return text(object) + text(relation);
}

function condition({ name, expression, parameters, metadata }: ConditionJson): number {
  const body = text(name) + text(expression) + map(parameters, parameter);
  return metadata ? body + delimited(source(metadata)) : body;
}

function parameter({ type_name, generic_types }: ConditionParameterJson): number {
  const number = CONDITION_TYPE_NAMES.indexOf(type_name);
  return (number === 0 ? 0 : 2) + sum(generic_types, (generic) => delimited(parameter(generic)));
}

function source({ module, source_info }: { module: string; source_info: { file: string } | null }): number {
  return text(module) + (source_info ? delimited(text(source_info.file)) : 0);
}

function map<T>(entries: Readonly<Record<string, T>>, size: (value: T) => number): number {
  return sum(Object.entries(entries), ([key, value]) => delimited(text(key) + delimited(size(value))));
}

function text(value: string): number {
  return value === "" ? 0 : delimited(new TextEncoder().encode(value).length);
}

function delimited(bytes: number): number {
  return 1 + varint(bytes) + bytes;
}

function varint(value: number): number {
  return value < 2 ** 7 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 21 ? 3 : 4;
}

function sum<T>(items: readonly T[], size: (item: T) => number): number {
  return items.reduce((total, item) => total + size(item), 0);
}
