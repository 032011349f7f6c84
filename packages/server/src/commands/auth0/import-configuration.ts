import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { stringify } from "yaml";
import type { Config } from "../../config.ts";
import { type Mapped, mapApi, mapRole } from "./map-apis.ts";
import { mapClient } from "./map-clients.ts";
import { mapConnection } from "./map-connections.ts";
import type { Entry, Tenant } from "./read-tenant.ts";
import type { Report } from "./report.ts";

/** Bits of a generated client secret. */
const SECRET_BITS = 256;
const HEAD = `# Made by "behalf import auth0". Put these entries into behalf.yaml; paths start there.\n`;

export interface ConfigurationImport {
  readonly config: Config;
  /** The configuration file's folder: where its paths start. */
  readonly baseDir: string;
  /** Where the entries and their secrets are written. */
  readonly outDir: string;
  readonly report: Report;
  readonly dryRun: boolean;
}

type Part = Record<"apis" | "clients" | "connections" | "roles", Readonly<Record<string, unknown>>[]>;

/**
 * Writes what belongs into the configuration file as `behalf-part.yaml`, secrets as files beside it. What the
 * configuration has already is left as it is. Returns the file; `undefined` when there is nothing to add.
 */
export function importConfiguration(tenant: Tenant, given: ConfigurationImport): string | undefined {
  const { config, report } = given;
  const { sections } = tenant;
  const part: Part = { apis: [], clients: [], connections: [], roles: [] };
  const secrets = new Map<string, string>();
  const add = (kind: keyof Part, word: string, mapped: Mapped, isThere: boolean, extra: object = {}) => {
    const { name, made, notes } = mapped;
    if (made === undefined) return report.add(word, name, "left", ["this server has its own"]);
    if (typeof made === "string") return report.add(word, name, "refused", [made]);
    if (isThere) return report.add(word, name, "there");
    part[kind].push({ ...made, ...extra });
    report.add(word, name, notes.length > 0 ? "partly" : "taken", notes);
  };
  const secretFile = (name: string, value: string | undefined) => {
    const file = join(given.outDir, "secrets", name);
    if (value !== undefined) secrets.set(file, value);
    return { file: relative(given.baseDir, file) };
  };

  const apis = sections.resourceServers.map(mapApi);
  for (const mapped of apis)
    add(
      "apis",
      "api",
      mapped,
      config.apis.some((one) => one.audience === memberOf(mapped, "audience")),
    );
  const known = [...config.apis, ...part.apis].map((api) => ({
    audience: String(api.audience),
    // Ours, or made above.
    scopes: api.scopes as Readonly<Record<string, string>>,
  }));
  const audiences = new Map(known.map((api) => [api.audience, new Set(Object.keys(api.scopes))]));
  for (const entry of sections.roles) {
    const mapped = mapRole(entry, audiences);
    add(
      "roles",
      "role",
      mapped,
      config.roles.some((one) => one.name === memberOf(mapped, "name")),
    );
  }
  for (const entry of sections.clients) {
    const mapped = mapClient(entry, {
      issuer: config.issuer,
      listen: config.listen,
      apis: known,
      grants: sections.clientGrants,
    });
    const isThere = config.clients.some((one) => one.id === mapped.id);
    if (part.clients.some(({ id }) => id === mapped.id)) {
      report.add("client", mapped.name, "refused", [`another client of the export has the id ${mapped.id}`]);
      continue;
    }
    const fresh = randomBytes(SECRET_BITS / 8).toString("base64url");
    const secret = mapped.needsSecret && !isThere && typeof mapped.made === "object";
    add(
      "clients",
      "client",
      mapped,
      isThere,
      secret ? { secret: secretFile(`client-${mapped.id}`, fresh) } : {},
    );
  }
  for (const entry of sections.connections) {
    const mapped = mapConnection(entry);
    const isThere = config.connections.some((one) => one.name === mapped.name);
    const secret = typeof mapped.made === "object" && !isThere;
    const file = secret
      ? { clientSecret: secretFile(`connection-${mapped.name}`, mapped.providerSecret) }
      : {};
    add("connections", "connection", mapped, isThere, file);
  }
  reportDatabases(sections.databases, report);
  return write(part, secrets, given);
}

function memberOf({ made }: Mapped, name: string): unknown {
  return typeof made === "object" ? made[name] : undefined;
}

/** People are taken, the scripts that looked them up elsewhere are not. */
function reportDatabases(databases: readonly Entry[], report: Report): void {
  for (const database of databases) {
    const options = database["options"] as Entry | undefined; // Looked at for one member.
    const isCustom = options?.["enabledDatabaseCustomization"] === true;
    const notes = isCustom ? ["scripts of a database of its own do not run here: import its users"] : [];
    report.add("database", String(database["name"] ?? ""), isCustom ? "partly" : "left", [
      ...notes,
      "people log in by the method password",
    ]);
  }
}

function write(
  part: Part,
  secrets: ReadonlyMap<string, string>,
  given: ConfigurationImport,
): string | undefined {
  const { outDir, report, dryRun } = given;
  const full = Object.fromEntries(Object.entries(part).filter(([, list]) => list.length > 0));
  if (Object.keys(full).length === 0 || dryRun) return undefined;
  const file = join(outDir, "behalf-part.yaml");
  const text = HEAD + stringify(full);
  // Whoever edited it keeps the edits.
  if (existsSync(file) && readFileSync(file, "utf8") !== text) {
    report.add("file", file, "refused", [
      "is there with another content and stays as it is: remove it, or use --out",
    ]);
    return undefined;
  }
  for (const [name, value] of secrets) {
    mkdirSync(dirname(name), { recursive: true, mode: 0o700 });
    if (!existsSync(name)) writeFileSync(name, `${value}\n`, { mode: 0o600, flag: "wx" });
  }
  mkdirSync(outDir, { recursive: true, mode: 0o700 });
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}
