import { type CrashedProgram, runStory, StoryError, type StoryOptions } from "./story.ts";

/**
 * The story as a process: it is told where everything is by a message of its parent, may ask the parent to
 * crash a program, prints each step, and exits with 0 or 1.
 */
type Addresses = Omit<StoryOptions, "onStep" | "crash">;

process.once("message", (addresses) => void main(addresses as Addresses)); // sent by tools/demo/story.mjs alone

async function main(addresses: Addresses): Promise<void> {
  try {
    await runStory({
      ...addresses,
      onStep: (step) => console.log(`ok  ${step}`),
      crash,
    });
  } catch (error) {
    if (!(error instanceof StoryError)) throw error;
    console.log(`BROKEN  ${error.message}`);
    process.exitCode = 1;
  }
  process.disconnect?.(); // absent when it was not started with a channel
}

function crash(program: CrashedProgram): Promise<void> {
  return new Promise((resolve) => {
    process.once("message", () => resolve());
    process.send?.({ crash: program });
  });
}
