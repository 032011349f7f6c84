import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A program of this repository running as a process of its own. */
export interface RunningProcess {
  readonly pid: number;
  /** Everything it has written to both outputs so far. */
  output(): string;
  /** Ends it with a signal and resolves when it is gone. Default SIGTERM. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 5;

/** Starts `node <script> <args>` and resolves when `ready` says that its output, or the world, shows it is up. */
export async function startProcess(
  script: string,
  args: readonly string[],
  options: {
    ready: (output: string) => boolean | Promise<boolean>;
    env?: Readonly<Record<string, string>>;
    cwd?: string;
    /** Resolve workspace packages to their sources. Default true. */
    fromSource?: boolean;
  },
): Promise<RunningProcess> {
  const flags = options.fromSource === false ? [] : ["-C", "@behalf/source"];
  const child = spawn(process.execPath, [...flags, `${root}/${script}`, ...args], {
    cwd: options.cwd ?? root,
    env: { ...process.env, NODE_NO_WARNINGS: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output = (output + chunk).slice(-200_000);
    });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await options.ready(output))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`${script} did not start:\n${output.slice(-3_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return { pid: child.pid ?? 0, output: () => output, stop: (signal = "SIGTERM") => stop(child, signal) };
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  await gone;
  clearTimeout(timer);
}

/** Whether an address answers. */
export async function answers(address: string): Promise<boolean> {
  try {
    return (await fetch(address)).ok;
  } catch {
    return false; // Nobody listens yet.
  }
}
