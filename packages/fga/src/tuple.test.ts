import assert from "node:assert/strict";
import { test } from "node:test";
import { fgaError, modelOf, tupleOf } from "./testing.ts";
import { validateTuple, validateWrite } from "./tuple.ts";

const model = modelOf(`type user
type group
  relations
    define member: [user, group#member]
type doc
  relations
    define parent: [doc]
    define owner: [user]
    define viewer: [user, user:*, group#member, user with recent] or viewer from parent
    define guest: [user:* with recent]
    define reader: viewer
condition recent(now: timestamp) {
  now > timestamp('2026-01-01T00:00:00Z')
}`);

for (const text of [
  "doc:1#viewer@user:anne",
  "doc:1#viewer@user:*",
  "doc:1#viewer@group:1#member",
  "doc:1#parent@doc:2",
  "doc:1#viewer@user:anne with recent",
  "doc:1#guest@user:* with recent",
]) {
  test(`${text} is a valid tuple`, () => assert.doesNotThrow(() => validateTuple(model, tupleOf(text))));
}

const invalid: Record<string, string> = {
  "doc:1#viewer@anne": "the 'user' field is malformed",
  "doc:1#viewer@user:a\u0007": "the 'user' field is malformed",
  "doc:1#viewer@robot:1": "type 'robot' not found",
  "doc:1#viewer@group:1#owner": "relation 'group#owner' not found",
  "doc#viewer@user:anne": "invalid 'object' field format",
  "doc:*#viewer@user:anne": "the 'object' field cannot reference a typed wildcard",
  "page:1#viewer@user:anne": "type 'page' not found",
  "doc:1#a:b@user:anne": "the 'relation' field is malformed",
  "doc:1#editor@user:anne": "relation 'doc#editor' not found",
  "doc:1#parent@doc:*": "unexpected wildcard relationship with tupleset relation 'doc#parent'",
  "doc:1#parent@doc:2#viewer": "unexpected user 'doc:2#viewer' with tupleset relation 'doc#parent'",
  "doc:1#owner@doc:2": "type 'doc' is not an allowed type restriction for 'doc#owner'",
  "doc:1#owner@user:*": "the typed wildcard 'user:*' is not an allowed type restriction for 'doc#owner'",
  "doc:1#owner@group:1#member": "'group#member' is not an allowed type restriction for 'doc#owner'",
  "doc:1#reader@user:anne": "type 'user' is not an allowed type restriction for 'doc#reader'",
};
for (const [text, reason] of Object.entries(invalid)) {
  test(`${JSON.stringify(text)} is refused: ${reason}`, () => {
    const tuple = tupleOf(text);
    const message = `Invalid tuple '${tuple.object}#${tuple.relation}@${tuple.user}'. Reason: ${reason}`;
    assert.throws(() => validateTuple(model, tuple), fgaError("invalid_tuple", message));
  });
}

const badConditions: Record<string, [string, Record<string, unknown>?]> = {
  "condition is missing": ["doc:1#guest@user:*"],
  "undefined condition": ["doc:1#viewer@user:anne with old"],
  "invalid condition for type restriction": ["doc:1#viewer@group:1#member with recent"],
  "found invalid context parameter: later": ["doc:1#viewer@user:anne with recent", { later: 1 }],
  "context value contains forbidden characters": [
    "doc:1#viewer@user:anne with recent",
    { now: [{ a: "x\u0000" }] },
  ],
  "context key contains forbidden characters": ["doc:1#viewer@user:anne with recent", { "now\u0000": 1 }],
};
for (const [reason, [text, context]] of Object.entries(badConditions)) {
  test(`a tuple is refused: ${reason}`, () => {
    assert.throws(
      () => validateTuple(model, tupleOf(text, context)),
      fgaError("validation_error", new RegExp(`Reason: ${reason}$`)),
    );
  });
}

test("a tuple that holds without being written may not be written", () => {
  const tuple = tupleOf("group:1#member@group:1#member");
  assert.throws(
    () => validateWrite(model, tuple),
    fgaError("invalid_tuple", /cannot write a tuple that is implicit$/),
  );
  assert.doesNotThrow(() => validateWrite(model, tupleOf("group:1#member@group:2#member")));
});
