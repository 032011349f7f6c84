import { parseArgs } from "node:util";
import { StartError } from "./support/start-error.ts";

/** A command line that was understood. */
export type Command =
  | { program: "help" }
  | {
      program: "provider";
      json: boolean;
      port: number;
      dataFile: string;
      client: ClientConfig;
      issuer?: string;
    }
  | { program: "shop"; json: boolean; port: number; dataFile: string; issuer: string; audience?: string }
  | { program: "mailbox"; json: boolean; port: number; dataFile: string; smtpPort: number };

/** The one client that the command registers at the provider. */
export type ClientConfig = {
  clientId: string;
  /** Undefined: one is generated and kept beside the data file. */
  clientSecret: string | undefined;
  redirectUris: string[];
  name: string | undefined;
};

/** The environment variables that are read; a flag wins over its variable. */
export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_PORT = { provider: 4410, shop: 4420, mailbox: 4430 };
const DEFAULT_SMTP_PORT = 4431;
const DEFAULT_CLIENT_ID = "behalf";

export const HELP = `Third parties that run on this machine, for the demo and for tests.

  sandbox provider --data FILE --redirect-uri URL   an OAuth 2 provider in front of a calendar
  sandbox shop     --data FILE --issuer URL         a shop that takes access tokens of one issuer
  sandbox mailbox  --data FILE                      an SMTP server and an SMS gateway that deliver nothing,
                                                    and a page that shows what they took

  --data FILE           SQLite file; made when it is missing, kept between starts
  --port N              default ${DEFAULT_PORT.provider} (provider), ${DEFAULT_PORT.shop} (shop),
                        ${DEFAULT_PORT.mailbox} (mailbox: its page and gateway); 0 takes a free one
  --issuer URL          provider: what it calls itself (default: its address); shop: whose tokens it takes
  --json                print the ready line, and an error, as one JSON object
  --help                print this

Provider only:
  --redirect-uri URL    where the client may be sent back to; repeat it for several
                        (or BEHALF_SANDBOX_REDIRECT_URIS, separated by spaces)
  --client-id ID        default ${DEFAULT_CLIENT_ID} (or BEHALF_SANDBOX_CLIENT_ID)
  --client-secret TEXT  default: generated once into FILE.client-secret, readable by you alone
                        (or BEHALF_SANDBOX_CLIENT_SECRET, which other users of this machine cannot see)
  --client-name TEXT    what the account page calls the client

Shop only:
  --audience URL        default https://shop.sandbox.example/

Mailbox only:
  --smtp-port N         default ${DEFAULT_SMTP_PORT}; 0 takes a free one

Exit codes: 0 stopped by a signal, 1 could not start, 2 the command line is wrong.
`;

const OPTIONS = {
  data: { type: "string" },
  port: { type: "string" },
  "smtp-port": { type: "string" },
  issuer: { type: "string" },
  audience: { type: "string" },
  "client-id": { type: "string" },
  "client-secret": { type: "string" },
  "client-name": { type: "string" },
  "redirect-uri": { type: "string", multiple: true },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** Which program an option belongs to, where it is not everybody's. */
const ONLY = {
  "client-id": ["provider"],
  "client-secret": ["provider"],
  "client-name": ["provider"],
  "redirect-uri": ["provider"],
  audience: ["shop"],
  issuer: ["provider", "shop"],
  "smtp-port": ["mailbox"],
} as const satisfies Partial<Record<keyof typeof OPTIONS, readonly string[]>>;

/**
 * Reads the command line and the environment.
 *
 * @throws StartError (exit code 2) that says what to write instead.
 */
export function parseCommand(args: readonly string[], env: Environment): Command {
  const { values, positionals } = parseFlags(args);
  if (values.help) return { program: "help" };
  const [program, ...rest] = positionals;
  if ((program !== "provider" && program !== "shop" && program !== "mailbox") || rest.length > 0)
    throw usage("Say which program to start: provider, shop or mailbox.");
  for (const [name, owners] of Object.entries(ONLY))
    if (values[name as keyof typeof ONLY] !== undefined && !(owners as readonly string[]).includes(program))
      throw usage(`--${name} does not belong to the ${program}. Leave it out.`);
  const common = {
    json: values.json,
    port: parsePort("port", values.port, DEFAULT_PORT[program]),
    dataFile: parseDataFile(values.data),
  };
  if (program === "shop") {
    if (!values.issuer) throw usage("Give the shop the issuer whose tokens it takes: --issuer URL.");
    return {
      program,
      ...common,
      issuer: values.issuer,
      ...(values.audience ? { audience: values.audience } : {}),
    };
  }
  if (program === "mailbox")
    return { program, ...common, smtpPort: parsePort("smtp-port", values["smtp-port"], DEFAULT_SMTP_PORT) };
  const client: ClientConfig = {
    clientId: values["client-id"] || env["BEHALF_SANDBOX_CLIENT_ID"] || DEFAULT_CLIENT_ID,
    clientSecret: values["client-secret"] || env["BEHALF_SANDBOX_CLIENT_SECRET"] || undefined,
    redirectUris:
      values["redirect-uri"] ?? (env["BEHALF_SANDBOX_REDIRECT_URIS"] ?? "").split(/\s+/).filter(Boolean),
    name: values["client-name"],
  };
  if (client.redirectUris.length === 0)
    throw usage("Give the address that the client may be sent back to: --redirect-uri URL.");
  return { program, ...common, client, ...(values.issuer ? { issuer: values.issuer } : {}) };
}

function parseFlags(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true });
  } catch (cause) {
    throw usage(cause instanceof Error ? cause.message : "The command line cannot be read.");
  }
}

function parsePort(name: string, given: string | undefined, fallback: number): number {
  if (given === undefined) return fallback;
  const port = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
  if (port <= 65_535) return port;
  throw usage(`--${name} must be a whole number from 0 to 65535, not ${JSON.stringify(given)}.`);
}

function parseDataFile(given: string | undefined): string {
  if (given && given !== ":memory:") return given;
  throw usage("Give a file for the data, such as --data ./sandbox/provider.sqlite.");
}

function usage(message: string): StartError {
  return new StartError(`${message} See --help.`, { exitCode: 2 });
}
