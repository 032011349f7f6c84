import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { runCommand } from "./commands/index.ts";
import { systemClock } from "./lib/clock.ts";

// The same place from src/ and from dist/. The version is the only member read.
const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** Runs `behalf <argv>` in this process; resolves with the exit code. */
export function run(argv: readonly string[]): Promise<number> {
  return runCommand(argv, {
    clock: systemClock,
    cwd: process.cwd(),
    env: undefined,
    version: manifest.version,
    fetch,
    writeOut: (line) => void process.stdout.write(line),
    writeError: (line) => void process.stderr.write(line),
    watched: process.stderr.isTTY,
    readStandardInput: () => text(process.stdin),
    // A command says itself what it did; lines about starting up would only hide it.
    openServices: async (config) => (await server()).openServices(config, { writeLog: () => undefined }),
    startServer: async (config) => (await server()).startServer(config),
    checkMail: async (config, to) => (await server()).checkMailOf(config, to),
    untilSignal,
  });
}

/** Loaded when a command needs it: help and key files do without the whole server. */
function server() {
  return import("./main.ts");
}

/** A second signal ends the process at once, for whoever does not want to wait. */
function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const)
      process.once(signal, () => {
        process.once(signal, () => process.exit(1));
        resolve(signal);
      });
  });
}
