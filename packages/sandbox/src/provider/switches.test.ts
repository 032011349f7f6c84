import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_SWITCHES, parseSwitches } from "./switches.ts";

test("an empty object means the defaults", () => {
  assert.deepEqual(parseSwitches({}), { switches: DEFAULT_SWITCHES });
});

test("a fault that is switched on by {} has its defaults", () => {
  const result = parseSwitches({ status429: {} });
  assert.ok("switches" in result);
  assert.deepEqual(result.switches.status429, {
    endpoints: ["token"],
    times: null,
    when: "before",
    retryAfterSeconds: 30,
    asDate: false,
  });
});

test("what is parsed is parsed alike again", () => {
  const input = {
    rotation: "grace",
    graceSeconds: 600,
    slow: { ms: 5, when: "after" },
    expiresIn: { value: "x" },
  };
  const result = parseSwitches(input);
  assert.ok("switches" in result);
  assert.deepEqual(parseSwitches({ ...result.switches }), result);
});

for (const [input, problem] of [
  [{ rotation: "sometimes" }, /^rotation must be "none" or "grace" or "strict"$/],
  [{ graceSeconds: -1 }, /^graceSeconds must be a whole number/],
  [{ accessTokenLifeSeconds: "60" }, /^accessTokenLifeSeconds must be/],
  [{ status5OO: {} }, /^status5OO is not a switch$/],
  [{ toString: {} }, /^toString is not a switch$/],
  [{ slow: 500 }, /^slow must be null or an object/],
  [{ slow: [] }, /^slow must be null or an object/],
  [{ slow: {} }, /^slow\.ms must be a whole number/],
  [{ slow: { ms: 5, when: "during" } }, /^slow\.when must be/],
  [{ status500: { endpoints: [] } }, /^status500\.endpoints must be a list, not empty/],
  [{ status500: { endpoints: ["tokens"] } }, /^status500\.endpoints must be/],
  [{ status500: { times: 0 } }, /^status500\.times must be/],
  [{ status500: { every: 2 } }, /^status500\.every is not known$/],
  [{ redirect: {} }, /^redirect\.location must be/],
  [{ scopeShrink: {} }, /^scopeShrink\.drop must be/],
] as const) {
  test(`${JSON.stringify(input)} is refused, naming the member`, () => {
    const result = parseSwitches(input);
    assert.ok("problems" in result);
    assert.equal(result.problems.length, 1);
    assert.match(result.problems[0] ?? "", problem);
  });
}

test("all problems are named at once", () => {
  const result = parseSwitches({ rotation: 1, slow: {}, x: null });
  assert.ok("problems" in result);
  assert.equal(result.problems.length, 3);
});
