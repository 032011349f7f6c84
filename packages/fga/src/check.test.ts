import assert from "node:assert/strict";
import { test } from "node:test";
import { check } from "./check.ts";
import type { EvaluationLimits } from "./evaluation.ts";
import { createMemoryTuples } from "./memory.ts";
import { byParameter, cpuMs, fgaError, modelOf, storeOf, tupleOf } from "./testing.ts";

const documents = modelOf(`type user
type group
  relations
    define member: [user, user:*, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type doc
  relations
    define parent: [folder]
    define owner: [user]
    define blocked: [user, group#member]
    define viewer: owner or viewer from parent
    define reader: viewer but not blocked
    define editor: owner and reader`);

/** Asks `documents` about a tuple in text form. */
function ask(text: string, tuples: readonly string[], limits: Partial<EvaluationLimits> = {}): boolean {
  return check({ model: documents, tuples: storeOf(...tuples), limits }, tupleOf(text));
}

test("a direct tuple gives the relation to its user alone", () => {
  const tuples = ["doc:1#owner@user:anne"];
  assert.equal(ask("doc:1#owner@user:anne", tuples), true);
  assert.equal(ask("doc:1#owner@user:bob", tuples), false);
  assert.equal(ask("doc:2#owner@user:anne", tuples), false);
});

test("relations follow from relations, parents and groups", () => {
  const tuples = [
    "doc:1#parent@folder:b",
    "folder:b#parent@folder:a",
    "folder:a#viewer@group:1#member",
    "group:1#member@user:anne",
  ];
  assert.equal(ask("doc:1#viewer@user:anne", tuples), true);
  assert.equal(ask("doc:1#viewer@user:bob", tuples), false);
});

test("an exclusion takes away what a group of its own holds", () => {
  const tuples = [
    "doc:1#owner@user:anne",
    "doc:1#owner@user:bob",
    "doc:1#blocked@group:x#member",
    "group:x#member@user:bob",
  ];
  assert.equal(ask("doc:1#reader@user:anne", tuples), true);
  assert.equal(ask("doc:1#reader@user:bob", tuples), false);
});

test("an intersection needs every part", () => {
  const tuples = ["doc:1#owner@user:anne", "doc:1#parent@folder:a", "folder:a#viewer@user:bob"];
  assert.equal(ask("doc:1#editor@user:anne", tuples), true);
  assert.equal(ask("doc:1#editor@user:bob", tuples), false);
});

test("a wildcard includes every object of its type and no userset", () => {
  const tuples = ["group:1#member@user:*"];
  assert.equal(ask("group:1#member@user:anybody", tuples), true);
  assert.equal(ask("group:1#member@user:*", tuples), true);
  assert.equal(ask("group:1#member@group:2#member", tuples), false);
  assert.equal(ask("group:2#member@user:*", tuples), false);
});

test("a userset has itself, also where no tuple names it", () => {
  assert.equal(ask("doc:1#owner@doc:1#owner", []), true);
  assert.equal(ask("doc:1#viewer@doc:1#owner", []), true);
  assert.equal(ask("doc:1#owner@doc:2#owner", []), false);
  assert.equal(ask("doc:1#owner@doc:1#viewer", []), false);
});

test("a userset is found through groups and parents", () => {
  const tuples = ["doc:1#parent@folder:a", "folder:a#viewer@group:1#member", "group:1#member@group:2#member"];
  assert.equal(ask("doc:1#viewer@group:2#member", tuples), true);
  assert.equal(ask("doc:1#viewer@folder:a#viewer", tuples), true);
  assert.equal(ask("doc:1#viewer@group:3#member", tuples), false);
});

test("an object of a type that has no way to the relation does not have it", () => {
  assert.equal(ask("doc:1#viewer@doc:2", ["doc:1#owner@user:anne"]), false);
});

test("a tuple that the model does not allow is passed over", () => {
  assert.equal(ask("doc:1#viewer@user:anne", ["doc:1#viewer@user:anne"]), false);
  assert.equal(ask("doc:1#owner@user:anne", ["doc:1#owner@user:*"]), false);
  assert.equal(
    ask("doc:1#viewer@user:anne", ["doc:1#parent@folder:a#viewer", "folder:a#viewer@user:anne"]),
    false,
  );
});

