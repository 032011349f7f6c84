import { Agent, request } from "node:http";

/** One request of a load. */
export interface LoadRequest {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Gets the answer's text, when the next request depends on it. */
  readonly onAnswer?: (body: string) => void;
}

/** What a load found. Latencies in milliseconds. */
export interface LoadResult {
  readonly perSecond: number;
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  /** Requests for each second of processor time that the server used, when it was asked for. */
  readonly perCpuSecond?: number;
}

/**
 * Closed loop: `connections` callers, each sending its next request when the answer to the last one has come.
 * Warms up first; the warm-up is not counted.
 */
export async function closedLoop(
  next: (i: number) => LoadRequest,
  options: { connections: number; seconds: number; warmUpSeconds?: number; cpuSeconds?: () => number },
): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections });
  const latencies: number[] = [];
  let failed = 0;
  let count = 0;
  const startAt = performance.now() + (options.warmUpSeconds ?? 2) * 1_000;
  const endAt = startAt + options.seconds * 1_000;
  const caller = async () => {
    while (performance.now() < endAt) {
      const before = performance.now();
      const status = await send(agent, next(count++));
      const after = performance.now();
      if (before < startAt || after > endAt) continue;
      latencies.push(after - before);
      if (status !== 200) failed += 1;
    }
  };
  let cpuAtStart = 0;
  const started = setTimeout(
    () => {
      cpuAtStart = options.cpuSeconds?.() ?? 0;
    },
    Math.max(0, startAt - performance.now()),
  );
  await Promise.all(Array.from({ length: options.connections }, caller));
  clearTimeout(started);
  const cpu = (options.cpuSeconds?.() ?? 0) - cpuAtStart;
  agent.destroy();
  return summarize(latencies, { failed, seconds: options.seconds, cpu });
}

/** Sends each of `loads` once, `connections` at a time; there is no warm-up. */
export async function oneByOne(
  loads: readonly LoadRequest[],
  options: { connections: number; cpuSeconds?: () => number },
): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections });
  const latencies: number[] = [];
  let failed = 0;
  const left = loads.values();
  const caller = async () => {
    for (const load of left) {
      const before = performance.now();
      const status = await send(agent, load);
      latencies.push(performance.now() - before);
      if (status !== 200) failed += 1;
    }
  };
  const cpuAtStart = options.cpuSeconds?.() ?? 0;
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: options.connections }, caller));
  const seconds = (performance.now() - startedAt) / 1_000;
  agent.destroy();
  const cpu = (options.cpuSeconds?.() ?? 0) - cpuAtStart;
  return summarize(latencies, { failed, seconds, cpu });
}

/** Rates and percentiles of what was counted. */
function summarize(
  latencies: number[],
  { failed, seconds, cpu }: { failed: number; seconds: number; cpu: number },
): LoadResult {
  latencies.sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round((latencies[Math.floor(latencies.length * share)] ?? 0) * 100) / 100;
  return {
    perSecond: Math.round(latencies.length / seconds),
    requests: latencies.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    failed,
    ...(cpu > 0 ? { perCpuSecond: Math.round(latencies.length / cpu) } : {}),
  };
}

function send(agent: Agent, load: LoadRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      load.url,
      {
        agent,
        method: load.method ?? "POST",
        headers: { ...load.headers, "content-length": Buffer.byteLength(load.body ?? "") },
      },
      (incoming) => {
        let body = "";
        if (load.onAnswer)
          incoming.setEncoding("utf8").on("data", (chunk) => {
            body += chunk;
          });
        else incoming.resume();
        incoming.once("end", () => {
          load.onAnswer?.(body);
          resolve(incoming.statusCode ?? 0);
        });
        incoming.once("error", reject);
      },
    );
    outgoing.once("error", reject);
    outgoing.end(load.body);
  });
}
