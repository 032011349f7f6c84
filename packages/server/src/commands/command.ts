import { parseArgs } from "node:util";
import type { Admin } from "../admin/index.ts";
import type { Audit } from "../audit/index.ts";
import type { Config, MailConfig } from "../config.ts";
import type { Keyring } from "../crypto/keyring.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Accounts, ImportAccounts } from "../login/index.ts";
import type { KeyAdmin } from "../oauth/index.ts";
import type { OrganizationsSlice } from "../organizations/index.ts";
import type { Roles } from "../roles/index.ts";
import type { Storage } from "../storage/index.ts";
import type { Output } from "./output.ts";

/** One thing that `behalf` does. */
export interface Command {
  /** One word, or two: `users create`. */
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly options: Readonly<Record<string, Option>>;
  /** Names of what follows without a dash; each is required. */
  readonly operands?: readonly string[];
  /** Shown below the options. */
  readonly notes?: string;
  /** Resolves with the exit code: 0 done, 1 failed. */
  run(args: Arguments, context: CommandContext): Promise<number>;
}

/** An option of a command: with a value when `value` names one, else a switch. */
export interface Option {
  readonly help: string;
  readonly value?: string;
  readonly multiple?: boolean;
}

/** What was given on the command line. */
export interface Arguments {
  text(name: string): string | undefined;
  /** @throws UsageError when the option was not given */
  required(name: string): string;
  flag(name: string): boolean;
  list(name: string): readonly string[];
  /** @throws UsageError when it is no whole number from `least` to `most` */
  number(name: string, range: { least: number; most: number; otherwise: number }): number;
  /** The operand of this name. */
  operand(name: string): string;
}

/** What commands need from the world; the tests give them another one. */
export interface CommandContext {
  readonly output: Output;
  readonly clock: Clock;
  /** Folder that relative paths start from. */
  readonly cwd: string;
  /** The environment to read secrets and overrides from; absent: the process's own. */
  readonly env: Readonly<Record<string, string | undefined>> | undefined;
  readonly version: string;
  /** Everything on standard input, as text. */
  readStandardInput(): Promise<string>;
  openServices(config: Config): Promise<CommandServices>;
  startServer(config: Config): Promise<{ url: string; port: number; close(): Promise<void> }>;
  /**
   * Connects to the configured mail server, and hands it one test mail when `to` says to whom.
   * @throws Error whose message says what went wrong
   */
  checkMail(config: Config & { readonly mail: MailConfig }, to: string | undefined): Promise<void>;
  /** Resolves with the name of the signal that asks this process to end. */
  untilSignal(): Promise<string>;
  readonly fetch: typeof fetch;
}

/** The part of the server's services that commands use. */
export interface CommandServices {
  readonly config: Config;
  readonly storage: Storage;
  readonly keyring: Keyring;
  readonly ids: Ids;
  readonly audit: Audit;
  readonly login: { readonly accounts: Accounts; readonly importAccounts: ImportAccounts };
  readonly signingKeys: KeyAdmin;
  readonly admin: Admin;
  readonly organizations: OrganizationsSlice;
  readonly roles: Roles;
  close(): Promise<void>;
}

/** The command line cannot be understood; the message says what to write instead. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Something the operator has to put right; the message says what. Exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** Options that every command takes. */
export const COMMON_OPTIONS: Readonly<Record<string, Option>> = {
  json: { help: "answer as JSON on standard output, errors as JSON on standard error" },
  help: { help: "show this help" },
};

/** For commands that read the configuration. */
export const CONFIG_OPTION: Readonly<Record<string, Option>> = {
  config: { value: "<file>", help: "configuration file (default: behalf.yaml)" },
};

/** @throws UsageError for unknown options, missing values and too many or too few operands */
export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const options = { ...command.options, ...COMMON_OPTIONS };
  const { values, positionals } = parseStrictly(options, argv);
  const operands = command.operands ?? [];
  const extra = positionals[operands.length];
  if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`);
  const text = (name: string) => {
    const value = values[name];
    return typeof value === "string" ? value : undefined;
  };
  return {
    text,
    required(name) {
      const value = text(name);
      if (value === undefined) throw new UsageError(`--${name} is missing`);
      return value;
    },
    flag: (name) => values[name] === true,
    list(name) {
      const value = values[name];
      return Array.isArray(value) ? value.map(String) : [];
    },
    number(name, { least, most, otherwise }) {
      const value = text(name);
      if (value === undefined) return otherwise;
      const number = Number(value);
      if (!/^\d+$/.test(value) || number < least || number > most)
        throw new UsageError(`--${name} must be a whole number from ${least} to ${most}`);
      return number;
    },
    operand(name) {
      const value = positionals[operands.indexOf(name)];
      if (value === undefined) throw new UsageError(`<${name}> is missing`);
      return value;
    },
  };
}

function parseStrictly(options: Readonly<Record<string, Option>>, argv: readonly string[]) {
  const known = Object.entries(options).map(([name, option]) => {
    const type = option.value === undefined ? ("boolean" as const) : ("string" as const);
    return [name, { type, multiple: option.multiple ?? false }] as const;
  });
  try {
    return parseArgs({
      args: [...argv],
      options: Object.fromEntries(known),
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    // parseArgs reports what is wrong with the arguments by a TypeError whose first sentence says it.
    if (error instanceof TypeError) throw new UsageError(error.message.split(". ")[0] ?? error.message);
    throw error;
  }
}

/** How to call `command`, printed by `--help`. */
export function helpOf(command: Command): string {
  const operands = (command.operands ?? []).map((name) => ` <${name}>`).join("");
  const lines = Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(([name, option]) => {
    const left = `--${name}${option.value ? ` ${option.value}` : ""}`;
    return `  ${left.padEnd(30)} ${option.help}${option.multiple ? " (may be repeated)" : ""}`;
  });
  const notes = command.notes ? `\n${command.notes}\n` : "";
  return `Usage: behalf ${command.name}${operands} [options]\n\n${command.summary}\n\nOptions:\n${lines.join("\n")}\n${notes}`;
}
