import assert from "node:assert/strict";
import { test } from "node:test";
import { findRelation, parseModel } from "./model.ts";
import type { RelationReferenceJson, UsersetJson } from "./model-json.ts";
import { modelSizeBytes } from "./model-size.ts";
import { cpuMs, fgaError, modelOf } from "./testing.ts";

type References = readonly Omit<RelationReferenceJson, "condition">[];

/** A model of `user` and types given as relation → rewrite and restrictions. */
function model(types: Record<string, Record<string, [UsersetJson, References]>>): unknown {
  const definitions = Object.entries(types).map(([type, relations]) => ({
    type,
    relations: Object.fromEntries(Object.entries(relations).map(([name, [rewrite]]) => [name, rewrite])),
    metadata: {
      relations: Object.fromEntries(
        Object.entries(relations).map(([name, [, references]]) => [
          name,
          { directly_related_user_types: references },
        ]),
      ),
    },
  }));
  return { schema_version: "1.1", type_definitions: [{ type: "user" }, ...definitions] };
}

const self: UsersetJson = { this: {} };
const users: References = [{ type: "user" }];
const computed = (relation: string): UsersetJson => ({ computedUserset: { object: "", relation } });
const from = (relation: string, tupleset: string): UsersetJson => ({
  tupleToUserset: { tupleset: { object: "", relation: tupleset }, computedUserset: { object: "", relation } },
});

test("names may be written in snake_case or lowerCamel", () => {
  const { types } = parseModel({
    schemaVersion: "1.1",
    typeDefinitions: [
      { type: "user" },
      {
        type: "doc",
        relations: {
          viewer: { union: { child: [{ this: {} }, { computed_userset: { relation: "owner" } }] } },
          owner: { this: {} },
        },
        metadata: {
          relations: {
            viewer: { directlyRelatedUserTypes: [{ type: "user" }] },
            owner: { directly_related_user_types: [{ type: "user" }] },
          },
        },
      },
    ],
  });
  assert.deepEqual([...(types.get("doc")?.relations.keys() ?? [])], ["viewer", "owner"]);
});

test("the model comes back with every field that OpenFGA emits, unknown ones left out", () => {
  const { json } = parseModel({
    type_definitions: [{ type: "user", colour: "red", metadata: null }],
    conditions: null,
  });
  assert.deepEqual(json, {
    schema_version: "1.1",
    type_definitions: [{ type: "user", relations: {}, metadata: null }],
    conditions: {},
  });
});

test("a relation may have the name of a property of every object", () => {
  const relations: [string, [UsersetJson, References]][] = [
    ["constructor", [self, users]],
    ["__proto__", [computed("constructor"), []]],
  ];
  const parsed = parseModel(model({ doc: Object.fromEntries(relations) }));
  assert.equal(findRelation(parsed, "doc", "__proto__").rewrite.kind, "computed");
  assert.throws(() => findRelation(parsed, "doc", "hasOwnProperty"), fgaError("relation_not_found"));
});

test("conditions are kept for the evaluator and checked for shape", () => {
  const { conditions, types } = modelOf(
    "type user\ntype doc\n  relations\n    define viewer: [user with recent, user:*]\ncondition recent(now: timestamp, ips: list<ipaddress>) {\n  now > timestamp('2026-01-01T00:00:00Z')\n}",
  );
  assert.equal(conditions.get("recent")?.parameters["now"]?.type_name, "TYPE_NAME_TIMESTAMP");
  const viewer = types.get("doc")?.relations.get("viewer");
  assert.deepEqual(
    viewer?.restrictions.map((r) => [r.kind, r.unconditioned, r.conditions.length]),
    [
      ["user", false, 1],
      ["user:*", true, 0],
    ],
  );
});

test("what a relation leads to is known: reach, unions and cycles", () => {
  const { types } = modelOf(
    "type user\ntype group\n  relations\n    define member: [user, group#member]\ntype doc\n  relations\n    define blocked: [user]\n    define viewer: [group#member, user:*]\n    define reader: viewer but not blocked",
  );
  const doc = types.get("doc")?.relations;
  const { reach } = doc?.get("viewer") ?? {};
  assert.deepEqual(
    ["group#member", "user", "user:*", "group", "doc#blocked"].map((kind) => reach?.has(kind)),
    [true, true, true, false, false],
  );
  assert.deepEqual([doc?.get("viewer")?.isUnion, doc?.get("viewer")?.mayCycle], [true, true]);
  assert.deepEqual([doc?.get("reader")?.isUnion, doc?.get("blocked")?.mayCycle], [false, false]);
});

test("a relation that its parents lack in part is accepted", () => {
  const parsed = modelOf(
    "type user\ntype a\n  relations\n    define viewer: [user]\ntype b\ntype doc\n  relations\n    define parent: [a, b]\n    define viewer: viewer from parent",
  );
  const { rewrite } = findRelation(parsed, "doc", "viewer");
  assert.deepEqual(rewrite.kind === "from" && rewrite.parents.map((parent) => parent.relation.key), [
    "a#viewer",
  ]);
});

