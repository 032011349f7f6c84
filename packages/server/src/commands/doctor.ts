import { accessSync, constants, mkdirSync } from "node:fs";
import { sql } from "kysely";
import { type Config, ConfigError, loadConfig } from "../config.ts";
import { type Keyring, KeyringError, parseKeys, readKeyFile } from "../crypto/keyring.ts";
import { createDiscovery } from "../http/discovery.ts";
import { createEgress } from "../http/egress.ts";
import { reveal } from "../lib/secret.ts";
import { openStorage, type Storage } from "../storage/index.ts";
import { CONFIG_OPTION, type Command, type CommandContext } from "./command.ts";
import { rootKeysInUse } from "./keys.ts";
import { pendingNames } from "./migrate.ts";
import { configPath } from "./services.ts";

/** What one check found. `action` says what to do unless all is well. */
interface Finding {
  readonly check: string;
  readonly state: "ok" | "warning" | "failed";
  readonly detail: string;
  readonly action?: string;
}

const SIGN = { ok: "ok     ", warning: "warning", failed: "FAILED " };
const ISSUER_TIMEOUT_MS = 3_000;
/** Tokens live for minutes; clocks further apart refuse each other's. */
const MAX_CLOCK_SKEW_MS = 5_000;

export const doctor: Command = {
  name: "doctor",
  summary: "Check configuration, keys, database, address, mail and clock; say what to do about each fault.",
  options: {
    ...CONFIG_OPTION,
    "send-mail": { value: "<address>", help: "also send a test mail there" },
  },
  async run(args, context) {
    const findings = await examine(configPath(args, context), context, args.text("send-mail"));
    const lines = findings.map(
      ({ check, state, detail, action }) =>
        `${SIGN[state]} ${check}: ${detail}${action ? `\n        → ${action}` : ""}`,
    );
    const failed = findings.some((finding) => finding.state === "failed");
    context.output.result(lines.join("\n"), { ok: !failed, findings });
    return failed ? 1 : 0;
  },
};

/** Later checks need what earlier ones opened; where that is missing they are left out. */
async function examine(
  file: string,
  context: CommandContext,
  sendMailTo: string | undefined,
): Promise<readonly Finding[]> {
  const { config, findings } = checkConfig(file, context);
  if (!config) return findings;
  const { keyring, finding: rootKey } = checkRootKey(config);
  const stored = await checkStorage(config, keyring, context);
  return [
    ...findings,
    rootKey,
    ...stored,
    checkDataDir(config),
    await checkIssuer(config, context),
    checkListening(config),
    ...(await checkMail(config, context, sendMailTo)),
    checkEgress(config),
    ...(await checkProviders(config, context)),
  ];
}

