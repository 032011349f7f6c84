import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DetailsProblem, MAX_DETAILS_BYTES, parseDetails } from "./details.ts";

const known = new Set(["purchase"]);
const parse = (value: unknown) => parseDetails(JSON.stringify(value), known);
const detail = (members: object) => [{ type: "purchase", ...members }];
const call = (args: unknown, over: object = {}) => [
  { type: "tool_call", tool: "shop.buy", arguments: args, ...over },
];
const members = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, i]));
const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
const sized = (bytes: number) => {
  const text = JSON.stringify([{ type: "purchase" }]);
  return text + " ".repeat(bytes - text.length);
};

describe("authorization details", () => {
  for (const [what, value] of [
    ["none", []],
    ["a type of the API", detail({ item: "Lamp", quantity: 2, gift: false, note: null, tags: ["a"] })],
    ["a tool call of any API", call({ item: "Lamp" })],
    ["a tool call without arguments", call({})],
    ["five entries", Array.from({ length: 5 }, () => ({ type: "purchase" }))],
    ["ten members", [{ type: "purchase", ...members(9) }]],
    ["five levels", detail(nested(5) as object)],
    ["a name of 255 characters", detail({ ["n".repeat(255)]: 1 })],
    ["a text of 255 characters", detail({ note: "x".repeat(255) })],
    ["an argument of 2000 characters", call({ body: { text: "x".repeat(2_000) } })],
    ["hostile text, which the page makes visible", detail({ note: "\u202e<b>\u0000" })],
  ] as const)
    it(`takes ${what}`, () => {
      assert.deepEqual(parse(value), value);
    });

  it("takes 5 KiB and refuses one byte more", () => {
    assert.equal(parseDetails(sized(MAX_DETAILS_BYTES), known).length, 1);
    assert.throws(() => parseDetails(sized(MAX_DETAILS_BYTES + 1), known), /more than 5120 bytes/);
  });

  it("counts bytes, not characters", () => {
    const value = call({ text: "あ".repeat(1_800) });
    assert.throws(() => parse(value), /more than 5120 bytes/);
  });

  for (const [what, value, problem] of [
    ["an object instead of an array", { type: "purchase" }, /must be a JSON array/],
    ["six entries", Array.from({ length: 6 }, () => ({ type: "purchase" })), /more than 5 entries/],
    ["an entry that is no object", ["purchase"], /\[0\] must be an object/],
    ["an entry that is an array", [["purchase"]], /\[0\] must be an object/],
    ["an entry without type", [{ item: "Lamp" }], /\.type must be a text/],
    ["a type that is no text", [{ type: 1 }], /\.type must be a text/],
    ["a type of no API", [{ type: "payment" }], /not one this API takes/],
    ["a type that every object inherits", [{ type: "constructor" }], /not one this API takes/],
    ["eleven members", [{ type: "purchase", ...members(10) }], /more than 10 members/],
    ["eleven members further in", detail({ a: [members(11)] }), /a\[0\] has more than 10 members/],
    ["six levels of objects", detail(nested(6) as object), /nested deeper than 5/],
    ["six levels of arrays", detail({ a: [[[[[1]]]]] }), /nested deeper than 5/],
    ["a name of 256 characters", detail({ ["n".repeat(256)]: 1 }), /name is not/],
    ["an empty name", detail({ "": 1 }), /name is not/],
    ["a name with a space", detail({ "the item": 1 }), /name is not/],
    ["a name with a letter beyond ASCII", detail({ größe: 1 }), /name is not/],
    ["a hostile name further in", detail({ a: { "\u202e": 1 } }), /name is not/],
    ["a text of 256 characters", detail({ note: "x".repeat(256) }), /more than 255 characters/],
    ["a tool's name of 256 characters", call({}, { tool: "x".repeat(256) }), /more than 255 characters/],
    ["an argument of 2001 characters", call({ text: "x".repeat(2_001) }), /more than 2000 characters/],
    [
      "arguments under another type",
      detail({ arguments: { a: "x".repeat(256) } }),
      /more than 255 characters/,
    ],
    ["an integer that is not exact", detail({ amount: 2 ** 53 }), /too large a number/],
    ["a lone surrogate", detail({ note: "\ud800" }), /well-formed/],
    ["a tool call without tool", [{ type: "tool_call", arguments: {} }], /\.tool must be/],
    ["a tool call with an empty tool", call({}, { tool: "" }), /\.tool must be/],
    ["a tool call without arguments", [{ type: "tool_call", tool: "a" }], /\.arguments must be an object/],
    ["arguments that are an array", call([]), /\.arguments must be an object/],
    ["a tool call narrated by the agent", call({}, { summary: "Nothing" }), /has the member "summary"/],
  ] as const)
    it(`refuses ${what}`, () => {
      assert.throws(() => parse(value), { name: "DetailsProblem", message: problem });
    });

  for (const [what, text, problem] of [
    ["text that is not JSON", "purchase", /not JSON/],
    ["a member that is named twice", '[{"type":"purchase","total":1,"total":100}]', /"total" appears twice/],
    ["a type that is named twice", '[{"type":"purchase","type":"tool_call"}]', /"type" appears twice/],
    ["__proto__", '[{"type":"purchase","__proto__":{"total":1}}]', /name is not/],
    ["a number beyond range", '[{"type":"purchase","total":1e400}]', /too large a number/],
    ["brackets that never end", "[".repeat(MAX_DETAILS_BYTES), /not JSON/],
    ["brackets far too deep", `${"[".repeat(2_000)}${"]".repeat(2_000)}`, /must be an object/],
  ] as const)
    it(`refuses ${what}`, () => {
      assert.throws(() => parseDetails(text, known), { name: "DetailsProblem", message: problem });
    });

  it("says of a problem that it is one, and quotes no value", () => {
    const refused = () => parse(detail({ note: "planted ".repeat(40) }));
    assert.throws(refused, (error) => error instanceof DetailsProblem && !error.message.includes("planted"));
  });
});
