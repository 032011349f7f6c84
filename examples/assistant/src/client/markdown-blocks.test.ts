import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { blocksOf } from "./markdown-blocks.ts";

describe("blocks of an answer", () => {
  it("separates paragraphs, lists and code", () => {
    const text = "Two lines\nof one.\n\n- a\n- b\n\n1. x\n2) y\n\n```js\ncode\n\nmore\n```\nEnd";
    assert.deepEqual(
      blocksOf(text).map(({ kind, lines }) => [kind, lines]),
      [
        ["paragraph", ["Two lines", "of one."]],
        ["bullets", ["a", "b"]],
        ["numbers", ["x", "y"]],
        ["code", ["code", "", "more"]],
        ["paragraph", ["End"]],
      ],
    );
  });

  it("takes a list that follows a sentence at once for a list", () => {
    assert.deepEqual(
      blocksOf("You can:\n- a").map(({ kind }) => kind),
      ["paragraph", "bullets"],
    );
  });

  it("shows a code block that is still being written", () => {
    assert.deepEqual(blocksOf("```\nhalf"), [{ kind: "code", lines: ["half"] }]);
  });

  it("keeps HTML as the text it is", () => {
    assert.deepEqual(blocksOf("<img src=x>"), [{ kind: "paragraph", lines: ["<img src=x>"] }]);
  });
});
