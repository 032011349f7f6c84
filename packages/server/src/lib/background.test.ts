import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startBackground } from "./background.ts";

describe("background work", () => {
  it("goes on after a job failed, and beside one that takes long", async () => {
    const counts = { fails: 0, hangs: 0, works: 0 };
    const logged: string[] = [];
    const fails = async () => {
      counts.fails++;
      throw new Error("broken");
    };
    const hangs = async () => {
      counts.hangs++;
      await new Promise((resolve) => setTimeout(resolve, 300));
    };
    const jobs = [
      { name: "fails", everyMs: 5, run: fails },
      { name: "hangs", everyMs: 5, run: hangs },
      { name: "works", everyMs: 5, run: async () => counts.works++ },
    ];
    const work = startBackground(jobs, { error: (message) => void logged.push(message) });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await work.stop();
    assert.ok(counts.fails >= 3 && counts.works >= 3, JSON.stringify(counts));
    assert.equal(counts.hangs, 1, "never twice at once");
    assert.equal(logged.length, counts.fails);
  });
});
