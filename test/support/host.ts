import { type ChildProcess, fork } from "node:child_process";

/** The agent's host in its own process. */
export interface Host {
  // Answers are whatever the packages made; each test looks at what it asserts.
  ask(command: string, params: object): Promise<ReturnType<typeof JSON.parse>>;
  /** What `onAuthorizationRequest` was told, oldest first. */
  readonly notices: readonly unknown[];
  stop(): Promise<void>;
}

/** Longer than the packages' polling interval of five seconds, shorter than a test's patience. */
const ANSWER_TIMEOUT_MS = 20_000;

/** Starts `script` in a process of its own and speaks with it over IPC; it gets `env` and nothing else. */
export function startHost(script: string, env: Record<string, string>): Host {
  const child = fork(script, {
    execArgv: [],
    // Nothing of the tests' own environment but what a process needs.
    env: { PATH: process.env["PATH"] ?? "", NODE_NO_WARNINGS: "1", ...env },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const waiting = new Map<number, { fulfil: (answer: unknown) => void; reject: (error: Error) => void }>();
  const notices: unknown[] = [];
  let last = 0;
  const failAll = (error: Error) => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  child.on("error", failAll);
  child.on("exit", (code) => failAll(new Error(`the host ended with ${code}`)));
  child.on("message", (message: { id?: number; answer?: unknown; problem?: string; notice?: unknown }) => {
    if (message.id === undefined) return void notices.push(message.notice);
    const asked = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.problem === undefined) asked?.fulfil(message.answer);
    else asked?.reject(new Error(`the host failed: ${message.problem}`));
  });
  return {
    notices,
    ask: (command, params) =>
      new Promise((fulfil, reject) => {
        const id = ++last;
        const timer = setTimeout(
          () => reject(new Error(`the host did not answer "${command}"`)),
          ANSWER_TIMEOUT_MS,
        );
        const settle =
          <T>(how: (value: T) => void) =>
          (value: T) => {
            clearTimeout(timer);
            how(value);
          };
        waiting.set(id, { fulfil: settle(fulfil), reject: settle(reject) });
        child.send({ id, command, ...params });
      }),
    stop: () => stopChild(child),
  };
}

/** The host ends by itself when its channel closes; a stuck one is killed. */
function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.disconnect();
  });
}
