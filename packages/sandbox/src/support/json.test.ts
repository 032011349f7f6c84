import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalJson, duplicateMember } from "./json.ts";

test("members are sorted at every depth, and lists keep their order", () => {
  assert.equal(canonicalJson({ b: [{ d: 1, c: 2 }, 0], a: null }), '{"a":null,"b":[{"c":2,"d":1},0]}');
});

test("members are sorted by UTF-16 code units", () => {
  // RFC 8785 section 3.2.3: the surrogates of the emoji come before U+FB33.
  assert.equal(
    canonicalJson({ "\uFB33": 1, "\u{1F600}": 2, "\u20AC": 3 }),
    '{"\u20AC":3,"\u{1F600}":2,"\uFB33":1}',
  );
});

for (const [text, expected] of [
  ['{"a":1,"a":1}', "a"],
  ['{"a":1,"\\u0061":1}', "a"],
  ['{"x":{"a":1,"b":2,"a":3}}', "a"],
  ['[{"a":1},{"b":{"c":1},"b":2}]', "b"],
  ['{"" : 1, "" : 2}', ""],
  ['{"a\\"b":1,"a\\"b":2}', 'a"b'],
  ['{"__proto__":1,"__proto__":2}', "__proto__"],
] as const) {
  test(`${text} has a member twice`, () => {
    assert.equal(duplicateMember(text), expected);
  });
}

for (const text of [
  '{"a":1,"A":1}',
  '{"a":{"a":{"a":1}}}',
  '[{"a":1},{"a":1}]',
  '{"a":"a","b":"a"}',
  '{"a":"{\\"a\\":1,","b":"\\"a\\":"}',
  '{"a":["b","b"],"b":1}',
  "{}",
]) {
  test(`${text} has no member twice`, () => {
    assert.equal(duplicateMember(text), undefined);
  });
}