const refused: Record<string, [message: string, value: unknown]> = {
  "schema 1.0": ["invalid schema version", { schema_version: "1.0", type_definitions: [{ type: "user" }] }],
  "two types of one name": [
    "an authorization model cannot contain duplicate types",
    { type_definitions: [{ type: "user" }, { type: "user" }] },
  ],
  "a type without a name": [
    "the type name of a type definition cannot be an empty string",
    { type_definitions: [{}] },
  ],
  "a type called self": [
    "the definition of type 'self' is invalid",
    { type_definitions: [{ type: "self" }] },
  ],
  "a relation without a name": [
    "type 'doc' defines a relation with an empty string for a name",
    model({ doc: { "": [self, users] } }),
  ],
  "a relation called this": [
    "the definition of relation 'this' in object type 'doc' is invalid: self and this are reserved keywords",
    model({ doc: { this: [self, users] } }),
  ],
  "a relation without a rewrite": [
    "the definition of relation 'viewer' in object type 'doc' is invalid: invalid userset rewrite definition",
    model({ doc: { viewer: [{}, []] } }),
  ],
  "a relation computed from itself": [
    "the definition of relation 'viewer' in object type 'doc' is invalid: invalid userset rewrite definition",
    model({ doc: { viewer: [computed("viewer"), []] } }),
  ],
  "an unknown computed relation": [
    "'doc#owner' relation is undefined",
    model({ doc: { viewer: [computed("owner"), []] } }),
  ],
  "an unknown tupleset": [
    "'doc#parent' relation is undefined",
    model({ doc: { viewer: [from("viewer", "parent"), []] } }),
  ],
  "a tupleset that is itself rewritten": [
    "the 'doc#parent' relation is referenced in at least one tupleset and thus must be a direct relation",
    model({
      doc: {
        owner: [self, [{ type: "doc" }]],
        parent: [computed("owner"), []],
        viewer: [from("owner", "parent"), []],
      },
    }),
  ],
  "a tupleset of usersets": [
    "the relation type 'doc#viewer' on 'parent' in object type 'doc' is not valid",
    model({
      doc: { parent: [self, [{ type: "doc", relation: "viewer" }]], viewer: [from("viewer", "parent"), []] },
    }),
  ],
  "a tupleset of a wildcard": [
    "the relation type 'doc' on 'parent' in object type 'doc' is not valid",
    model({
      doc: { parent: [self, [{ type: "doc", wildcard: {} }]], viewer: [from("viewer", "parent"), []] },
    }),
  ],
  "a from that no parent has": [
    "undefined relation: owner does not appear as a relation in any of the directly related user types [user]",
    model({ doc: { parent: [self, users], viewer: [from("owner", "parent"), []] } }),
  ],
  "an assignable relation without restrictions": [
    "the assignable relation 'viewer' in object type 'doc' must contain at least one relation type",
    model({ doc: { viewer: [self, []] } }),
  ],
  "restrictions on what nobody can be assigned to": [
    "the non-assignable relation 'viewer' in object type 'doc' should not contain a relation type",
    model({ doc: { owner: [self, users], viewer: [computed("owner"), users] } }),
  ],
  "a restriction to an unknown type": [
    "the relation type 'group' on 'viewer' in object type 'doc' is not valid",
    model({ doc: { viewer: [self, [{ type: "group" }]] } }),
  ],
  "a restriction to an unknown relation": [
    "the relation type 'doc#editor' on 'viewer' in object type 'doc' is not valid",
    model({ doc: { viewer: [self, [{ type: "doc", relation: "editor" }]] } }),
  ],
  "an undefined condition": [
    "condition recent is undefined for relation viewer",
    {
      type_definitions: [
        { type: "user" },
        {
          type: "doc",
          relations: { viewer: self },
          metadata: {
            relations: { viewer: { directly_related_user_types: [{ type: "user", condition: "recent" }] } },
          },
        },
      ],
    },
  ],
  "a condition under another name": [
    "condition key 'a' does not match condition name 'b'",
    { type_definitions: [{ type: "user" }], conditions: { a: { name: "b", expression: "true" } } },
  ],
  "a union of one": [
    "invalid relation: 'doc#viewer' as union has less than 2 children",
    model({ doc: { viewer: [{ union: { child: [self] } }, users] } }),
  ],
  "usersets that only lead to themselves": [
    "the definition of relation 'viewer' in object type 'doc' is invalid: no entrypoints defined",
    model({ doc: { viewer: [self, [{ type: "doc", relation: "viewer" }]] } }),
  ],
  "an intersection of which one part nobody can have": [
    "the definition of relation 'both' in object type 'doc' is invalid: no entrypoints defined",
    model({
      doc: {
        both: [{ intersection: { child: [computed("z"), computed("y")] } }, []],
        y: [self, users],
        z: [self, [{ type: "doc", relation: "z" }]],
      },
    }),
  ],
  "relations computed from each other": [
    "the definition of relation 'a' in object type 'doc' is invalid: potential loop",
    model({ doc: { a: [computed("b"), []], b: [computed("a"), []] } }),
  ],
  "a cycle beside an entrypoint": [
    "the definition of relation 'a' in object type 'doc' is invalid: an authorization model cannot contain a cycle",
    model({ doc: { a: [{ union: { child: [self, computed("b")] } }, users], b: [computed("a"), []] } }),
  ],
};
for (const [what, [message, value]] of Object.entries(refused)) {
  test(`a model with ${what} is refused`, () => {
    assert.throws(() => parseModel(value), fgaError("invalid_authorization_model", message));
  });
}

