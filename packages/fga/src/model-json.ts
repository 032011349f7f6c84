import { FgaError } from "./errors.ts";
import { type MessageReader, readMessage } from "./json.ts";
import { isRelationName, isTypeName } from "./syntax.ts";

/**
 * The shapes of an authorization model on OpenFGA's wire, with every field that OpenFGA emits:
 * what {@link readModelJson} returns can be sent as it is.
 * @see openfga/api `authzmodel.proto`
 */
export interface AuthorizationModelJson {
  readonly schema_version: string;
  readonly type_definitions: readonly TypeDefinitionJson[];
  readonly conditions: Readonly<Record<string, ConditionJson>>;
}

export interface TypeDefinitionJson {
  readonly type: string;
  readonly relations: Readonly<Record<string, UsersetJson>>;
  readonly metadata: TypeMetadataJson | null;
}

export interface TypeMetadataJson {
  readonly relations: Readonly<Record<string, RelationMetadataJson>>;
  readonly module: string;
  readonly source_info: SourceInfoJson | null;
}

export interface RelationMetadataJson {
  readonly directly_related_user_types: readonly RelationReferenceJson[];
  readonly module: string;
  readonly source_info: SourceInfoJson | null;
}

export interface SourceInfoJson {
  readonly file: string;
}

export interface RelationReferenceJson {
  readonly type: string;
  readonly relation?: string;
  readonly wildcard?: Record<string, never>;
  readonly condition: string;
}

export interface ObjectRelationJson {
  readonly object: string;
  readonly relation: string;
}

/** Exactly one member is set, or none in a model that validation refuses. */
export interface UsersetJson {
  readonly this?: Record<string, never>;
  readonly computedUserset?: ObjectRelationJson;
  readonly tupleToUserset?: {
    readonly tupleset: ObjectRelationJson;
    readonly computedUserset: ObjectRelationJson;
  };
  readonly union?: { readonly child: readonly UsersetJson[] };
  readonly intersection?: { readonly child: readonly UsersetJson[] };
  readonly difference?: { readonly base: UsersetJson; readonly subtract: UsersetJson };
}

export interface ConditionJson {
  readonly name: string;
  readonly expression: string;
  readonly parameters: Readonly<Record<string, ConditionParameterJson>>;
  readonly metadata: { readonly module: string; readonly source_info: SourceInfoJson | null } | null;
}

export interface ConditionParameterJson {
  readonly type_name: ConditionTypeName;
  readonly generic_types: readonly ConditionParameterJson[];
}

/** Types of condition parameters by their number in the proto. */
export const CONDITION_TYPE_NAMES = [
  "TYPE_NAME_UNSPECIFIED",
  "TYPE_NAME_ANY",
  "TYPE_NAME_BOOL",
  "TYPE_NAME_STRING",
  "TYPE_NAME_INT",
  "TYPE_NAME_UINT",
  "TYPE_NAME_DOUBLE",
  "TYPE_NAME_DURATION",
  "TYPE_NAME_TIMESTAMP",
  "TYPE_NAME_MAP",
  "TYPE_NAME_LIST",
  "TYPE_NAME_IPADDRESS",
] as const;

export type ConditionTypeName = (typeof CONDITION_TYPE_NAMES)[number];

/** Rewrites nested deeper than this are refused, so that no model can exhaust the stack. Written ones stay below 10. */
const MAX_REWRITE_NESTING = 50;
/** `Condition.expression`, in bytes. */
const MAX_EXPRESSION_BYTES = 512;
/** `ConditionParamTypeRef.generic_types`. */
const MAX_GENERIC_TYPES = 5;
/** `Condition.parameters`. */
const MAX_PARAMETERS = 25;

/**
 * Reads a model as OpenFGA's gateway does, checking types of fields and patterns of names but no rule between them.
 * @throws FgaError `validation_error`, `type_invalid_pattern`, `relations_invalid_pattern`
 */
export function readModelJson(value: unknown): AuthorizationModelJson {
  const model = readMessage(value, "");
  return {
    // "1.1" stands in for requests from before the field existed, as in OpenFGA.
    schema_version: model.string("schema_version") || "1.1",
    type_definitions: model.messages("type_definitions").map(readTypeDefinition),
    conditions: mapOf(model, "conditions", readCondition),
  };
}

function readTypeDefinition(definition: MessageReader): TypeDefinitionJson {
  const type = definition.string("type");
  // The empty name is left to validation, whose message says more.
  if (type !== "" && !isTypeName(type)) {
    throw badPattern("type_invalid_pattern", `${definition.path}.type`, "^[^:#@\\s]{1,254}$");
  }
  for (const [name] of definition.entries("relations")) {
    if (name !== "" && !isRelationName(name)) {
      throw badPattern(
        "relations_invalid_pattern",
        `${definition.path}.relations[${name}]`,
        "^[^:#@\\s]{1,50}$",
      );
    }
  }
  const metadata = definition.message("metadata");
  return {
    type,
    relations: mapOf(definition, "relations", (userset) => readUserset(userset, 1)),
    metadata: metadata ? readTypeMetadata(metadata) : null,
  };
}

function readTypeMetadata(metadata: MessageReader): TypeMetadataJson {
  return {
    relations: mapOf(metadata, "relations", (relation) => ({
      directly_related_user_types: relation.messages("directly_related_user_types").map(readReference),
      ...readSource(relation),
    })),
    ...readSource(metadata),
  };
}