const refused: Record<string, string> = {
  "doc:1#viewer@anne": "the 'user' field is malformed",
  "doc:1#viewer@robot:1": "type 'robot' not found",
  "doc:1#viewer@group:1#owner": "relation 'group#owner' not found",
  "doc:*#viewer@user:anne": "the 'object' field cannot reference a typed wildcard",
  "page:1#viewer@user:anne": "type 'page' not found",
  "doc:1#commenter@user:anne": "relation 'doc#commenter' not found",
};
for (const [text, message] of Object.entries(refused)) {
  test(`a check of ${text} is refused: ${message}`, () => {
    assert.throws(() => ask(text, []), fgaError("validation_error", message));
  });
}

test("a bad contextual tuple is invalid_tuple, whatever is wrong with it", () => {
  const contextualTuples = [tupleOf("doc:1#viewer@user:anne")];
  const evaluation = { model: documents, tuples: createMemoryTuples() };
  const query = { object: "doc:1", relation: "viewer", user: "user:anne" };
  assert.throws(() => check(evaluation, { ...query, contextualTuples }), fgaError("invalid_tuple"));
  const unknown = [tupleOf("doc:1#owner@user:anne with c")];
  assert.throws(
    () => check(evaluation, { ...query, contextualTuples: unknown }),
    fgaError("invalid_tuple", /undefined condition/),
  );
});

test("a context with control characters is refused", () => {
  const request = {
    object: "doc:1",
    relation: "viewer",
    user: "user:anne",
    context: { a: [{ b: "x\u0000" }] },
  };
  assert.throws(
    () => check({ model: documents, tuples: storeOf() }, request),
    fgaError("validation_error", /^invalid context/),
  );
});

/** `group:0` holds `group:1` and so on; the last one holds anne. */
function chain(groups: number): string[] {
  const links = Array.from({ length: groups - 1 }, (_, i) => `group:${i}#member@group:${i + 1}#member`);
  return [...links, `group:${groups - 1}#member@user:anne`];
}

test("25 nested groups are followed and 26 are too many", () => {
  assert.equal(ask("group:0#member@user:anne", chain(25)), true);
  assert.throws(
    () => ask("group:0#member@user:anne", chain(26)),
    fgaError("authorization_model_resolution_too_complex"),
  );
});

test("the depth counts from the object asked for, through exclusions too", () => {
  const model = modelOf(`type user
type group
  relations
    define blocked: [user]
    define member: [user, group#member] but not blocked`);
  const deep = (groups: number): boolean =>
    check({ model, tuples: storeOf(...chain(groups)) }, tupleOf("group:0#member@user:anne"));
  assert.equal(deep(25), true);
  assert.throws(() => deep(26), fgaError("authorization_model_resolution_too_complex"));
});

test("a yes counts more than a path that is too deep", () => {
  assert.equal(ask("group:0#member@user:anne", [...chain(40), "group:3#member@user:anne"]), true);
});

test("groups that hold each other end in a no", () => {
  const tuples = ["group:1#member@group:2#member", "group:2#member@group:1#member"];
  assert.equal(ask("group:1#member@user:anne", tuples), false);
  assert.equal(ask("group:1#member@user:anne", [...tuples, "group:2#member@user:anne"]), true);
});

test("forty groups that all hold each other are answered at once", () => {
  const ids = Array.from({ length: 40 }, (_, i) => i);
  const tuples = ids.flatMap((a) =>
    ids.filter((b) => a !== b).map((b) => `group:${a}#member@group:${b}#member`),
  );
  const started = cpuMs();
  assert.equal(ask("group:0#member@user:anne", tuples), false);
  assert.equal(ask("group:0#member@user:anne", [...tuples, "group:39#member@user:anne"]), true);
  assert.ok(cpuMs() - started < 1_000);
});

test("what would take too many steps is refused", () => {
  const tuples = Array.from({ length: 200 }, (_, i) => `group:0#member@group:${i + 1}#member`);
  assert.equal(ask("group:0#member@user:anne", tuples, { maxSteps: 201 }), false);
  assert.throws(
    () => ask("group:0#member@user:anne", tuples, { maxSteps: 200 }),
    fgaError("authorization_model_resolution_too_complex"),
  );
});

