import assert from "node:assert/strict";
import { test } from "node:test";
import { listObjects } from "./list-objects.ts";
import { byParameter, fgaError, modelOf, storeOf, tupleOf } from "./testing.ts";

const model = modelOf(`type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define viewer: [user, group#member]
type doc
  relations
    define parent: [folder]
    define blocked: [user]
    define pinned: [user, user:*]
    define viewer: [user, user:*] or viewer from parent
    define reader: viewer but not blocked
    define shortlist: viewer and pinned`);
const tuples = storeOf(
  "doc:1#viewer@user:anne",
  "doc:2#parent@folder:a",
  "folder:a#viewer@group:1#member",
  "group:1#member@user:anne",
  "doc:2#blocked@user:anne",
  "doc:3#viewer@user:*",
  "doc:3#pinned@user:anne",
  "doc:4#viewer@user:bob",
);
const list = (relation: string, user: string, more: object = {}): string[] =>
  listObjects({ model, tuples }, { type: "doc", relation, user, ...more }).objects.sort();

test("a union lists what tuples lead to, each object once", () => {
  assert.deepEqual(list("viewer", "user:anne"), ["doc:1", "doc:2", "doc:3"]);
});

test("exclusions and intersections are checked object by object", () => {
  assert.deepEqual(list("reader", "user:anne"), ["doc:1", "doc:3"]);
  assert.deepEqual(list("shortlist", "user:anne"), ["doc:3"]);
});

test("a user whom no tuple names sees what is public", () => {
  assert.deepEqual(list("viewer", "user:stranger"), ["doc:3"]);
});

test("everyone together sees only what is public", () => {
  assert.deepEqual(list("viewer", "user:*"), ["doc:3"]);
});

test("a userset sees what it was given, and itself", () => {
  assert.deepEqual(list("viewer", "group:1#member"), ["doc:2"]);
  assert.deepEqual(list("viewer", "doc:9#viewer"), ["doc:9"]);
});

test("contextual tuples add objects", () => {
  assert.deepEqual(
    list("viewer", "group:1#member", { contextualTuples: [tupleOf("doc:8#parent@folder:a")] }),
    ["doc:2", "doc:8"],
  );
});

test("a full list says that it was cut, and a whole one that it was not", () => {
  const request = { type: "doc", relation: "reader", user: "user:anne" };
  assert.deepEqual(listObjects({ model, tuples }, { ...request, maxResults: 3 }).truncated, false);
  const cut = listObjects({ model, tuples }, { ...request, maxResults: 1 });
  assert.deepEqual([cut.objects.length, cut.truncated], [1, true]);
});

test("a list that its caller ends is answered with what was found, and says so", () => {
  const many = storeOf(...Array.from({ length: 3_000 }, (_, i) => `doc:${i}#viewer@user:anne`));
  const ended = listObjects(
    { model, tuples: many, limits: { isOver: () => true } },
    { type: "doc", relation: "viewer", user: "user:anne" },
  );
  assert.equal(ended.truncated, true);
  assert.ok(ended.objects.length > 0 && ended.objects.length < 3_000);
});

test("unknown types, relations and users are refused", () => {
  assert.throws(
    () => listObjects({ model, tuples }, { type: "page", relation: "viewer", user: "user:anne" }),
    fgaError("type_not_found", "type 'page' not found"),
  );
  assert.throws(
    () => list("owner", "user:anne"),
    fgaError("relation_not_found", "relation 'doc#owner' not found"),
  );
  assert.throws(
    () => list("viewer", "anne"),
    fgaError("validation_error", "invalid 'user' value: the 'user' field is malformed"),
  );
  assert.throws(
    () => list("viewer", "robot:1"),
    fgaError("validation_error", "invalid 'user' value: type 'robot' not found"),
  );
});

test("a bad contextual tuple is refused", () => {
  const contextualTuples = [tupleOf("doc:1#reader@user:anne")];
  assert.throws(() => list("viewer", "user:anne", { contextualTuples }), fgaError("invalid_tuple"));
});

test("a condition that cannot be told fails the list, unless it is full before", () => {
  const conditioned = modelOf(`type user
type doc
  relations
    define viewer: [user, user with c]
condition c(x: bool) {
  x
}`);
  const evaluation = {
    model: conditioned,
    tuples: storeOf("doc:1#viewer@user:anne", "doc:2#viewer@user:anne with c"),
    conditions: byParameter,
  };
  const request = { type: "doc", relation: "viewer", user: "user:anne" };
  assert.throws(() => listObjects(evaluation, request), fgaError("validation_error"));
  assert.deepEqual(listObjects(evaluation, { ...request, maxResults: 1 }).objects, ["doc:1"]);
  assert.deepEqual(listObjects(evaluation, { ...request, context: { x: false } }).objects, ["doc:1"]);
});
