import assert from "node:assert/strict";
import { test } from "node:test";
import { expand } from "./expand.ts";
import { fgaError, modelOf, storeOf, tupleOf } from "./testing.ts";

const model = modelOf(`type user
type group
  relations
    define member: [user]
type doc
  relations
    define parent: [doc]
    define owner: [user, user with c]
    define blocked: [user]
    define viewer: [user, user:*, group#member] or owner or viewer from parent
    define reader: viewer but not blocked
    define editor: owner and reader
condition c(x: bool) {
  x
}`);
const tuples = storeOf(
  "doc:1#viewer@user:bob",
  "doc:1#viewer@user:*",
  "doc:1#viewer@group:1#member",
  "doc:1#viewer@group:1#owner",
  "doc:1#parent@doc:2",
  "doc:1#parent@doc:3",
  "doc:1#owner@user:anne with c",
);

test("a union is one level of its parts, with users sorted and invalid tuples left out", () => {
  assert.deepEqual(expand({ model, tuples }, { object: "doc:1", relation: "viewer" }), {
    name: "doc:1#viewer",
    union: {
      nodes: [
        { name: "doc:1#viewer", leaf: { users: { users: ["group:1#member", "user:*", "user:bob"] } } },
        { name: "doc:1#viewer", leaf: { computed: { userset: "doc:1#owner" } } },
        {
          name: "doc:1#viewer",
          leaf: {
            tupleToUserset: {
              tupleset: "doc:1#parent",
              computed: [{ userset: "doc:2#viewer" }, { userset: "doc:3#viewer" }],
            },
          },
        },
      ],
    },
  });
});

test("an exclusion has a base and what is subtracted", () => {
  const { difference } = expand({ model, tuples }, { object: "doc:1", relation: "reader" });
  assert.deepEqual(difference, {
    base: { name: "doc:1#reader", leaf: { computed: { userset: "doc:1#viewer" } } },
    subtract: { name: "doc:1#reader", leaf: { computed: { userset: "doc:1#blocked" } } },
  });
});

test("an intersection has its parts", () => {
  const { intersection } = expand({ model, tuples }, { object: "doc:1", relation: "editor" });
  assert.deepEqual(
    intersection?.nodes.map((node) => node.leaf?.computed?.userset),
    ["doc:1#owner", "doc:1#reader"],
  );
});

test("conditioned tuples are shown without deciding them", () => {
  const node = expand({ model, tuples }, { object: "doc:1", relation: "owner" });
  assert.deepEqual(node.leaf?.users?.users, ["user:anne"]);
});

test("contextual tuples are shown", () => {
  const contextualTuples = [tupleOf("doc:9#owner@user:carl")];
  const node = expand({ model, tuples }, { object: "doc:9", relation: "owner", contextualTuples });
  assert.deepEqual(node.leaf?.users?.users, ["user:carl"]);
});

test("an object without tuples has an empty leaf", () => {
  assert.deepEqual(expand({ model, tuples }, { object: "doc:7", relation: "owner" }).leaf, {
    users: { users: [] },
  });
});

test("missing, malformed and unknown parts are refused", () => {
  const ask = (object: string, relation: string) => () => expand({ model, tuples }, { object, relation });
  assert.throws(ask("", "owner"), fgaError("invalid_expand_input"));
  assert.throws(ask("doc:1", ""), fgaError("invalid_expand_input"));
  assert.throws(ask("doc", "owner"), fgaError("validation_error"));
  assert.throws(ask("doc:*", "owner"), fgaError("validation_error"));
  assert.throws(ask("page:1", "owner"), fgaError("validation_error", "type 'page' not found"));
  assert.throws(
    ask("doc:1", "commenter"),
    fgaError("validation_error", "relation 'doc#commenter' not found"),
  );
});
