import { relationNotFound, typeNotFound } from "./errors.ts";
import { analyseModel } from "./model-analysis.ts";
import type {
  AuthorizationModelJson,
  ConditionJson,
  RelationReferenceJson,
  UsersetJson,
} from "./model-json.ts";
import { readModelJson } from "./model-json.ts";
import { DEFAULT_MODEL_LIMITS, type ModelLimits, validateModel } from "./model-rules.ts";
import { createReachFactory, type Reach } from "./reach.ts";

/** A validated model, compiled for evaluation. Immutable; keep one per model id and share it. */
export interface Model {
  /** The model as OpenFGA's wire has it, every field present. */
  readonly json: AuthorizationModelJson;
  readonly types: ReadonlyMap<string, TypeDef>;
  readonly conditions: ReadonlyMap<string, ConditionJson>;
  /** Where users of a kind (`user`, `user:*`, `group#member`) may be assigned. */
  readonly assignable: ReadonlyMap<string, readonly Assignable[]>;
  /** Number of restrictions of all relations. */
  readonly restrictionCount: number;
}

/** A relation and its restriction for one kind of user. */
export interface Assignable {
  readonly relation: RelationDef;
  readonly restriction: Restriction;
}

/** One type of a {@link Model}. */
export interface TypeDef {
  readonly name: string;
  readonly relations: ReadonlyMap<string, RelationDef>;
}

/** One relation of a {@link TypeDef}. Compared by identity. */
export interface RelationDef {
  readonly type: string;
  readonly name: string;
  /** `document#viewer`; also the kind of a user that is this relation's userset. */
  readonly key: string;
  readonly rewrite: Rewrite;
  /** Who may be assigned directly, one entry a kind of user. */
  readonly restrictions: readonly Restriction[];
  /** True on the right of a `from`. */
  readonly isTupleset: boolean;
  /** Kinds of users from which the model has a path to this relation: `user`, `user:*`, `group#member`. */
  readonly reach: Reach;
  /** True if nothing that the relation leads to has an intersection or an exclusion. */
  readonly isUnion: boolean;
  /** True if the model lets the relation lead back to a relation that led to it. */
  readonly mayCycle: boolean;
  /** Relations whose rewrite or restrictions mention this one. */
  readonly dependents: readonly Dependent[];
}

/** How an object of a {@link RelationDef} passes its users on to another relation. */
export interface Dependent {
  readonly relation: RelationDef;
  /**
   * The tuples that lead from the other relation's object to this one's: assigned usersets, or the tupleset of a
   * `from`. Undefined where the other relation is computed on the same object.
   */
  readonly hop: Restriction | undefined;
  /**
   * False where the path alone gives nobody the other relation: below a subtracted rewrite, and in all but the
   * narrowest part of an intersection.
   */
  readonly grants: boolean;
}

/** Users of one kind that may be assigned to a relation. */
export interface Restriction {
  /** Key of the relation: `document#viewer`. */
  readonly key: string;
  /** Counts the restrictions of the model, from 0. */
  readonly index: number;
  /** `user`, `user:*` or `group#member`. */
  readonly kind: string;
  readonly type: string;
  readonly isWildcard: boolean;
  /** Set for a userset. */
  readonly relation: RelationDef | undefined;
  /** True if a tuple without condition is allowed. */
  readonly unconditioned: boolean;
  /** Conditions that a tuple may carry. */
  readonly conditions: readonly ConditionJson[];
}

/** A compiled rewrite tree. */
export type Rewrite =
  | { readonly kind: "this" }
  | { readonly kind: "computed"; readonly relation: RelationDef }
  | {
      readonly kind: "from";
      readonly tupleset: RelationDef;
      readonly computed: string;
      readonly parents: readonly Parent[];
    }
  | { readonly kind: "union"; readonly children: readonly Rewrite[] }
  | { readonly kind: "intersection"; readonly children: readonly Rewrite[] }
  | { readonly kind: "difference"; readonly base: Rewrite; readonly subtract: Rewrite };

