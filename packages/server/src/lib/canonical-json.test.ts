import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { canonicalJson } from "./canonical-json.ts";

const vectors = JSON.parse(
  readFileSync(new URL("../../../../spec/vectors/canonical-json.json", import.meta.url), "utf8"),
);

const numberOf = (hex: string) => Buffer.from(hex, "hex").readDoubleBE();

describe("canonical JSON, vectors of RFC 8785", () => {
  it("prints the sample of section 3.2.2 byte for byte", () => {
    const [sample] = vectors.values;
    assert.equal(Buffer.from(canonicalJson(JSON.parse(sample.input))).toString("hex"), sample.utf8Hex);
  });

  it("sorts members by UTF-16 code units as section 3.2.3 shows", () => {
    const [, sample] = vectors.values;
    const printed = canonicalJson(JSON.parse(sample.input));
    const places = sample.valuesInOrder.map((value: string) => printed.indexOf(JSON.stringify(value)));
    assert.ok(!places.includes(-1));
    assert.deepEqual(
      places,
      places.toSorted((a: number, b: number) => a - b),
    );
  });

  for (const { ieee754, text } of vectors.numbers)
    it(`prints the number 0x${ieee754} as ${text}`, () => {
      assert.equal(canonicalJson(numberOf(ieee754)), text);
    });

  for (const hex of vectors.notNumbers)
    it(`refuses 0x${hex}, which is no number`, () => {
      assert.throws(() => canonicalJson(numberOf(hex)), { name: "TypeError", message: /finite numbers/ });
    });
});

describe("canonical JSON", () => {
  it("gives two values that differ only in member order the same form", () => {
    assert.equal(
      canonicalJson({ b: [1, { d: 2, c: 3 }], a: "x" }),
      canonicalJson({ a: "x", b: [1, { c: 3, d: 2 }] }),
    );
  });

  it("keeps the order of arrays", () => {
    assert.notEqual(canonicalJson([1, 2]), canonicalJson([2, 1]));
  });

  it("keeps texts apart that look alike but are composed differently", () => {
    assert.notEqual(canonicalJson("\u00e9"), canonicalJson("e\u0301"));
  });

  it("prints a member called __proto__ like any other", () => {
    assert.equal(canonicalJson(JSON.parse('{"__proto__":1,"a":2}')), '{"__proto__":1,"a":2}');
  });

  it("prints 128 nested arrays and refuses one more", () => {
    const nested = (depth: number) => JSON.parse("[".repeat(depth) + "]".repeat(depth));
    assert.equal(canonicalJson(nested(129)).length, 258);
    assert.throws(() => canonicalJson(nested(130)), { name: "TypeError", message: /128 deep/ });
  });

  const refused: [string, unknown, RegExp][] = [
    ["undefined", undefined, /hold a undefined/],
    ["a member that is undefined", { a: undefined }, /hold a undefined/],
    ["a hole of an array", new Array(2), /hold a undefined/],
    ["a bigint", 1n, /hold a bigint/],
    ["a function", () => 1, /hold a function/],
    ["a symbol", Symbol("s"), /hold a symbol/],
    ["a date", new Date(0), /class instance/],
    ["a map", new Map([["a", 1]]), /class instance/],
    ["bytes", Buffer.from("a"), /class instance/],
    ["a lone surrogate", "\ud800", /well-formed/],
    ["a member name with a lone surrogate", { "\udc00": 1 }, /well-formed/],
  ];
  for (const [name, value, message] of refused)
    it(`refuses ${name}`, () => {
      assert.throws(() => canonicalJson(value), { name: "TypeError", message });
    });

  it("refuses a value that contains itself", () => {
    const self: unknown[] = [];
    self.push(self);
    assert.throws(() => canonicalJson(self), { name: "TypeError", message: /128 deep/ });
  });
});
