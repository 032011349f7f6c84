import assert from "node:assert/strict";
import { test } from "node:test";
import { FgaError } from "./errors.ts";

test("an error carries OpenFGA's name and number of its code", () => {
  const error = new FgaError("invalid_tuple", "Invalid tuple");
  assert.deepEqual([error.code, error.number, error.message], ["invalid_tuple", 2027, "Invalid tuple"]);
});

test("an error of another copy of the package is recognised by its mark", () => {
  const other = Object.assign(new Error("x"), {
    code: "invalid_tuple",
    [Symbol.for("behalf.FgaError")]: true,
  });
  assert.equal(FgaError.is(other), true);
});

test("other errors and values are not recognised", () => {
  for (const value of [new Error("x"), { code: "invalid_tuple" }, null, undefined, "invalid_tuple"]) {
    assert.equal(FgaError.is(value), false);
  }
});
