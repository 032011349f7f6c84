import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseStrictJson } from "./strict-json.ts";

describe("strict JSON", () => {
  it("reads what JSON.parse reads", () => {
    const text = '[{"a":{"b":[1,{"a":"x: y","b":"\\"}"}]},"c":"a"},{"a":null}]';
    assert.deepEqual(parseStrictJson(text), JSON.parse(text));
  });

  it("takes a value that equals a name, and one name in two objects", () => {
    assert.deepEqual(parseStrictJson('{"a":"a","b":["a","a"],"c":{"a":1}}'), {
      a: "a",
      b: ["a", "a"],
      c: { a: 1 },
    });
  });

  for (const [what, text] of [
    ["twice in one object", '{"a":1,"a":2}'],
    ["twice with the same value", '{"a":1,"b":2,"a":1}'],
    ["once plain and once as an escape", '{"a":1,"\\u0061":2}'],
    ["twice with white space before the colon", '{"a" :1,"a"\n:2}'],
    ["twice in an object inside an array", '[{"x":[{"a":1,"b":{},"a":2}]}]'],
    ["twice around a nested object", '{"a":{"c":1},"a":2}'],
    ["twice as an escaped quotation mark", '{"\\"":1,"\\u0022":2}'],
    ["twice as __proto__", '{"__proto__":1,"__proto__":2}'],
  ] as const)
    it(`refuses a name that appears ${what}`, () => {
      assert.throws(() => parseStrictJson(text), /appears twice/);
    });

  it("refuses what is not JSON", () => {
    assert.throws(() => parseStrictJson("{'a':1}"), SyntaxError);
  });
});
