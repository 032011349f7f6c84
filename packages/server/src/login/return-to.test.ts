import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { safeReturnTo } from "./return-to.ts";

describe("the address after log-in", () => {
  it("is the path that was asked for", () => {
    assert.equal(safeReturnTo("/connect?ticket=abc&x=1"), "/connect?ticket=abc&x=1");
  });

  for (const target of [
    null,
    "",
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "/\tevil.example",
    "/ /evil.example",
    "javascript:alert(1)",
    "evil.example",
    "/%0d%0a/\n",
    "\\\\evil.example",
    "/..//evil.example/",
    "/.//evil.example/",
    "/%2e%2e//evil.example/",
    "/a/..//evil.example/",
  ])
    it(`is our own page for ${JSON.stringify(target)}`, () => {
      assert.equal(safeReturnTo(target), "/approvals");
    });
});
