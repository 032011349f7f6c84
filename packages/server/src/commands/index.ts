import { ApiError } from "../http/errors.ts";
import { auditCommands } from "./audit.ts";
import { clientCommands } from "./clients.ts";
import { type Command, type CommandContext, helpOf, parseArguments } from "./command.ts";
import { connectionCommands } from "./connections.ts";
import { devCert } from "./dev-cert.ts";
import { doctor } from "./doctor.ts";
import { importCommands } from "./import-auth0.ts";
import { init } from "./init.ts";
import { keyCommands } from "./keys.ts";
import { migrate } from "./migrate.ts";
import { organizationCommands } from "./organizations.ts";
import { createOutput } from "./output.ts";
import { roleCommands } from "./roles.ts";
import { serve } from "./serve.ts";
import { userCommands } from "./users.ts";

export type { CommandContext, CommandServices } from "./command.ts";

/** Everything `behalf` does. A new command is a file here and its name in this list. */
export const commands: readonly Command[] = [
  init,
  serve,
  doctor,
  devCert,
  migrate,
  ...userCommands,
  ...clientCommands,
  ...organizationCommands,
  ...roleCommands,
  ...connectionCommands,
  ...keyCommands,
  ...auditCommands,
  ...importCommands,
];

/** What a command needs besides its output, which depends on `--json`. */
export interface CommandWorld extends Omit<CommandContext, "output"> {
  readonly writeOut: (text: string) => void;
  readonly writeError: (text: string) => void;
  /** Whether a person watches standard error. */
  readonly watched: boolean;
}

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs `behalf <argv>` and resolves with the exit code: 0 done, 1 failed, 2 not understood. Never rejects. */
export async function runCommand(argv: readonly string[], world: CommandWorld): Promise<number> {
  const output = createOutput({ ...world, json: argv.includes("--json") });
  const context: CommandContext = { ...world, output };
  try {
    return await dispatch(argv, context);
  } catch (error) {
    return report(error, context);
  }
}

async function dispatch(argv: readonly string[], context: CommandContext): Promise<number> {
  const { output, version } = context;
  const words = argv.slice(0, 3);
  const command = commands.find(({ name }) => words.slice(0, name.split(" ").length).join(" ") === name);
  if (command) {
    const rest = argv.slice(command.name.split(" ").length);
    if (rest.includes("--help")) {
      output.result(helpOf(command).trimEnd(), { help: helpOf(command) });
      return 0;
    }
    return command.run(parseArguments(command, rest), context);
  }
  if (argv[0] === "--version") {
    output.result(version, { version });
    return 0;
  }
  const group = commands.filter(({ name }) => name.startsWith(`${argv[0]} `));
  const asked = argv.includes("--help") || argv.length === 0;
  if (asked && (group.length > 0 || argv[0] === "--help" || argv.length === 0)) {
    const shown = group.length > 0 ? group : commands;
    output.result(overview(shown), { commands: shown.map(({ name, summary }) => ({ name, summary })) });
    return argv.length === 0 ? EXIT_USAGE : 0;
  }
  const known = group.length > 0 ? group.map(({ name }) => name) : [];
  const hint = known.length > 0 ? `Choose one of: ${known.join(", ")}.` : 'Run "behalf --help" for the list.';
  output.failure(`"${words.filter((word) => !word.startsWith("-")).join(" ")}" is no command. ${hint}`, {
    kind: "usage",
  });
  return EXIT_USAGE;
}

function overview(shown: readonly Command[]): string {
  const lines = shown.map(({ name, summary }) => `  ${name.padEnd(28)} ${summary}`);
  return `Usage: behalf <command> [options]\n\n${lines.join("\n")}\n\n"behalf <command> --help" shows its options. --version prints the version.`;
}

/** Errors that say what to do are printed as they are; anything else is a fault of ours and shown whole. */
function report(error: unknown, { output }: CommandContext): number {
  const kind = error instanceof Error ? error.name : "unknown";
  const message = error instanceof Error ? error.message : String(error);
  if (kind === "UsageError") {
    output.failure(`${message}\nAdd --help to see the options.`, { kind: "usage" });
    return EXIT_USAGE;
  }
  if (ApiError.is(error)) {
    output.failure(error.message, { kind: "refused", code: error.code, ...error.members });
    return EXIT_FAILED;
  }
  if (kind === "SealError") {
    const advice = 'The database was sealed with another root key: run "behalf doctor" to see which.';
    output.failure(`${message}. ${advice}`, { kind: "configuration" });
    return EXIT_FAILED;
  }
  if (["ConfigError", "KeyringError", "CommandError"].includes(kind)) {
    const problems = (error as { problems?: readonly string[] }).problems; // ConfigError lists them.
    output.failure(message, { kind: "configuration", ...(problems ? { problems } : {}) });
    return EXIT_FAILED;
  }
  output.failure(operatingSystemAdvice(error) ?? `Unexpected: ${(error as Error).stack ?? message}`, {
    kind: "unexpected",
  });
  return EXIT_FAILED;
}

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there; stop it, or set listen.port or BEHALF_PORT",
  EACCES: "this user may not do that; check owner and mode",
  ENOSPC: "the disk is full; make room",
  EROFS: "the file system is read-only; choose another folder",
  ENOENT: "there is no such file or folder; check the path",
  ECONNREFUSED: "nothing listens there; is the database running?",
  ENOTFOUND: "the name does not resolve; check the address",
};

/** What the operating system refused, with what to do; `undefined` for anything else. */
function operatingSystemAdvice(error: unknown): string | undefined {
  // Node's system errors carry the code of the failed call.
  const code = (error as { code?: unknown } | null)?.code;
  const advice = typeof code === "string" ? ADVICE[code] : undefined;
  return advice && `${(error as Error).message}: ${advice}.`;
}
