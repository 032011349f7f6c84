import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { startDemo } from "../support/demo.ts";
import { runStory } from "./story.ts";

/** Rounds of kills in the full run; the normal one has a single round. */
const ROUNDS = process.env["BEHALF_DEEP"] ? 10 : 1;

it("the assistant's whole story holds, with the server and the assistant killed in the middle of it", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const folder = mkdtempSync(join(tmpdir(), "behalf-story-"));
    const demo = await startDemo(folder);
    const steps: string[] = [];
    try {
      await runStory({
        ...demo,
        issuerUrl: demo.issuer,
        onStep: (step) => void steps.push(step),
        crash: (program) => demo.crashAndRestart(program),
      });
    } finally {
      await demo.stop();
      rmSync(folder, { recursive: true, force: true });
    }
    assert.ok(steps.length >= 15, steps.join("\n"));
  }
});
