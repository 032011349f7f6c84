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
  | { program: "shop"; json: boolean; port: number; dataFile: string; issuer: string; audience?: string };

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

const DEFAULT_PORT = { provider: 4410, shop: 4420 };
const DEFAULT_CLIENT_ID = "behalf";

export const HELP = `Third parties that run on this machine, for the demo and for tests.

  sandbox provider --data FILE --redirect-uri URL   an OAuth 2 provider in front of a calendar
  sandbox shop     --data FILE --issuer URL         a shop that takes access tokens of one issuer

  --data FILE           SQLite file; made when it is missing, kept between starts
  --port N              default ${DEFAULT_PORT.provider} (provider), ${DEFAULT_PORT.shop} (shop); 0 takes a free one
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

Exit codes: 0 stopped by a signal, 1 could not start, 2 the command line is wrong.
`;

const OPTIONS = {
  data: { type: "string" },
  port: { type: "string" },
  issuer: { type: "string" },
  audience: { type: "string" },
  "client-id": { type: "string" },
  "client-secret": { type: "string" },
  "client-name": { type: "string" },
  "redirect-uri": { type: "string", multiple: true },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

const ONLY = {
  provider: ["client-id", "client-secret", "client-name", "redirect-uri"],
  shop: ["audience"],
} as const;

/**
 * Reads the command line and the environment.
 *
 * @throws StartError (exit code 2) that says what to write instead.
 */
export function parseCommand(args: readonly string[], env: Environment): Command {
  const { values, positionals } = parseFlags(args);
  if (values.help) return { program: "help" };
  const [program, ...rest] = positionals;
  if ((program !== "provider" && program !== "shop") || rest.length > 0)
    throw usage("Say which program to start: provider or shop.");
  const foreign = ONLY[program === "provider" ? "shop" : "provider"].find(
    (name) => values[name] !== undefined,
  );
  if (foreign) throw usage(`--${foreign} does not belong to the ${program}. Leave it out.`);
  const common = {
    json: values.json,
    port: parsePort(values.port, DEFAULT_PORT[program]),
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

function parsePort(given: string | undefined, fallback: number): number {
  if (given === undefined) return fallback;
  const port = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
  if (port <= 65_535) return port;
  throw usage(`--port must be a whole number from 0 to 65535, not ${JSON.stringify(given)}.`);
}

function parseDataFile(given: string | undefined): string {
  if (given && given !== ":memory:") return given;
  throw usage("Give a file for the data, such as --data ./sandbox/provider.sqlite.");
}

function usage(message: string): StartError {
  return new StartError(`${message} See --help.`, { exitCode: 2 });
}