test("a model without types is refused", () => {
  assert.throws(() => parseModel({ type_definitions: [] }), fgaError("type_definitions_too_few_items"));
});

test("names that the wire's pattern excludes are refused", () => {
  const relation = { type_definitions: [{ type: "doc", relations: { "a b": { this: {} } } }] };
  assert.throws(() => parseModel({ type_definitions: [{ type: "a:b" }] }), fgaError("type_invalid_pattern"));
  assert.throws(() => parseModel(relation), fgaError("relations_invalid_pattern"));
});

test("values of the wrong type are refused where they stand", () => {
  const message = "invalid value for 'type_definitions[0].type': expected a string";
  assert.throws(() => parseModel({ type_definitions: [{ type: 1 }] }), fgaError("validation_error", message));
  assert.throws(() => parseModel({ type_definitions: {} }), fgaError("validation_error"));
  assert.throws(() => parseModel("model"), fgaError("validation_error"));
});

test("a rewrite of two kinds at once is refused", () => {
  const both = model({
    doc: { viewer: [{ this: {}, computedUserset: { object: "", relation: "owner" } }, users] },
  });
  assert.throws(() => parseModel(both), fgaError("validation_error", /more than one member of a oneof/));
});

test("a model of 100 types is accepted and one of 101 refused", () => {
  const types = (count: number) => ({
    type_definitions: Array.from({ length: count }, (_, i) => ({ type: `t${i}` })),
  });
  assert.equal(parseModel(types(100)).types.size, 100);
  assert.throws(
    () => parseModel(types(101)),
    fgaError(
      "exceeded_entity_limit",
      "The number of type definitions in an authorization model exceeds the allowed limit of 100",
    ),
  );
});

test("the size of a model is its size in protobuf's wire format", () => {
  const { json } = parseModel({ type_definitions: [{ type: "user" }] });
  // id 1+1+26, schema_version 1+1+3, type_definitions 1+1+(1+1+4)
  assert.equal(modelSizeBytes(json), 41);
  const { json: document } = parseModel(model({ doc: { viewer: [self, users] } }));
  // relations 1+1+(1+1+6 + 1+1+(this 1+1)), metadata 1+1+(1+1+(1+1+6 + 1+1+(1+1+(type 1+1+4))))
  assert.equal(modelSizeBytes(document), 41 + 2 + 5 + 14 + 22);
});

test("a model of more than 262,144 bytes is refused", () => {
  const relations = Object.fromEntries(
    Array.from({ length: 5_000 }, (_, i) => [`relation_with_a_long_name_${i}`, [self, users]]),
  );
  assert.throws(
    () => parseModel(model({ doc: relations as Record<string, [UsersetJson, References]> })),
    fgaError("exceeded_entity_limit", /^model exceeds size limit: \d+ bytes vs 262144 bytes$/),
  );
});

test("a rewrite nested past the limit is refused instead of exhausting the stack", () => {
  let rewrite: unknown = self;
  for (let i = 0; i < 5_000; i++) rewrite = { union: { child: [rewrite, self] } };
  assert.throws(
    () => parseModel(model({ doc: { viewer: [rewrite as UsersetJson, users] } })),
    fgaError("invalid_authorization_model", /nests more than 50 rewrites/),
  );
});

test("a model that doubles at each of 40 computed relations is judged at once", () => {
  const relations: Record<string, [UsersetJson, References]> = { r40: [self, users] };
  for (let i = 0; i < 40; i++)
    relations[`r${i}`] = [{ union: { child: [computed(`r${i + 1}`), computed(`r${i + 1}`)] } }, []];
  const started = cpuMs();
  assert.equal(parseModel(model({ doc: relations })).types.size, 2);
  assert.ok(cpuMs() - started < 1_000);
});

test("a model of 3,000 chained relations is compiled within a second", () => {
  const relations: Record<string, [UsersetJson, References]> = { r3000: [self, users] };
  for (let i = 0; i < 3_000; i++) relations[`r${i}`] = [computed(`r${i + 1}`), []];
  const started = cpuMs();
  const { reach } = findRelation(parseModel(model({ doc: relations })), "doc", "r0");
  assert.ok(cpuMs() - started < 1_000);
  assert.deepEqual(
    [reach.size, reach.has("user"), reach.has("doc#r3000"), reach.has("doc#r0")],
    [3_001, true, true, false],
  );
});