function checkConfig(
  file: string,
  context: CommandContext,
): { config: Config | undefined; findings: Finding[] } {
  try {
    const config = loadConfig(file, context.env);
    return { config, findings: [{ check: "configuration", state: "ok", detail: file }] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const findings = error.problems.map(
      (problem): Finding => ({
        check: "configuration",
        state: "failed",
        detail: problem,
        action: "correct it; docs/config.md explains every key",
      }),
    );
    return { config: undefined, findings };
  }
}

function checkRootKey(config: Config): { keyring: Keyring | undefined; finding: Finding } {
  const check = "root key";
  const source = config.rootKeySource;
  try {
    const keyring =
      "file" in source ? readKeyFile(source.file) : parseKeys(reveal(config.rootKey), source.env);
    const detail = `${keyring.ids().join(", ")} from ${"file" in source ? source.file : source.env}`;
    if ("file" in source) return { keyring, finding: { check, state: "ok", detail } };
    const action = "keep it in a file with mode 0600: an environment leaks into children and crash reports";
    return { keyring, finding: { check, state: "warning", detail, action } };
  } catch (error) {
    if (!(error instanceof KeyringError)) throw error;
    const action =
      'use the file that this database was made with, or "behalf keys create" for a new database';
    return { keyring: undefined, finding: { check, state: "failed", detail: error.message, action } };
  }
}

async function checkStorage(
  config: Config,
  keyring: Keyring | undefined,
  context: CommandContext,
): Promise<readonly Finding[]> {
  let storage: Storage | undefined;
  try {
    storage = await openStorage(config.storage);
    const pending = await pendingNames(storage);
    const reachable: Finding = { check: "database", state: "ok", detail: `${storage.engine} answers` };
    if (pending.length > 0) {
      const action = 'run "behalf migrate", or start the server, which does the same';
      return [
        reachable,
        { check: "schema", state: "failed", detail: `pending: ${pending.join(", ")}`, action },
      ];
    }
    return [
      reachable,
      { check: "schema", state: "ok", detail: "up to date" },
      ...(keyring ? [await checkFingerprint(storage, keyring)] : []),
      await checkClock(storage, context),
      await checkAdministrators(storage),
    ];
  } catch (error) {
    const detail = error instanceof Error ? error.message || error.name : "unknown";
    const action =
      "check storage in the configuration, that the database runs, and that this user may use it";
    return [{ check: "database", state: "failed", detail, action }];
  } finally {
    await storage?.close();
  }
}

/** A database sealed under another root key can be opened by nobody: better said now than at the first token. */
async function checkFingerprint(storage: Storage, keyring: Keyring): Promise<Finding> {
  const check = "keyring";
  const inUse = await rootKeysInUse(storage);
  const missing = inUse.filter((id) => !keyring.find(id));
  if (inUse.length === 0) return { check, state: "ok", detail: "nothing is sealed yet" };
  if (missing.length === 0) return { check, state: "ok", detail: "opens what this database sealed" };
  return {
    check,
    state: "failed",
    detail: `the database needs root key ${missing.join(", ")}, which is not in the keyring`,
    action: "add that key as a further line of the root key file",
  };
}

async function checkClock(storage: Storage, { clock }: CommandContext): Promise<Finding> {
  const check = "clock";
  const row = await storage
    .db<{ behalf_migrations: { applied_at: number }; audit_events: { occurred_at: number } }>()
    .selectFrom("behalf_migrations")
    .select((eb) => [
      eb.fn.max("applied_at").as("migrated"),
      eb
        .selectFrom("audit_events")
        .select((e) => e.fn.max("occurred_at").as("last"))
        .as("recorded"),
    ])
    .executeTakeFirst();
  const now = clock.now();
  const behindMs = Math.max(row?.migrated ?? 0, row?.recorded ?? 0) - now;
  const apartMs = Math.abs((await databaseTime(storage)) - now);
  const detail = new Date(now).toISOString();
  const action = "set the clocks of this machine and the database's by NTP";
  if (behindMs > MAX_CLOCK_SKEW_MS) {
    const text = `${detail} is ${Math.round(behindMs / 1000)} s before what the database already saw`;
    return { check, state: "failed", detail: text, action };
  }
  if (apartMs > MAX_CLOCK_SKEW_MS) {
    const text = `${detail} is ${Math.round(apartMs / 1000)} s apart from the database's clock`;
    return { check, state: "failed", detail: text, action };
  }
  return { check, state: "ok", detail };
}

/** What the database's machine says the time is, in milliseconds; on SQLite that machine is this one. */
async function databaseTime(storage: Storage): Promise<number> {
  const now =
    storage.engine === "postgres"
      ? sql<{ ms: number }>`select (extract(epoch from clock_timestamp()) * 1000)::bigint as ms`
      : sql<{ ms: number }>`select cast(unixepoch('subsec') * 1000 as integer) as ms`;
  const { rows } = await now.execute(storage.db());
  return Number(rows[0]?.ms ?? 0);
}

async function checkAdministrators(storage: Storage): Promise<Finding> {
  const row = await storage
    .db<{ users: { id: string; role: string; disabled_at: number | null } }>()
    .selectFrom("users")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("role", "=", "admin")
    .where("disabled_at", "is", null)
    .executeTakeFirst();
  const count = Number(row?.count ?? 0);
  const check = "administrators";
  if (count > 0) return { check, state: "ok", detail: String(count) };
  return {
    check,
    state: "warning",
    detail: "none",
    action: 'run "behalf users create --role admin --email …"',
  };
}

async function checkIssuer(config: Config, context: CommandContext): Promise<Finding> {
  const check = "issuer";
  const address = `${config.issuer}.well-known/openid-configuration`;
  try {
    const response = await context.fetch(address, {
      redirect: "manual",
      signal: AbortSignal.timeout(ISSUER_TIMEOUT_MS),
    });
    const document = (await response.json()) as { issuer?: unknown }; // Compared below, used no further.
    if (response.status === 200 && document.issuer === config.issuer)
      return { check, state: "ok", detail: `${config.issuer} answers as itself` };
    const detail = `${address} answers ${response.status} for issuer ${JSON.stringify(document.issuer ?? null)}`;
    const action = "let the proxy pass this address on unchanged, and set issuer to what users open";
    return { check, state: "failed", detail, action };
  } catch {
    // Not running, not resolving, or not our server: for the operator one and the same.
    const action = "normal while the server is stopped; else check DNS, proxy and certificate";
    return { check, state: "warning", detail: `${config.issuer} does not answer`, action };
  }
}

/** A provider that says its own addresses must answer as the issuer that it is configured as. */
async function checkProviders(
  { connections, egress }: Config,
  { clock }: CommandContext,
): Promise<readonly Finding[]> {
  const discovery = createDiscovery({ egress: createEgress(egress), clock });
  const asked = connections.filter(({ kind }) => kind === "oidc");
  return Promise.all(
    asked.map(async (connection): Promise<Finding> => {
      const check = `connection ${connection.name}`;
      try {
        const { jwksUri } = await discovery.endpointsOf(connection);
        return {
          check,
          state: "ok",
          detail: `${connection.issuer} answers as itself, with keys at ${jwksUri}`,
        };
      } catch (error) {
        const detail = error instanceof Error ? error.message : "unknown";
        const action = "check issuer: it must be, byte for byte, what the provider's metadata says";
        return { check, state: "failed", detail, action };
      }
    }),
  );
}

/** A token that a provider sent must be put down somewhere before it is committed. */
function checkDataDir({ dataDir }: Config): Finding {
  const check = "data folder";
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    accessSync(dataDir, constants.W_OK);
    return { check, state: "ok", detail: dataDir };
  } catch (error) {
    const action = "let this user write there, or set dataDir to a folder on a disk that survives a restart";
    return { check, state: "failed", detail: (error as Error).message, action };
  }
}