function readSource(message: MessageReader): { module: string; source_info: SourceInfoJson | null } {
  const source = message.message("source_info");
  return { module: message.string("module"), source_info: source ? { file: source.string("file") } : null };
}

function readReference(reference: MessageReader): RelationReferenceJson {
  const type = reference.string("type");
  if (!isTypeName(type)) throw badPattern("validation_error", `${reference.path}.type`, "^[^:#@\\s]{1,254}$");
  const relation = reference.string("relation");
  const wildcard = reference.message("wildcard");
  if (relation !== "" && wildcard) throw oneofSetTwice(reference.path);
  const condition = reference.string("condition");
  if (relation !== "") return { type, relation, condition };
  return wildcard ? { type, wildcard: {}, condition } : { type, condition };
}

function readUserset(userset: MessageReader, nesting: number): UsersetJson {
  if (nesting > MAX_REWRITE_NESTING) {
    throw new FgaError(
      "invalid_authorization_model",
      `${userset.path} nests more than ${MAX_REWRITE_NESTING} rewrites`,
    );
  }
  const child = (message: MessageReader): UsersetJson => readUserset(message, nesting + 1);
  const members: UsersetJson[] = [];
  const read = (name: string, then: (message: MessageReader) => UsersetJson): void => {
    const message = userset.message(name);
    if (message) members.push(then(message));
  };
  read("this", () => ({ this: {} }));
  read("computed_userset", (m) => ({ computedUserset: readObjectRelation(m) }));
  read("tuple_to_userset", (m) => ({
    tupleToUserset: {
      tupleset: readObjectRelation(required(m, "tupleset")),
      computedUserset: readObjectRelation(required(m, "computed_userset")),
    },
  }));
  read("union", (m) => ({ union: { child: m.messages("child").map(child) } }));
  read("intersection", (m) => ({ intersection: { child: m.messages("child").map(child) } }));
  read("difference", (m) => ({
    difference: { base: child(required(m, "base")), subtract: child(required(m, "subtract")) },
  }));
  if (members.length > 1) throw oneofSetTwice(userset.path);
  return members[0] ?? {};
}

function readObjectRelation(message: MessageReader): ObjectRelationJson {
  return { object: message.string("object"), relation: message.string("relation") };
}

function readCondition(condition: MessageReader): ConditionJson {
  const name = condition.string("name");
  if (!isRelationName(name))
    throw badPattern("validation_error", `${condition.path}.name`, "^[^:#@\\s]{1,50}$");
  const expression = condition.string("expression");
  if (new TextEncoder().encode(expression).length > MAX_EXPRESSION_BYTES) {
    throw tooMany(`${condition.path}.expression`, MAX_EXPRESSION_BYTES, "bytes");
  }
  const parameters = mapOf(condition, "parameters", (p) => readParameter(p, 1));
  if (Object.keys(parameters).length > MAX_PARAMETERS) {
    throw tooMany(`${condition.path}.parameters`, MAX_PARAMETERS, "pairs");
  }
  const metadata = condition.message("metadata");
  return { name, expression, parameters, metadata: metadata ? readSource(metadata) : null };
}

function readParameter(parameter: MessageReader, nesting: number): ConditionParameterJson {
  if (nesting > MAX_REWRITE_NESTING) throw tooMany(parameter.path, MAX_REWRITE_NESTING, "nested types");
  const generic = parameter.messages("generic_types").map((p) => readParameter(p, nesting + 1));
  if (generic.length > MAX_GENERIC_TYPES)
    throw tooMany(`${parameter.path}.generic_types`, MAX_GENERIC_TYPES, "items");
  return { type_name: readTypeName(parameter), generic_types: generic };
}

/** An enum goes by name or by number in protobuf JSON. */
function readTypeName(parameter: MessageReader): ConditionTypeName {
  const raw = parameter.raw("type_name") ?? 0;
  const name = CONDITION_TYPE_NAMES.find((candidate, index) => candidate === raw || index === raw);
  if (!name) throw new FgaError("validation_error", `invalid value for '${parameter.path}.type_name'`);
  return name;
}

function mapOf<T>(message: MessageReader, name: string, read: (item: MessageReader) => T): Record<string, T> {
  // fromEntries defines own properties even for a key such as `__proto__`.
  return Object.fromEntries(message.entries(name).map(([key, item]) => [key, read(item)]));
}

function required(message: MessageReader, name: string): MessageReader {
  const found = message.message(name);
  if (!found)
    throw new FgaError("validation_error", `invalid value for '${message.path}.${name}': value is required`);
  return found;
}

function oneofSetTwice(path: string): FgaError {
  return new FgaError(
    "validation_error",
    `invalid value for '${path}': more than one member of a oneof is set`,
  );
}

function badPattern(
  code: "validation_error" | "type_invalid_pattern" | "relations_invalid_pattern",
  path: string,
  pattern: string,
): FgaError {
  return new FgaError(code, `invalid ${path}: value does not match regex pattern "${pattern}"`);
}

function tooMany(path: string, limit: number, unit: string): FgaError {
  return new FgaError(
    "validation_error",
    `invalid ${path}: value must contain no more than ${limit} ${unit}`,
  );
}
