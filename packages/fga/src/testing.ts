// Helpers of this package's tests: models from the modelling language, and random models, tuples and queries.
import assert from "node:assert/strict";
import transformer from "@openfga/syntax-transformer";
import fc from "fast-check";
import type { ConditionEvaluator } from "./condition.ts";
import { FgaError, type FgaErrorCode } from "./errors.ts";
import { createMemoryTuples, type MemoryTuples } from "./memory.ts";
import { type Model, parseModel } from "./model.ts";
import type { AuthorizationModelJson, RelationReferenceJson, UsersetJson } from "./model-json.ts";
import { type Tuple, validateTuple } from "./tuple.ts";

/** A model from the lines after `schema 1.1`. */
export function modelOf(dsl: string): Model {
  const json: unknown = transformer.transformer.transformDSLToJSONObject(`model\n  schema 1.1\n${dsl}`);
  return parseModel(json);
}

/** `document:1#viewer@user:anne`, with ` with condition` behind it for a conditioned tuple. */
export function tupleOf(text: string, context?: Record<string, unknown>): Tuple {
  const [key = "", condition] = text.split(" with ");
  const [, object = "", relation = "", user = ""] = /^([^#]+)#([^@]+)@(.+)$/.exec(key) ?? [];
  return condition
    ? { object, relation, user, condition: { name: condition, context: context ?? {} } }
    : { object, relation, user };
}

/** Tuples in memory, in the text form of {@link tupleOf}. */
export function storeOf(...tuples: readonly string[]): MemoryTuples {
  const store = createMemoryTuples();
  for (const tuple of tuples) store.add(tupleOf(tuple));
  return store;
}

/** Processor time of this process in milliseconds: unlike the clock it does not run while others use the machine. */
export function cpuMs(): number {
  const { user: inCode, system } = process.cpuUsage();
  return (inCode + system) / 1_000;
}

/** Matches an `FgaError` for `assert.throws`. */
export function fgaError(code: FgaErrorCode, message?: string | RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(FgaError.is(error), `expected an FgaError, got ${error}`);
    assert.equal(error.code, code, error.message);
    if (typeof message === "string") assert.equal(error.message, message);
    else if (message) assert.match(error.message, message);
    return true;
  };
}

/** Decides the condition of {@link worlds} by its parameter `x`; without one it cannot. */
export const byParameter: ConditionEvaluator = {
  evaluate(_condition, tupleContext, requestContext) {
    const x = tupleContext["x"] ?? requestContext["x"];
    if (typeof x !== "boolean") throw new FgaError("validation_error", "missing context parameter x");
    return x;
  },
};

/** A random model with tuples that suit it, more or less, and users to ask about. */
export interface World {
  readonly model: Model;
  readonly tuples: readonly Tuple[];
  readonly contextualTuples: readonly Tuple[];
  readonly context: { readonly x?: boolean };
  readonly users: readonly string[];
}

/** Every relation of every object of a {@link World}. */
export const QUESTIONS: readonly { readonly object: string; readonly relation: string }[] = [
  "group",
  "doc",
].flatMap((type) =>
  ["1", "2", "3"].flatMap((id) =>
    ["a", "b", "c", "d"].map((relation) => ({ object: `${type}:${id}`, relation })),
  ),
);

const TYPES = ["user", "group", "doc"] as const;
/** Relations of both types of a {@link World}. */
export const RELATIONS = ["a", "b", "c", "d"] as const;
const IDS = ["1", "2", "3"] as const;
const MAX_TUPLES = 20;
const USERS = 4;

/** Worlds small enough for the reference, in which every kind of rewrite meets every other. */
export const worlds: fc.Arbitrary<World> = modelJson()
  .map(parseOrUndefined)
  .filter((model) => model !== undefined)
  .chain((model) => {
    const tuple = fc.oneof(
      { arbitrary: suitedTuple(model), weight: 9 },
      { arbitrary: anyTuple(), weight: 1 },
    );
    const suited = (candidate: Tuple): boolean => isValid(model, candidate);
    return fc.record({
      model: fc.constant(model),
      tuples: fc.array(tuple, { minLength: 6, maxLength: MAX_TUPLES }),
      contextualTuples: fc.oneof(fc.constant([]), fc.array(tuple.filter(suited), { maxLength: 4 })),
      context: fc.constantFrom({ x: true }, { x: false }, {}),
      users: fc.array(user(), { minLength: USERS, maxLength: USERS }),
    });
  });

function modelJson(): fc.Arbitrary<AuthorizationModelJson> {
  const types = fc.tuple(typeDefinition("group"), typeDefinition("doc"));
  return types.map(([group, doc]) => ({
    schema_version: "1.1",
    type_definitions: [{ type: "user", relations: {}, metadata: null }, group, doc],
    conditions: {
      c: {
        name: "c",
        expression: "x",
        parameters: { x: { type_name: "TYPE_NAME_BOOL", generic_types: [] } },
        metadata: null,
      },
    },
  }));
}

/** Relations a to d, the first of them direct, and `parent`, a tupleset. */
function typeDefinition(type: string): fc.Arbitrary<AuthorizationModelJson["type_definitions"][number]> {
  const [first, ...others] = RELATIONS;
  const rewrites = fc.tuple(...others.map((_, index) => rewrite(RELATIONS.slice(0, index + 1), 2)));
  const references = fc.array(fc.array(reference(), { minLength: 1, maxLength: 4 }), {
    minLength: 4,
    maxLength: 4,
  });
  const parents = fc.subarray(["group", "doc"], { minLength: 1 });
  return fc.tuple(rewrites, references, parents).map(([rest, restrictions, parentTypes]) => {
    const relations: [string, UsersetJson, readonly RelationReferenceJson[]][] = [
      ["parent", { this: {} }, parentTypes.map((parent) => ({ type: parent, condition: "" }))],
      [first, { this: {} }, [{ type: "user", condition: "" }, ...(restrictions[0] ?? [])]],
    ];
    others.forEach((name, index) => {
      const rule = rest[index] ?? {};
      relations.push([name, rule, containsThis(rule) ? (restrictions[index + 1] ?? []) : []]);
    });
    return {
      type,
      relations: Object.fromEntries(relations.map(([name, rule]) => [name, rule])),
      metadata: {
        relations: Object.fromEntries(
          relations.map(([name, , types]) => [
            name,
            { directly_related_user_types: types, module: "", source_info: null },
          ]),
        ),
        module: "",
        source_info: null,
      },
    };
  });
}

function reference(): fc.Arbitrary<RelationReferenceJson> {
  const condition = fc.constantFrom("", "", "", "", "", "", "c");
  return fc.oneof(
    fc.record({ type: fc.constantFrom(...TYPES), condition }),
    fc.record({ type: fc.constantFrom("user", "user", ...TYPES), wildcard: fc.constant({}), condition }),
    fc.record({ type: fc.constantFrom("group", "doc"), relation: fc.constantFrom(...RELATIONS), condition }),
  );
}

/** Computed relations only lead to earlier ones, because models with a cycle of them are refused. */
function rewrite(earlier: readonly string[], nesting: number): fc.Arbitrary<UsersetJson> {
  const relation = fc.constantFrom(...RELATIONS);
  const leaf = fc.oneof(
    fc.constant<UsersetJson>({ this: {} }),
    fc.constantFrom(...earlier).map((name) => ({ computedUserset: { object: "", relation: name } })),
    relation.map((name) => ({
      tupleToUserset: {
        tupleset: { object: "", relation: "parent" },
        computedUserset: { object: "", relation: name },
      },
    })),
  );
  if (nesting === 0) return leaf;
  const operand = rewrite(earlier, nesting - 1);
  const child = fc.array(operand, { minLength: 2, maxLength: 3 });
  return fc.oneof(
    leaf,
    child.map((operands) => ({ union: { child: operands } })),
    child.map((operands) => ({ intersection: { child: operands } })),
    fc.record({ base: operand, subtract: operand }).map((difference) => ({ difference })),
  );
}

/** A tuple that some restriction of the model allows. */
function suitedTuple(model: Model): fc.Arbitrary<Tuple> {
  const slots = [...model.types.values()].flatMap(({ relations }) =>
    [...relations.values()].flatMap((relation) =>
      relation.restrictions.map((restriction) => ({ relation, restriction })),
    ),
  );
  return fc.constantFrom(...slots).chain(({ relation, restriction }) => {
    const { type, isWildcard, unconditioned } = restriction;
    const suffix = restriction.relation ? `#${restriction.relation.name}` : "";
    const conditioned =
      restriction.conditions.length > 0 && (unconditioned ? fc.boolean() : fc.constant(true));
    return fc
      .record({
        object: fc.constantFrom(...IDS).map((id) => `${relation.type}:${id}`),
        relation: fc.constant(relation.name),
        user: isWildcard
          ? fc.constant(`${type}:*`)
          : fc.constantFrom(...IDS).map((id) => `${type}:${id}${suffix}`),
        hasCondition: conditioned || fc.constant(false),
        context: fc.constantFrom({}, {}, { x: true }, { x: false }),
      })
      .map(({ hasCondition, context, ...key }) =>
        hasCondition ? { ...key, condition: { name: "c", context } } : key,
      );
  });
}

/** A tuple that an earlier model may have allowed. */
function anyTuple(): fc.Arbitrary<Tuple> {
  return fc.record({
    object: object(fc.constantFrom("group", "doc")),
    relation: fc.constantFrom(...RELATIONS, "parent"),
    user: user(),
  });
}

function object(type: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(type, fc.constantFrom(...IDS)).map(([name, id]) => `${name}:${id}`);
}

function user(): fc.Arbitrary<string> {
  return fc.oneof(
    { arbitrary: object(fc.constant("user")), weight: 6 },
    { arbitrary: fc.constant("user:*"), weight: 1 },
    { arbitrary: object(fc.constantFrom("group", "doc")), weight: 2 },
    {
      arbitrary: fc
        .tuple(object(fc.constantFrom("group", "doc")), fc.constantFrom(...RELATIONS))
        .map(([at, relation]) => `${at}#${relation}`),
      weight: 3,
    },
  );
}

function containsThis(rule: UsersetJson): boolean {
  const { union, intersection, difference } = rule;
  const operands = difference
    ? [difference.base, difference.subtract]
    : ((union ?? intersection)?.child ?? []);
  return rule.this !== undefined || operands.some(containsThis);
}

function parseOrUndefined(json: AuthorizationModelJson): Model | undefined {
  try {
    return parseModel(json);
  } catch (error) {
    if (FgaError.is(error)) return undefined;
    throw error;
  }
}

function isValid(model: Model, tuple: Tuple): boolean {
  try {
    validateTuple(model, tuple);
    return true;
  } catch (error) {
    if (FgaError.is(error)) return false;
    throw error;
  }
}