function checkListening({ issuer, listen }: Config): Finding {
  const check = "TLS";
  if (issuer.startsWith("http:"))
    return { check, state: "ok", detail: "not used: the issuer is on loopback" };
  if (listen.tls) return { check, state: "ok", detail: `ended here with ${listen.tls.certFile}` };
  const detail = `the issuer is https, and this server speaks http on ${listen.host}:${listen.port}`;
  return {
    check,
    state: "warning",
    detail,
    action: "have a proxy end TLS in front of it, or set listen.tls",
  };
}

/** Mail that cannot leave is noticed by whoever waits for a code: better noticed here. */
async function checkMail(
  config: Config,
  context: CommandContext,
  to: string | undefined,
): Promise<readonly Finding[]> {
  const check = "mail";
  const { mail } = config;
  if (!mail) {
    const action = "set mail in the configuration; docs/guides/mail.md says how";
    const detail = "not configured: no codes, resets and notices are sent";
    return [{ check, state: to === undefined ? "warning" : "failed", detail, action }];
  }
  const { host, port, user } = mail.smtp;
  try {
    await context.checkMail({ ...config, mail }, to);
    const how = user === undefined ? "without a log-in" : `as ${user}`;
    const sent = to === undefined ? "" : "; it took a test mail, look whether it arrives";
    return [{ check, state: "ok", detail: `${host}:${port} answers ${how}${sent}` }];
  } catch (error) {
    const detail = `${host}:${port}: ${error instanceof Error ? error.message : "unknown"}`;
    const action =
      "check mail.smtp: host, port, secure, requireTls, user, password, and that the port is open";
    return [{ check, state: "failed", detail, action }];
  }
}

function checkEgress({ egress }: Config): Finding {
  const check = "egress";
  if (egress.allow.length === 0) return { check, state: "ok", detail: "private addresses cannot be reached" };
  const action = "remove egress.allow before production: whoever chooses an address can reach these";
  return { check, state: "warning", detail: `may reach ${egress.allow.join(", ")}`, action };
}
