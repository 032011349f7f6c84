import assert from "node:assert/strict";
import { test } from "node:test";
import { formatUser, isRelationName, isTypeName, isWildcard, parseObject, parseUser } from "./syntax.ts";

test("an object is a type and an id", () => {
  assert.deepEqual(parseObject("document:2021-budget"), { type: "document", id: "2021-budget" });
  assert.deepEqual(parseObject("user:anne@example.com"), { type: "user", id: "anne@example.com" });
  assert.deepEqual(parseObject("document:*"), { type: "document", id: "*" });
});

const noObjects: Record<string, string> = {
  "no id": "document:",
  "no type": ":1",
  "no colon": "document",
  "two colons": "document:1:2",
  "a hash": "document:1#viewer",
  "a space": "document:a b",
  "a line feed": "document:a\nb",
  "a NUL": "document:a\u0000b",
  "a C1 control character": "document:a\u0085b",
  "half of a surrogate pair": "document:\ud800",
  "more than 256 characters": `document:${"x".repeat(248)}`,
  nothing: "",
};
for (const [what, text] of Object.entries(noObjects)) {
  test(`text with ${what} is no object`, () => assert.equal(parseObject(text), undefined));
}

test("an object may have 256 characters, counted by code point", () => {
  assert.ok(parseObject(`document:${"x".repeat(247)}`));
  assert.ok(parseObject(`document:${"😀".repeat(247)}`));
  assert.equal(parseObject(`document:${"😀".repeat(248)}`), undefined);
});

test("a user is an object, a typed wildcard or a userset", () => {
  assert.deepEqual(parseUser("user:anne"), { type: "user", id: "anne", relation: undefined });
  assert.deepEqual(parseUser("user:*"), { type: "user", id: "*", relation: undefined });
  assert.deepEqual(parseUser("group:1#member"), { type: "group", id: "1", relation: "member" });
});

const noUsers: Record<string, string> = {
  "an untyped wildcard": "*",
  "a bare id": "anne",
  "a userset of everyone": "group:*#member",
  "a userset of an id with an asterisk": "group:a*#member",
  "an empty relation": "group:1#",
  "two hashes": "group:1#a#b",
  "a relation with a colon": "group:1#a:b",
  "a control character in the relation": "group:1#mem\u0007ber",
  "more than 512 bytes": `user:${"é".repeat(254)}`,
};
for (const [what, text] of Object.entries(noUsers)) {
  test(`${what} is no user`, () => assert.equal(parseUser(text), undefined));
}

test("a user may have 512 bytes of UTF-8", () => {
  assert.ok(parseUser(`user:${"é".repeat(253)}x`));
  assert.ok(parseUser(`user:${"😀".repeat(126)}xxx`));
  assert.equal(parseUser(`user:${"😀".repeat(126)}xxxx`), undefined);
});

test("a parsed user is written as it came", () => {
  for (const text of ["user:anne", "user:*", "group:1#member"]) {
    const user = parseUser(text);
    assert.equal(user && formatUser(user), text);
  }
});

test("names of relations have 1 to 50 characters, names of types 1 to 254", () => {
  assert.deepEqual(["a", "x".repeat(50), "can_view-2.0"].map(isRelationName), [true, true, true]);
  assert.deepEqual(
    ["", "x".repeat(51), "a b", "a#b", "a:b", "a@b", "a\tb"].map(isRelationName),
    Array(7).fill(false),
  );
  assert.deepEqual([isTypeName("x".repeat(254)), isTypeName("x".repeat(255))], [true, false]);
});

test("a wildcard is an asterisk alone or as the whole id", () => {
  assert.deepEqual(["*", "user:*"].map(isWildcard), [true, true]);
  assert.deepEqual(
    ["user:a*", "user:**", ":*", "group:*#member", "a:b:*"].map(isWildcard),
    Array(5).fill(false),
  );
});
