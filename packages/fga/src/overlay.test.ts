import assert from "node:assert/strict";
import { test } from "node:test";
import { check } from "./check.ts";
import { overlayTuples } from "./overlay.ts";
import { byParameter, modelOf, storeOf, tupleOf } from "./testing.ts";

const model = modelOf(`type user
type doc
  relations
    define viewer: [user, user with c, user:*]
condition c(x: bool) {
  x
}`);
const key = { object: "doc:1", relation: "viewer", user: "user:anne" };

test("contextual tuples count for one query and leave the store as it was", () => {
  const tuples = storeOf();
  const contextualTuples = [tupleOf("doc:1#viewer@user:anne")];
  assert.equal(check({ model, tuples }, { ...key, contextualTuples }), true);
  assert.equal(check({ model, tuples }, key), false);
  assert.deepEqual([tuples.size, tuples.numberOf("doc", "1")], [0, -1]);
});

test("a contextual tuple with a condition hides the stored one without", () => {
  const tuples = storeOf("doc:1#viewer@user:anne");
  const contextualTuples = [tupleOf("doc:1#viewer@user:anne with c", { x: false })];
  assert.equal(check({ model, tuples, conditions: byParameter }, { ...key, contextualTuples }), false);
});

test("a contextual tuple without a condition hides the stored one with", () => {
  const tuples = storeOf();
  tuples.add(tupleOf("doc:1#viewer@user:anne with c", { x: false }));
  const contextualTuples = [tupleOf("doc:1#viewer@user:anne")];
  assert.equal(check({ model, tuples, conditions: byParameter }, { ...key, contextualTuples }), true);
});

test("a contextual context replaces the stored one", () => {
  const tuples = storeOf();
  tuples.add(tupleOf("doc:1#viewer@user:anne with c", { x: true }));
  const contextualTuples = [tupleOf("doc:1#viewer@user:anne with c", { x: false })];
  assert.equal(check({ model, tuples, conditions: byParameter }, { ...key, contextualTuples }), false);
});

test("of two contextual tuples with one key the first counts", () => {
  const contextualTuples = [
    tupleOf("doc:1#viewer@user:anne with c", { x: false }),
    tupleOf("doc:1#viewer@user:anne"),
  ];
  assert.equal(
    check({ model, tuples: storeOf(), conditions: byParameter }, { ...key, contextualTuples }),
    false,
  );
});

test("edges of both are read, each once", () => {
  const base = storeOf("doc:1#viewer@user:anne", "doc:1#viewer@user:bob");
  const reader = overlayTuples(base, [tupleOf("doc:1#viewer@user:bob"), tupleOf("doc:1#viewer@user:carl")]);
  const users = [...(reader.edges("doc#viewer", "user")?.users(reader.numberOf("doc", "1")) ?? [])];
  assert.deepEqual(users.map((number) => reader.idOf("user", number)).sort(), ["anne", "bob", "carl"]);
});
