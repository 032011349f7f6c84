import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalJson, parseStrictJson, sameJson, toJsonValue } from "./canonical-json.ts";

/** RFC 8785 appendix B: the bits of a double and its text. */
const NUMBERS: readonly [bits: string, text: string][] = [
  ["0000000000000000", "0"],
  ["8000000000000000", "0"],
  ["0000000000000001", "5e-324"],
  ["8000000000000001", "-5e-324"],
  ["7fefffffffffffff", "1.7976931348623157e+308"],
  ["ffefffffffffffff", "-1.7976931348623157e+308"],
  ["4340000000000000", "9007199254740992"],
  ["c340000000000000", "-9007199254740992"],
  ["4430000000000000", "295147905179352830000"],
  ["44b52d02c7e14af5", "9.999999999999997e+22"],
  ["44b52d02c7e14af6", "1e+23"],
  ["44b52d02c7e14af7", "1.0000000000000001e+23"],
  ["444b1ae4d6e2ef4e", "999999999999999700000"],
  ["444b1ae4d6e2ef4f", "999999999999999900000"],
  ["444b1ae4d6e2ef50", "1e+21"],
  ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
  ["3eb0c6f7a0b5ed8d", "0.000001"],
  ["41b3de4355555553", "333333333.3333332"],
  ["41b3de4355555554", "333333333.33333325"],
  ["41b3de4355555555", "333333333.3333333"],
  ["41b3de4355555556", "333333333.3333334"],
  ["41b3de4355555557", "333333333.33333343"],
  ["becbf647612f3696", "-0.0000033333333333333333"],
  ["43143ff3c1cb0959", "1424953923781206.2"],
];

const double = (bits: string) => Buffer.from(bits, "hex").readDoubleBE();

test("canonical JSON prints every number of RFC 8785 appendix B as the RFC does", () => {
  for (const [bits, text] of NUMBERS) assert.equal(canonicalJson(double(bits)), text, bits);
});

test("canonical JSON refuses the numbers of RFC 8785 appendix B that JSON cannot hold", () => {
  for (const bits of ["7fffffffffffffff", "7ff0000000000000"]) {
    assert.throws(() => canonicalJson(double(bits)), { message: "JSON holds finite numbers only" });
  }
});

test("canonical JSON serializes the sample of RFC 8785 section 3.2.2", () => {
  const sample = {
    numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: '\u20ac$\u000f\u000aA\'B"\\\\"/',
    literals: [null, true, false],
  };
  const expected =
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
    '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}';
  assert.equal(canonicalJson(sample), expected);
});

test("canonical JSON sorts members by UTF-16 code units, as RFC 8785 section 3.2.3 does", () => {
  const sample = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
  };
  const order = [...canonicalJson(sample).matchAll(/:"([^"]+)"/g)].map((match) => match[1]);
  assert.deepEqual(order, [
    "Carriage Return",
    "One",
    "Control",
    "Latin Small Letter O With Diaeresis",
    "Euro Sign",
    "Emoji: Grinning Face",
    "Hebrew Letter Dalet With Dagesh",
  ]);
});

test("canonical JSON refuses what JSON cannot hold", () => {
  for (const value of [undefined, () => 1, Symbol("s"), 1n]) {
    assert.throws(() => canonicalJson(value), { name: "TypeError", message: /^JSON cannot hold/ });
  }
  assert.throws(() => canonicalJson({ a: undefined }), { name: "TypeError" });
  assert.throws(() => canonicalJson(new Array(1)), { name: "TypeError" });
});

test("canonical JSON refuses a lone surrogate in a value and in a name", () => {
  for (const value of ["\ud800", { "\udc00": 1 }]) {
    assert.throws(() => canonicalJson(value), { message: "JSON text holds well-formed Unicode only" });
  }
});

test("two values are the same whatever the order of their members, and not when one differs", () => {
  assert.equal(sameJson({ a: 1, b: [{ c: 2, d: 3 }] }, { b: [{ d: 3, c: 2 }], a: 1 }), true);
  assert.equal(sameJson({ a: 1 }, { a: "1" }), false);
  assert.equal(sameJson({ a: 1 }, { a: 1, b: null }), false);
  assert.equal(sameJson([1, 2], [2, 1]), false);
  assert.equal(sameJson({ to: "\u0430nne" }, { to: "anne" }), false);
  assert.equal(sameJson({ to: "\u00e9" }, { to: "e\u0301" }), false);
});

test("a JSON value loses undefined members and turns dates into text", () => {
  assert.deepEqual(toJsonValue({ a: undefined, at: new Date(0) }), { at: "1970-01-01T00:00:00.000Z" });
  assert.equal(toJsonValue(undefined), null);
});

test("strict JSON refuses a member that is named twice, however it is written and wherever it stands", () => {
  const texts = [
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '[{"b":{"c":1,"d":[{}],"c":1}}]',
    '{"a":{"x":1},"b":2,"a" : 3}',
    '{"__proto__":1,"__proto__":2}',
  ];
  for (const text of texts)
    assert.throws(() => parseStrictJson(text), { name: "SyntaxError", message: /twice/ });
});

test("strict JSON reads equal names in different objects and names that only look repeated", () => {
  const texts = [
    '{"a":{"a":1},"b":[{"a":1},{"a":2}]}',
    '["a","a"]',
    '{"a":"a","b":"\\"a\\":1"}',
    '{"a":1,"A":2}',
  ];
  for (const text of texts) assert.deepEqual(parseStrictJson(text), JSON.parse(text));
});

test("strict JSON refuses what is not JSON", () => {
  for (const text of ["", "{", "{'a':1}", '{"a":1}}', "NaN"]) {
    assert.throws(() => parseStrictJson(text), { name: "SyntaxError" });
  }
});

test("strict JSON refuses nesting deeper than 64", () => {
  assert.ok(parseStrictJson("[".repeat(64) + "]".repeat(64)));
  assert.throws(() => parseStrictJson("[".repeat(65) + "]".repeat(65)), {
    message: "JSON is nested deeper than 64",
  });
});