/** One type that a tupleset may name, with its relation that a `from` goes on with. */
export interface Parent {
  readonly restriction: Restriction;
  readonly relation: RelationDef;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type ModelDraft = Mutable<Model>;
/** A relation while the model is being compiled. */
export type RelationDraft = Mutable<RelationDef>;

/**
 * Parses and validates an authorization model in OpenFGA's JSON (snake_case or lowerCamel) and compiles it.
 * Conditions are checked for shape only; their expressions belong to a {@link ConditionEvaluator}.
 * @throws FgaError `invalid_authorization_model` for a rule between parts, `exceeded_entity_limit` and
 *   `type_definitions_too_few_items` for size, `validation_error`, `type_invalid_pattern` and
 *   `relations_invalid_pattern` for shape
 */
export function parseModel(value: unknown, limits: Partial<ModelLimits> = {}): Model {
  const json = readModelJson(value);
  validateModel(json, { ...DEFAULT_MODEL_LIMITS, ...limits });
  return compileModel(json);
}

/** The relation, for a request that names it. @throws FgaError `type_not_found`, `relation_not_found` */
export function findRelation(model: Model, type: string, relation: string): RelationDef {
  const found = model.types.get(type);
  if (!found) throw typeNotFound(type);
  const definition = found.relations.get(relation);
  if (!definition) throw relationNotFound(type, relation);
  return definition;
}

/** The relation or undefined. */
export function relationOf(model: Model, type: string, relation: string): RelationDef | undefined {
  return model.types.get(type)?.relations.get(relation);
}

function compileModel(json: AuthorizationModelJson): Model {
  const conditions = new Map(Object.entries(json.conditions));
  const types = new Map<string, { name: string; relations: Map<string, RelationDraft> }>();
  for (const { type, relations } of json.type_definitions) {
    const drafts = Object.keys(relations).map((name): [string, RelationDraft] => [name, draftOf(type, name)]);
    types.set(type, { name: type, relations: new Map(drafts) });
  }
  const assignable = new Map<string, Assignable[]>();
  const model: ModelDraft = { json, types, conditions, assignable, restrictionCount: 0 };
  for (const { type, metadata } of json.type_definitions) {
    const information = new Map(Object.entries(metadata?.relations ?? {}));
    for (const [name, draft] of types.get(type)?.relations ?? []) {
      draft.restrictions = compileRestrictions(
        model,
        draft.key,
        information.get(name)?.directly_related_user_types ?? [],
      );
    }
  }
  for (const { type, relations } of json.type_definitions) {
    for (const [name, draft] of types.get(type)?.relations ?? []) {
      draft.rewrite = compileRewrite(model, type, relations[name] ?? {});
    }
  }
  const drafts = [...types.values()].flatMap((type) => [...type.relations.values()]);
  analyseModel(drafts, createReachFactory(kindsOf(drafts)));
  for (const relation of drafts) {
    for (const restriction of relation.restrictions) {
      const known = assignable.get(restriction.kind);
      if (known) known.push({ relation, restriction });
      else assignable.set(restriction.kind, [{ relation, restriction }]);
    }
  }
  return model;
}

/** Stands in until the analysis. */
const NOTHING: Reach = { size: 0, has: () => false };

function draftOf(type: string, name: string): RelationDraft {
  return {
    type,
    name,
    key: `${type}#${name}`,
    rewrite: { kind: "this" },
    restrictions: [],
    isTupleset: false,
    reach: NOTHING,
    isUnion: true,
    mayCycle: false,
    dependents: [],
  };
}

/** Numbers for everything that {@link RelationDef.reach} may hold. */
function kindsOf(relations: readonly RelationDef[]): Map<string, number> {
  const kinds = new Map<string, number>();
  for (const { key, restrictions } of relations) {
    for (const kind of [key, ...restrictions.map((restriction) => restriction.kind)]) {
      if (!kinds.has(kind)) kinds.set(kind, kinds.size);
    }
  }
  return kinds;
}

/** Several restrictions of one kind differ in their condition only and become one entry. */
function compileRestrictions(
  model: ModelDraft,
  key: string,
  references: readonly RelationReferenceJson[],
): Restriction[] {
  const byKind = new Map<string, Mutable<Restriction> & { conditions: ConditionJson[] }>();
  for (const { type, relation: of, wildcard, condition } of references) {
    const kind = of === undefined ? (wildcard ? `${type}:*` : type) : `${type}#${of}`;
    const target = of === undefined ? undefined : relationOf(model, type, of);
    const entry = byKind.get(kind) ?? {
      key,
      index: model.restrictionCount++,
      kind,
      type,
      isWildcard: wildcard !== undefined,
      relation: target,
      unconditioned: false,
      conditions: [],
    };
    byKind.set(kind, entry);
    const found = model.conditions.get(condition);
    if (found) entry.conditions.push(found);
    else entry.unconditioned = true;
  }
  return [...byKind.values()];
}

function compileRewrite(model: Model, type: string, json: UsersetJson): Rewrite {
  const { computedUserset, tupleToUserset, union, intersection, difference } = json;
  const child = (operand: UsersetJson): Rewrite => compileRewrite(model, type, operand);
  if (computedUserset)
    return { kind: "computed", relation: findRelation(model, type, computedUserset.relation) };
  if (tupleToUserset) {
    const tupleset = findRelation(model, type, tupleToUserset.tupleset.relation);
    const computed = tupleToUserset.computedUserset.relation;
    return { kind: "from", tupleset, computed, parents: parentsOf(model, tupleset, computed) };
  }
  if (union) return { kind: "union", children: union.child.map(child) };
  if (intersection) return { kind: "intersection", children: intersection.child.map(child) };
  if (difference)
    return { kind: "difference", base: child(difference.base), subtract: child(difference.subtract) };
  return { kind: "this" };
}

/** Parents whose type lacks the computed relation are skipped, as in OpenFGA. */
function parentsOf(model: Model, tupleset: RelationDef, computed: string): Parent[] {
  return tupleset.restrictions.flatMap((restriction) => {
    const relation = relationOf(model, restriction.type, computed);
    return relation ? [{ restriction, relation }] : [];
  });
}
