import { startWorld } from "./world.ts";

const RUNS = 5;
const IDLE_MS = 5_000;

/** `behalf serve` ready within 1 s on an empty database; at most 150 MB resident when idle. */
export async function bench() {
  const starts: number[] = [];
  let idleMemoryMiB = 0;
  for (let run = 0; run < RUNS; run++) {
    const world = await startWorld();
    starts.push(world.startMs);
    if (run === RUNS - 1) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      idleMemoryMiB = world.memoryMiB();
    }
    await world.stop();
  }
  starts.sort((a, b) => a - b);
  return {
    start_ms_median: starts[Math.floor(RUNS / 2)] ?? 0,
    start_ms: starts,
    idle_memory_mib: idleMemoryMiB,
  };
}
