import { parseArgs } from "node:util";

/** What the assistant is started with. */
export interface Settings {
  port: number;
  /** The app's own origin, without a trailing slash. */
  appUrl: string;
  issuer: string;
  clientId: string;
  clientSecret: string;
  fgaUrl: string;
  fgaToken: string;
  shopUrl: string;
  shopAudience: string;
  calendarUrl: string;
  /** The name of the connection at the issuer that leads to the calendar. */
  calendarConnection: string;
  /** Folder for conversations, login sessions, open approvals and embeddings. */
  dataDir: string;
  sessionSecret: string;
  /** `<provider>/<model>`; undefined for the scripted offline model. */
  model: string | undefined;
}

/** The settings cannot be used: `problems` lists every fault and what was expected. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The assistant cannot start:\n  ${problems.join("\n  ")}`);
    this.problems = problems;
  }
}

const MIN_SECRET_LENGTH = 32;

/** Each setting with its flag, its environment variable and what it is; without a default it is required. */
const TEXTS = {
  port: ["port", "PORT", "the port to listen on", "3000"],
  appUrl: ["app-url", "APP_URL", "the address people open", ""],
  issuer: ["issuer", "BEHALF_ISSUER", "the authorization server, such as http://localhost:4000/"],
  clientId: ["client-id", "BEHALF_CLIENT_ID", "this agent's client id at the issuer"],
  clientSecret: ["", "BEHALF_CLIENT_SECRET", "its secret"],
  fgaUrl: ["fga-url", "BEHALF_FGA_URL", "the OpenFGA API, such as http://localhost:4000/"],
  fgaToken: ["", "BEHALF_FGA_TOKEN", "a preshared key of that API"],
  shopUrl: ["shop-url", "SHOP_URL", "the shop's API"],
  shopAudience: ["shop-audience", "SHOP_AUDIENCE", "the audience of the shop's tokens"],
  calendarUrl: ["calendar-url", "CALENDAR_URL", "the calendar's API"],
  calendarConnection: ["calendar-connection", "CALENDAR_CONNECTION", "the connection's name", "calendar"],
  dataDir: ["data", "DATA_DIR", "a folder for what must outlive a restart"],
  sessionSecret: ["", "SESSION_SECRET", `at least ${MIN_SECRET_LENGTH} characters (openssl rand -base64 32)`],
  model: ["model", "ASSISTANT_MODEL", "<provider>/<model> of the AI SDK", ""],
} as const satisfies Record<string, readonly [string, string, string, string?]>;

type Name = keyof typeof TEXTS;
const NAMES = Object.keys(TEXTS) as Name[]; // the keys of the table right above

/** Help for the command line. */
export function helpText(): string {
  const rows = NAMES.map((name) => {
    const [flag, variable, meaning, fallback] = TEXTS[name] as readonly [string, string, string, string?];
    const flagText = flag ? `--${flag}` : "";
    return `  ${flagText.padEnd(24)}${variable.padEnd(24)}${meaning}${fallback ? ` (default ${fallback})` : ""}`;
  });
  return `A personal assistant that acts for people through Behalf.\n\n  ${"flag".padEnd(24)}${"environment".padEnd(24)}meaning\n${rows.join("\n")}\n\nSecrets are taken from the environment alone.\n`;
}

/**
 * Reads flags and environment; a flag wins.
 * @throws SettingsError naming everything that is missing or wrong at once
 */
export function readSettings(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Settings {
  const flags = readFlags(args);
  const problems: string[] = [];
  const text = (name: Name): string => {
    const [flag, variable, meaning, fallback] = TEXTS[name] as readonly [string, string, string, string?];
    const value = (flag && flags[flag]) || env[variable] || fallback;
    if (value === undefined)
      problems.push(`${variable} is missing${flag ? ` (or --${flag})` : ""}: ${meaning}`);
    return value ?? "";
  };
  const url = (name: Name): string => {
    const value = text(name);
    if (value && !URL.canParse(value))
      problems.push(`${TEXTS[name][1]} must be a URL, not ${JSON.stringify(value)}`);
    return value;
  };

  const portText = text("port");
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
  if (!(port <= 65_535))
    problems.push(`PORT must be a whole number up to 65535, not ${JSON.stringify(portText)}`);
  const settings: Settings = {
    port,
    appUrl: (url("appUrl") || `http://localhost:${portText}`).replace(/\/+$/, ""),
    issuer: url("issuer"),
    clientId: text("clientId"),
    clientSecret: text("clientSecret"),
    fgaUrl: url("fgaUrl"),
    fgaToken: text("fgaToken"),
    shopUrl: url("shopUrl").replace(/\/+$/, ""),
    shopAudience: url("shopAudience"),
    calendarUrl: url("calendarUrl").replace(/\/+$/, ""),
    calendarConnection: text("calendarConnection"),
    dataDir: text("dataDir"),
    sessionSecret: text("sessionSecret"),
    model: text("model") || undefined,
  };
  if (settings.sessionSecret && settings.sessionSecret.length < MIN_SECRET_LENGTH)
    problems.push(`SESSION_SECRET is too short: ${TEXTS.sessionSecret[2]}`);
  if (settings.model && !/^[a-z0-9-]+\/.+$/.test(settings.model))
    problems.push('ASSISTANT_MODEL must look like "openai/gpt-5": <provider>/<model>');
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

function readFlags(args: readonly string[]): Record<string, string | undefined> {
  const options = Object.fromEntries(
    NAMES.flatMap((name) => (TEXTS[name][0] ? [[TEXTS[name][0], { type: "string" as const }]] : [])),
  );
  try {
    return parseArgs({ args: [...args], options, strict: true }).values as Record<string, string | undefined>; // all options are texts
  } catch (cause) {
    throw new SettingsError([cause instanceof Error ? cause.message : "the command line cannot be read"]);
  }
}