test("groups with exclusions that all hold each other end by the step limit, within a second", () => {
  const model = modelOf(`type user
type group
  relations
    define blocked: [user]
    define member: [user, group#member] but not blocked`);
  const ids = Array.from({ length: 14 }, (_, i) => i);
  const tuples = ids.flatMap((a) =>
    ids.filter((b) => a !== b).map((b) => `group:${a}#member@group:${b}#member`),
  );
  const evaluation = { model, tuples: storeOf(...tuples), limits: { maxSteps: 100_000 } };
  const started = cpuMs();
  assert.throws(
    () => check(evaluation, tupleOf("group:0#member@user:anne")),
    fgaError("authorization_model_resolution_too_complex"),
  );
  assert.ok(cpuMs() - started < 1_000);
});

test("a check ends when its caller says so", () => {
  const tuples = Array.from({ length: 3_000 }, (_, i) => `group:0#member@group:${i + 1}#member`);
  let asked = 0;
  const isOver = (): boolean => ++asked === 2;
  assert.throws(() => ask("group:0#member@user:anne", tuples, { isOver }), fgaError("deadline_exceeded"));
  assert.equal(asked, 2);
});

test("a model that chains 3,000 computed relations is answered or refused, never a crash", () => {
  const relations = Array.from({ length: 3_000 }, (_, i) => `    define r${i}: r${i + 1} but not none`).join(
    "\n",
  );
  const model = modelOf(
    `type user\ntype doc\n  relations\n${relations}\n    define r3000: [user]\n    define none: [user]`,
  );
  assert.throws(
    () => check({ model, tuples: storeOf() }, tupleOf("doc:1#r0@user:anne")),
    fgaError("authorization_model_resolution_too_complex"),
  );
  assert.equal(
    check({ model, tuples: storeOf("doc:1#r3000@user:anne") }, tupleOf("doc:1#r2900@user:anne")),
    true,
  );
});

const conditioned = modelOf(`type user
type group
  relations
    define member: [user with c]
type doc
  relations
    define sure: [user]
    define maybe: [user with c]
    define either: sure or maybe
    define both: sure and maybe
    define rest: sure but not maybe
    define viewer: [group#member with c]
condition c(x: bool) {
  x
}`);
const maybe = ["doc:1#maybe@user:anne with c", "doc:2#maybe@user:anne with c", "doc:2#sure@user:anne"];

test("without an evaluator a conditioned tuple is an error and never an allow", () => {
  const evaluation = { model: conditioned, tuples: storeOf(...maybe) };
  assert.throws(() => check(evaluation, tupleOf("doc:1#maybe@user:anne")), fgaError("validation_error"));
});

test("a conditioned tuple counts as its condition says", () => {
  const evaluation = { model: conditioned, tuples: storeOf(...maybe), conditions: byParameter };
  const key = tupleOf("doc:1#maybe@user:anne");
  assert.equal(check(evaluation, { ...key, context: { x: true } }), true);
  assert.equal(check(evaluation, { ...key, context: { x: false } }), false);
  assert.throws(() => check(evaluation, key), fgaError("validation_error", "missing context parameter x"));
});

test("a condition that cannot be told yields to a yes in a union and to a no in an intersection and exclusion", () => {
  const evaluation = { model: conditioned, tuples: storeOf(...maybe), conditions: byParameter };
  assert.equal(check(evaluation, tupleOf("doc:2#either@user:anne")), true);
  assert.equal(check(evaluation, tupleOf("doc:1#both@user:anne")), false);
  assert.equal(check(evaluation, tupleOf("doc:1#rest@user:anne")), false);
  for (const relation of ["both", "rest"]) {
    assert.throws(
      () => check(evaluation, tupleOf(`doc:2#${relation}@user:anne`)),
      fgaError("validation_error"),
    );
  }
});

test("a failure of the evaluator itself is not taken for an answer", () => {
  const conditions = {
    evaluate() {
      throw new RangeError("bug");
    },
  };
  const evaluation = { model: conditioned, tuples: storeOf(...maybe), conditions };
  assert.throws(() => check(evaluation, tupleOf("doc:2#maybe@user:anne")), RangeError);
});
