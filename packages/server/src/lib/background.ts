import type { Log } from "./log.ts";

/** Work that no request waits for. */
export interface BackgroundJob {
  readonly name: string;
  readonly everyMs: number;
  run(): Promise<unknown>;
}

/** Runs each job again and again, never twice at once; one that fails or takes long stops no other. */
export function startBackground(jobs: readonly BackgroundJob[], log: Pick<Log, "error">) {
  const running = new Map<string, Promise<void>>();
  const run = async ({ name, run }: BackgroundJob) => {
    try {
      await run();
    } catch (error) {
      log.error("background", { job: name, error: error instanceof Error ? error.stack : "unknown" });
    }
    running.delete(name);
  };
  const timers = jobs.map((job) =>
    setInterval(() => {
      if (!running.has(job.name)) running.set(job.name, run(job));
    }, job.everyMs),
  );
  return {
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      await Promise.all(running.values());
    },
  };
}
