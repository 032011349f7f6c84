import assert from "node:assert/strict";
import { test } from "node:test";
import { formatUsers, listUsers, type UserFilter } from "./list-users.ts";
import { byParameter, fgaError, modelOf, storeOf, tupleOf } from "./testing.ts";

const model = modelOf(`type user
type bot
type group
  relations
    define member: [user, bot, group#member]
type doc
  relations
    define blocked: [user, user:*]
    define trusted: [user]
    define viewer: [user, user:*, group#member]
    define reader: viewer but not blocked
    define guest: viewer but not (blocked but not trusted)
    define both: viewer and trusted`);
const user: UserFilter = { type: "user" };
function list(tuples: readonly string[], relation: string, filter: UserFilter = user): string[] {
  return formatUsers(
    listUsers({ model, tuples: storeOf(...tuples) }, { object: "doc:1", relation, filter }),
  ).sort();
}

test("users are found through groups, each once", () => {
  const tuples = [
    "doc:1#viewer@user:anne",
    "doc:1#viewer@group:1#member",
    "group:1#member@group:2#member",
    "group:2#member@user:bob",
    "group:1#member@user:anne",
  ];
  assert.deepEqual(list(tuples, "viewer"), ["user:anne", "user:bob"]);
});

test("only users of the filter's type are listed", () => {
  const tuples = ["doc:1#viewer@group:1#member", "group:1#member@user:anne", "group:1#member@bot:r2"];
  assert.deepEqual(list(tuples, "viewer", { type: "bot" }), ["bot:r2"]);
  assert.deepEqual(list(tuples, "viewer", { type: "group" }), []);
});

test("usersets are listed where the filter names their relation", () => {
  const tuples = ["doc:1#viewer@group:1#member", "group:1#member@group:2#member"];
  assert.deepEqual(list(tuples, "viewer", { type: "group", relation: "member" }), [
    "group:1#member",
    "group:2#member",
  ]);
});

test("an object's own userset is listed, also where no tuple names it", () => {
  assert.deepEqual(list([], "viewer", { type: "doc", relation: "viewer" }), ["doc:1#viewer"]);
  assert.deepEqual(list([], "reader", { type: "doc", relation: "viewer" }), ["doc:1#viewer"]);
});

test("what is public is listed as the wildcard, beside users who are named", () => {
  assert.deepEqual(list(["doc:1#viewer@user:*", "doc:1#viewer@user:anne"], "viewer"), [
    "user:*",
    "user:anne",
  ]);
});

test("a user who is excluded from what is public is not listed", () => {
  const tuples = [
    "doc:1#viewer@user:*",
    "doc:1#viewer@user:anne",
    "doc:1#blocked@user:anne",
    "doc:1#blocked@user:bob",
  ];
  assert.deepEqual(list(tuples, "reader"), ["user:*"]);
});

test("a user who is excluded from the exclusion is named", () => {
  const tuples = [
    "doc:1#viewer@user:*",
    "doc:1#blocked@user:anne",
    "doc:1#blocked@user:bob",
    "doc:1#trusted@user:anne",
  ];
  assert.deepEqual(list(tuples, "guest"), ["user:*", "user:anne"]);
});

test("a public exclusion takes everybody away", () => {
  assert.deepEqual(
    list(["doc:1#viewer@user:*", "doc:1#viewer@user:anne", "doc:1#blocked@user:*"], "reader"),
    [],
  );
});

test("an intersection with what is public lists the other part", () => {
  assert.deepEqual(list(["doc:1#viewer@user:*", "doc:1#trusted@user:anne"], "both"), ["user:anne"]);
});

test("a user for whom a circle ends is listed, though everyone together is refused", () => {
  const circular = modelOf(`type user
type doc
  relations
    define parent: [doc]
    define known: [user, doc#viewer] or viewer from parent
    define open: [user:*]
    define viewer: open but not (known but not open)`);
  const tuples = storeOf(
    "doc:1#open@user:*",
    "doc:1#known@user:anne",
    "doc:1#known@doc:2#viewer",
    "doc:2#parent@doc:1",
  );
  const list = listUsers({ model: circular, tuples }, { object: "doc:1", relation: "viewer", filter: user });
  assert.deepEqual(formatUsers(list), ["user:anne"]);
});

test("25 levels are followed and 26 are too many, computed relations included", () => {
  const chain = (groups: number): string[] => [
    "doc:1#viewer@group:0#member",
    ...Array.from({ length: groups - 1 }, (_, i) => `group:${i}#member@group:${i + 1}#member`),
    `group:${groups - 1}#member@user:anne`,
  ];
  assert.deepEqual(list(chain(24), "viewer"), ["user:anne"]);
  assert.throws(() => list(chain(25), "viewer"), fgaError("authorization_model_resolution_too_complex"));
  assert.deepEqual(list(chain(23), "reader"), ["user:anne"]);
  assert.throws(() => list(chain(24), "reader"), fgaError("authorization_model_resolution_too_complex"));
});

test("a full list says that it was cut", () => {
  const tuples = storeOf("doc:1#viewer@user:anne", "doc:1#viewer@user:bob");
  const request = { object: "doc:1", relation: "viewer", filter: user };
  const cut = listUsers({ model, tuples }, { ...request, maxResults: 1 });
  assert.deepEqual([cut.users.length, cut.truncated], [1, true]);
  assert.equal(listUsers({ model, tuples }, request).truncated, false);
});

test("unknown types, relations and malformed objects are refused", () => {
  assert.throws(() => list([], "owner"), fgaError("relation_not_found", "relation 'doc#owner' not found"));
  assert.throws(
    () => list([], "viewer", { type: "robot" }),
    fgaError("type_not_found", "type 'robot' not found"),
  );
  assert.throws(
    () => list([], "viewer", { type: "group", relation: "owner" }),
    fgaError("relation_not_found", "relation 'group#owner' not found"),
  );
  for (const object of ["doc", "doc:*", "doc:1#viewer"]) {
    assert.throws(
      () => listUsers({ model, tuples: storeOf() }, { object, relation: "viewer", filter: user }),
      fgaError("validation_error"),
    );
  }
  assert.throws(
    () => listUsers({ model, tuples: storeOf() }, { object: "page:1", relation: "viewer", filter: user }),
    fgaError("type_not_found"),
  );
});

test("a condition that cannot be told fails the list", () => {
  const conditioned = modelOf(`type user
type doc
  relations
    define viewer: [user, user with c]
condition c(x: bool) {
  x
}`);
  const evaluation = {
    model: conditioned,
    tuples: storeOf("doc:1#viewer@user:anne", "doc:1#viewer@user:bob with c"),
    conditions: byParameter,
  };
  const request = { object: "doc:1", relation: "viewer", filter: user };
  assert.throws(() => listUsers(evaluation, request), fgaError("validation_error"));
  assert.deepEqual(formatUsers(listUsers(evaluation, { ...request, context: { x: false } })), ["user:anne"]);
  const contextualTuples = [tupleOf("doc:1#viewer@user:bob")];
  assert.equal(listUsers(evaluation, { ...request, contextualTuples }).users.length, 2);
});
