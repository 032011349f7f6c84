import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { en } from "./en.ts";
import { ja } from "./ja.ts";

/** Words that are the same in both languages: names of formats and of what has no other name. */
const SAME = new Set([
  "Behalf",
  "CC",
  "QR",
  "SMS",
  "URL",
  "UTC",
  "PIN",
  "Wi",
  "Fi",
  "iCloud",
  "anne@example.com",
]);
/** Members that only one language needs: English shows a label as the agent wrote it. */
const FREE = /^approvals\.labels\./;

type Leaf = string | ((...values: never[]) => string);

function leaves(value: object, path = ""): [path: string, leaf: Leaf][] {
  return Object.entries(value).flatMap(([name, member]): [string, Leaf][] => {
    const at = path === "" ? name : `${path}.${name}`;
    return typeof member === "object" ? leaves(member, at) : [[at, member as Leaf]];
  });
}

const english = new Map(leaves(en).filter(([path]) => !FREE.test(path)));
const japanese = new Map(leaves(ja).filter(([path]) => !FREE.test(path)));
const markers = (leaf: Leaf) =>
  typeof leaf === "string" ? [] : Array.from({ length: leaf.length }, (_, i) => `@${i}@`);
/** What is said, with a marker for each value. */
const said = (leaf: Leaf) => (typeof leaf === "string" ? leaf : leaf(...(markers(leaf) as never[])));

describe("the languages", () => {
  it("say the same things", () => assert.deepEqual([...japanese.keys()].sort(), [...english.keys()].sort()));

  it("use every value that a sentence is given, in each language", () => {
    for (const [path, leaf] of english) {
      const other = japanese.get(path) ?? "";
      assert.equal(typeof other, typeof leaf, path);
      assert.deepEqual(markers(other), markers(leaf), path);
      for (const marker of markers(leaf))
        assert.deepEqual(
          [said(leaf).includes(marker), said(other).includes(marker)],
          [true, true],
          `${path} ${marker}`,
        );
    }
  });

  it("leave no English in the Japanese", () => {
    for (const [path, leaf] of japanese) {
      const text = said(leaf).replaceAll(/@\d@/g, "").replaceAll("anne@example.com", "");
      const words = (text.match(/[A-Za-z]{2,}/g) ?? []).filter((word) => !SAME.has(word));
      assert.deepEqual(words, [], path);
      assert.match(text, /[\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Han}]/u, path);
    }
  });

  it("end their Japanese sentences as sentences", () => {
    for (const [path, leaf] of japanese) {
      const text = said(leaf);
      // A text with a full stop in it is made of sentences, and the last one has one too.
      if (text.includes("。")) assert.match(text, /[。：]$|」$/, `${path}: ${text}`);
      assert.doesNotMatch(
        text,
        /[a-z\p{sc=Hiragana}\p{sc=Han}][?!]$/u,
        `${path} ends in a half-width mark: ${text}`,
      );
    }
  });
});
