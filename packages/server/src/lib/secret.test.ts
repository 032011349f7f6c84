import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { format, inspect } from "node:util";
import { createLog } from "./log.ts";
import { reveal, secret } from "./secret.ts";

const VALUE = "canary-5f0d";

describe("secret", () => {
  const printers: [string, (value: object) => string][] = [
    ["a template", (value) => `${value}`],
    ["concatenation", (value) => `a ${String(value)}`],
    ["JSON", (value) => JSON.stringify({ value })],
    ["util.inspect", (value) => inspect({ deep: { value } }, { depth: 9, showHidden: true })],
    ["util.format", (value) => format("%s %o %j", value, value, value)],
    ["the message of an error", (value) => new Error(`failed for ${value}`).message],
    ["a spread copy", (value) => JSON.stringify({ ...value })],
    ["its own keys", (value) => Reflect.ownKeys(value).map(String).join()],
  ];
  for (const [name, print] of printers)
    it(`does not show its value in ${name}`, () => {
      assert.ok(!print(secret(VALUE)).includes(VALUE));
    });

  it("says that a secret is there", () => {
    assert.equal(`${secret(VALUE)}`, "[secret]");
    assert.equal(JSON.stringify([secret(VALUE)]), '["[secret]"]');
  });

  it("cannot be cloned out of its wrapper", () => {
    assert.throws(() => structuredClone(secret(VALUE)), { name: "DataCloneError" });
  });

  it("cannot be changed", () => {
    const wrapped = secret(VALUE);
    assert.throws(() => Object.assign(wrapped, { toString: () => VALUE }), TypeError);
  });

  it("gives the value back to reveal, whatever its type", () => {
    const bytes = Buffer.from([1, 2]);
    assert.equal(reveal(secret(bytes)), bytes);
    assert.equal(reveal(secret(VALUE)), VALUE);
  });

  it("does not reveal what only looks like a secret", () => {
    const forged = { kind: "secret" as const, toString: () => VALUE, toJSON: () => VALUE };
    assert.throws(() => reveal(forged), { name: "TypeError", message: /not a secret/ });
  });

  it("does not reveal a copy of a secret", () => {
    assert.throws(() => reveal({ ...secret(VALUE) }), { name: "TypeError", message: /not a secret/ });
  });
});

describe("log", () => {
  const clock = { now: () => 0 };

  it("writes one JSON object a line", () => {
    const lines: string[] = [];
    const log = createLog({ write: (line) => void lines.push(line), clock, level: "info" });
    log.warn("slow\nprovider", { duration_ms: 12 });
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [{ time: "1970-01-01T00:00:00.000Z", level: "warn", message: "slow\nprovider", duration_ms: 12 }],
    );
    assert.equal(lines[0]?.split("\n").length, 2, "a line break inside is escaped");
  });

  it("leaves out what is below its level", () => {
    const lines: string[] = [];
    const log = createLog({ write: (line) => void lines.push(line), clock, level: "warn" });
    log.info("request");
    log.debug("detail");
    assert.deepEqual(lines, []);
  });

  it("writes nothing when silent", () => {
    const lines: string[] = [];
    createLog({ write: (line) => void lines.push(line), clock, level: "silent" }).error("broken");
    assert.deepEqual(lines, []);
  });
});
