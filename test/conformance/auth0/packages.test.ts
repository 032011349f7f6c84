import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { judgeAll } from "./harness/subject.ts";
import { readColumn, wordsOf } from "./harness/table.ts";
import { subjects } from "./subjects/index.ts";

const page = readFileSync(new URL("../../../docs/compatibility.md", import.meta.url), "utf8");
const deep = process.env["BEHALF_DEEP"] === "1";

/** Two at a time: a world waits more than it computes. */
describe("what docs/compatibility.md says", { concurrency: 2 }, () => {
  for (const subject of subjects.filter(({ quick }) => quick || deep))
    it(`is what ${subject.package} does`, async () => {
      assert.deepEqual(wordsOf(await judgeAll(subject)), readColumn(page, subject));
    });
});
