import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../lib/clock.ts";
import { checkMailOf, openServices, startServer } from "../main.ts";
import { type CommandWorld, runCommand } from "./index.ts";

/** What a command printed and how it ended. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Standard output read as JSON; only with `--json`. */
  readonly json: unknown;
}

/** A folder of its own in which commands run as an operator would run them, in this process. */
export function openFolder() {
  const folder = mkdtempSync(join(tmpdir(), "behalf-command-"));
  const silent = { writeLog: () => undefined };

  /** `words` apart by spaces, or `argv` where a word has a space in it. */
  async function behalf(
    words: string,
    change: Partial<CommandWorld> = {},
    argv: readonly string[] = words.split(" ").filter(Boolean),
  ): Promise<Outcome> {
    let [out, err] = ["", ""];
    const code = await runCommand(argv, {
      clock: systemClock,
      cwd: folder,
      env: {},
      version: "1.2.3",
      watched: false,
      fetch,
      writeOut: (text) => {
        out += text;
      },
      writeError: (text) => {
        err += text;
      },
      readStandardInput: async () => "",
      openServices: (config) => openServices(config, silent),
      startServer: (config) => startServer(config, silent),
      checkMail: checkMailOf,
      untilSignal: async () => "SIGTERM",
      ...change,
    });
    return { code, out, err, json: words.includes("--json") && out !== "" ? JSON.parse(out) : undefined };
  }

  return {
    folder,
    path: (name: string) => join(folder, name),
    behalf,
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export type CommandFolder = ReturnType<typeof openFolder>;
