import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { parse as parseYaml, YAMLParseError } from "yaml";
import { z } from "zod";
import { type Secret, secret } from "./lib/secret.ts";

/** The configuration cannot be used. `problems` lists every fault with its path and what was expected. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration has ${problems.length} problem(s):\n  ${problems.join("\n  ")}`);
    this.problems = problems;
  }
}

/** 256 bits as base64url or hexadecimal are at least this long. */
export const MIN_CLIENT_SECRET_LENGTH = 43;

const identifier = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "letters, digits, . _ - (at most 128)");
const scopeName = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/, "an OAuth scope without spaces");
const webUrl = z.string().refine(isWebUrl, "an https URL, or http on loopback");
const secretSource = z.union([
  z.strictObject({ env: z.string().describe("name of an environment variable") }),
  z.strictObject({ file: z.string().describe("path of a file that holds the secret") }),
]);

const agentPolicy = z.strictObject({
  /** Who answers for this agent; shown to users. */
  owner: z.string().min(1).max(200),
  /** What it is for, in one sentence; shown to users. */
  purpose: z.string().min(1).max(500),
  /** Connections it may use, each with the scopes it may have. */
  connections: z.record(identifier, z.strictObject({ scopes: z.array(scopeName).max(100) })).default({}),
});

/** What is known of a client besides its id and secret; the database keeps the same shape as the file. */
export const clientMetadataSchema = z.strictObject({
  name: z.string().min(1).max(200),
  redirectUris: z.array(z.string().max(2048)).max(50).default([]),
  postLogoutRedirectUris: z.array(z.string().max(2048)).max(50).default([]),
  grantTypes: z
    .array(z.enum(["authorization_code", "refresh_token", "client_credentials", "ciba", "token_vault"]))
    .default(["authorization_code", "refresh_token"]),
  /** APIs this client may ask tokens for, with the scopes it may have. */
  apis: z.record(z.string(), z.strictObject({ scopes: z.array(scopeName) })).default({}),
  /** A first-party client needs no consent page for profile scopes and its own APIs. */
  firstParty: z.boolean().default(false),
  /** Rotate refresh tokens at each use. Default: public clients only. */
  rotateRefreshTokens: z.boolean().optional(),
  idTokenAlgorithm: z.enum(["RS256", "ES256"]).default("RS256"),
  agent: agentPolicy.optional(),
});

const client = clientMetadataSchema.extend({
  id: identifier,
  /** Absent: a public client, which authenticates with PKCE alone. */
  secret: secretSource.optional(),
});

const api = z.strictObject({
  /** Audience: an absolute URI. */
  audience: z
    .string()
    .refine((value) => URL.canParse(value) && !value.includes("#"), "an absolute URI without fragment"),
  name: z.string().min(1).max(200),
  /** Scope to what it lets one do, in plain words. */
  scopes: z.record(scopeName, z.string().min(1).max(300)).default({}),
  signingAlgorithm: z.enum(["ES256", "RS256", "EdDSA"]).default("ES256"),
  accessTokenTtlSeconds: z.number().int().min(30).max(86_400).default(3_600),
  /** Types of authorization details this API takes, with a title for the approval page. */
  detailTypes: z
    .record(z.string().min(1).max(128), z.strictObject({ title: z.string().min(1).max(100) }))
    .default({}),
  /** Refuse approvals that carry no authorization details. */
  requireDetails: z.boolean().default(false),
});

const connection = z.strictObject({
  name: identifier,
  displayName: z.string().min(1).max(100),
  kind: z.literal("oauth2").default("oauth2"),
  authorizationEndpoint: webUrl,
  tokenEndpoint: webUrl,
  revocationEndpoint: webUrl.optional(),
  /** Where the account's id and label come from. */
  userinfoEndpoint: webUrl,
  /** Issuer the provider puts in `iss` (RFC 9207); checked when given. */
  issuer: z.string().optional(),
  clientId: z.string().min(1).max(512),
  clientSecret: secretSource.optional(),
  clientAuthMethod: z
    .enum(["client_secret_post", "client_secret_basic", "none"])
    .default("client_secret_post"),
  /** Scope to what it lets one do, in plain words. */
  scopes: z.record(scopeName, z.string().min(1).max(300)).default({}),
  scopeSeparator: z.enum([" ", ","]).default(" "),
  /** Added to the authorization request, for example `{ access_type: offline }`. */
  authorizationParams: z.record(z.string().max(64), z.string().max(512)).default({}),
  /** Member of the userinfo answer that names the account for good. */
  accountIdField: z.string().default("sub"),
  /** Member of the userinfo answer that the user recognises. */
  accountLabelField: z.string().default("email"),
  /** What the provider does with a refresh token that is used. */
  rotation: z.enum(["none", "grace", "strict", "unknown"]).default("unknown"),
  /**
   * What a refresh that asks for fewer scopes does to the grant: RFC 6749 section 6 keeps it whole, some
   * providers that rotate take the other scopes away for good. Default: keeps_grant when rotation is none.
   */
  narrowing: z.enum(["keeps_grant", "loses_grant"]).optional(),
  graceSeconds: z.number().int().min(0).max(86_400).default(0),
});

const schema = z.strictObject({
  issuer: z.string().refine(isIssuer, 'an address that ends in "/": https, or http on loopback'),
  production: z.boolean().default(false),
  listen: z
    .strictObject({
      host: z.string().default("127.0.0.1"),
      port: z.number().int().min(0).max(65_535).default(4000),
      tls: z.strictObject({ certFile: z.string(), keyFile: z.string() }).optional(),
    })
    .prefault({}),
  storage: z.string().regex(/^(sqlite:.+|postgres(ql)?:\/\/.+)$/, '"sqlite:<file>" or "postgres://…"'),
  /** Folder for what is not in the database: tokens that were received and are not committed yet. */
  dataDir: z.string().min(1).default("./data"),
  /** Root keys: base64, one a line, the first seals. */
  rootKey: secretSource,
  clients: z.array(client).default([]),
  apis: z.array(api).default([]),
  connections: z.array(connection).default([]),
  fga: z.strictObject({ presharedKeys: z.array(secretSource).default([]) }).prefault({}),
  login: z.strictObject({ signUp: z.boolean().default(true) }).prefault({}),
  /** Registration of clients by themselves; both off by default. */
  registration: z
    .strictObject({ dynamic: z.boolean().default(false), clientIdDocuments: z.boolean().default(false) })
    .prefault({}),
  egress: z
    .strictObject({ allow: z.array(z.string().regex(/^[^:/]+:\d+$/, "host:port")).default([]) })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info") })
    .prefault({}),
});

type Parsed = z.infer<typeof schema>;
type WithSecret<T, K extends keyof T> = Omit<T, K> & { readonly [P in K]: Secret | undefined };

/** An OAuth client as configured. */
export type ClientConfig = WithSecret<Parsed["clients"][number], "secret">;
/** A client's metadata with defaults filled in. */
export type ClientMetadata = z.infer<typeof clientMetadataSchema>;
/** What an agent may do. */
export type AgentPolicy = z.infer<typeof agentPolicy>;
/** A resource server that accepts our tokens. */
export type ApiConfig = Parsed["apis"][number];
/** A third-party provider. */
export type ConnectionConfig = WithSecret<Parsed["connections"][number], "clientSecret">;

/** The whole configuration, secrets resolved. */
export interface Config extends Omit<Parsed, "clients" | "connections" | "rootKey" | "fga" | "listen"> {
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  };
  readonly clients: readonly ClientConfig[];
  readonly connections: readonly ConnectionConfig[];
  readonly rootKey: Secret;
  /** Where the root key came from; a file by its absolute path. */
  readonly rootKeySource: { readonly env: string } | { readonly file: string };
  readonly fga: { readonly presharedKeys: readonly Secret[] };
}

/** Where values come from besides the file. Only this module reads the environment. */
export interface ConfigSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths start from. */
  readonly baseDir: string;
}

/**
 * Reads `file` and the environment.
 * @throws ConfigError with all problems at once.
 */
export function loadConfig(file: string, env: ConfigSources["env"] = process.env): Config {
  if (!existsSync(file)) throw new ConfigError([`${file} does not exist; run "behalf init" to write one`]);
  const text = readText(file);
  if (text === undefined)
    throw new ConfigError([`${file} cannot be read; check that it is a file you may read`]);
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (error) {
    if (error instanceof YAMLParseError) throw new ConfigError([`${file}: ${error.message}`]);
    throw error;
  }
  return parseConfig(value, { env, baseDir: dirname(resolve(file)) });
}

/**
 * Checks an already parsed configuration. `BEHALF_ISSUER`, `BEHALF_STORAGE` and `BEHALF_PORT` override it.
 * @throws ConfigError with all problems at once.
 */
export function parseConfig(value: unknown, sources: ConfigSources): Config {
  const result = schema.safeParse(override(value, sources.env));
  if (!result.success) {
    throw new ConfigError(
      result.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`),
    );
  }
  const parsed = result.data;
  const problems = crossChecks(parsed);
  const resolveSecret = (
    path: string,
    source: z.infer<typeof secretSource> | undefined,
  ): Secret | undefined => {
    if (!source) return undefined;
    const text = readSecret(source, sources);
    if (typeof text === "string" && text !== "") return secret(text);
    const from = "env" in source ? `the environment variable ${source.env}` : `the file ${source.file}`;
    problems.push(`${path}: ${from} is missing or empty`);
    return undefined;
  };
  const clients = parsed.clients.map((entry, i) => ({
    ...entry,
    secret: resolveSecret(`clients.${i}.secret`, entry.secret),
  }));
  parsed.clients.forEach((entry, i) => {
    const text = entry.secret ? readSecret(entry.secret, sources) : undefined;
    if (text && text.length < MIN_CLIENT_SECRET_LENGTH)
      problems.push(
        `clients.${i}.secret: must have at least ${MIN_CLIENT_SECRET_LENGTH} characters (256 random bits)`,
      );
  });
  const connections = parsed.connections.map((entry, i) => ({
    ...entry,
    clientSecret: resolveSecret(`connections.${i}.clientSecret`, entry.clientSecret),
  }));
  const presharedKeys = parsed.fga.presharedKeys.map((key, i) =>
    resolveSecret(`fga.presharedKeys.${i}`, key),
  );
  const rootKey = resolveSecret("rootKey", parsed.rootKey);
  const listen = { ...parsed.listen, tls: resolveTls(parsed.listen.tls, sources.baseDir, problems) };
  if (problems.length > 0 || !rootKey) throw new ConfigError(problems);
  return {
    ...parsed,
    listen,
    dataDir: resolve(sources.baseDir, parsed.dataDir),
    storage: resolveStorage(parsed.storage, sources.baseDir),
    clients,
    connections,
    rootKey,
    rootKeySource:
      "file" in parsed.rootKey ? { file: resolve(sources.baseDir, parsed.rootKey.file) } : parsed.rootKey,
    fga: { presharedKeys: presharedKeys.filter((key) => key !== undefined) },
  };
}

function override(value: unknown, env: ConfigSources["env"]): unknown {
  if (typeof value !== "object" || value === null) return value;
  const config: Record<string, unknown> = { ...value };
  if (env["BEHALF_ISSUER"]) config["issuer"] = env["BEHALF_ISSUER"];
  if (env["BEHALF_STORAGE"]) config["storage"] = env["BEHALF_STORAGE"];
  if (env["BEHALF_PORT"])
    config["listen"] = { ...(config["listen"] as object), port: Number(env["BEHALF_PORT"]) };
  return config;
}

/**
 * Every key of the file as a dotted path: `[]` for the members of a list, `*` for names the operator
 * chooses. `docs/config.md` names each.
 */
export function configKeys(): string[] {
  const keys: string[] = [];
  const walk = (node: SchemaNode, path: string): void => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      const key = path === "" ? name : `${path}.${name}`;
      keys.push(key);
      walk(child, key);
    }
    if (node.items) walk(node.items, `${path}[]`);
    if (typeof node.additionalProperties === "object") walk(node.additionalProperties, `${path}.*`);
  };
  // The members read here are plain JSON Schema; zod types the document more loosely.
  walk(z.toJSONSchema(schema, { io: "input" }) as SchemaNode, "");
  return keys;
}

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly additionalProperties?: SchemaNode | boolean;
}

/** What one field cannot know: names used twice, references into the void, what production refuses. */
function crossChecks(config: Parsed): string[] {
  const problems: string[] = [];
  const duplicates = (path: string, names: readonly string[]) => {
    for (const name of new Set(names.filter((item, i) => names.indexOf(item) !== i)))
      problems.push(`${path}: "${name}" appears twice`);
  };
  duplicates(
    "clients",
    config.clients.map((entry) => entry.id),
  );
  duplicates(
    "apis",
    config.apis.map((entry) => entry.audience),
  );
  duplicates(
    "connections",
    config.connections.map((entry) => entry.name),
  );
  config.clients.forEach((entry, i) => {
    problems.push(
      ...clientProblems(entry, { confidential: Boolean(entry.secret), config }).map(
        (it) => `clients.${i}${it}`,
      ),
    );
  });
  config.apis.forEach((entry, i) => {
    if (builtInApis(config.issuer).some((own) => own.audience === entry.audience))
      problems.push(`apis.${i}.audience: "${entry.audience}" is an API of this server; leave it out`);
  });
  config.connections.forEach((entry, i) => {
    if (entry.clientAuthMethod !== "none" && !entry.clientSecret)
      problems.push(
        `connections.${i}.clientSecret: ${entry.clientAuthMethod} needs one; or set clientAuthMethod to none`,
      );
  });
  if (config.production) {
    if (config.egress.allow.length > 0)
      problems.push("egress.allow: private addresses are refused in production");
    if (!config.issuer.startsWith("https:")) problems.push("issuer: must be https in production");
    if ("env" in config.rootKey)
      problems.push("rootKey: use a file in production; an environment leaks into children");
  }
  return problems;
}

/** APIs that every deployment has, named by their audience. They are not declared in the file. */
export function builtInApis(issuer: string): readonly { audience: string; scopes: readonly string[] }[] {
  return [
    {
      audience: `${issuer}me/`,
      scopes: ["create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"],
    },
    { audience: `${issuer}admin/`, scopes: ["admin"] },
    { audience: `${issuer}fga/`, scopes: [] },
    { audience: `${issuer}approvals/`, scopes: [] },
  ];
}

/**
 * What is wrong with a client beyond the form of its fields: addresses that lead nowhere safe, references
 * to what does not exist. Each problem starts with the path inside the client.
 */
export function clientProblems(
  entry: ClientMetadata,
  against: { confidential: boolean; config: Pick<Parsed, "issuer"> & ClientReferences },
): string[] {
  const { config } = against;
  const problems: string[] = [];
  const apis = new Map([
    ...builtInApis(config.issuer).map((own) => [own.audience, own.scopes] as const),
    ...config.apis.map((item) => [item.audience, Object.keys(item.scopes)] as const),
  ]);
  for (const [audience, { scopes }] of Object.entries(entry.apis)) {
    const known = apis.get(audience);
    if (!known) problems.push(`.apis: no api has the audience "${audience}"`);
    for (const scope of known ? scopes : [])
      if (!known?.includes(scope)) problems.push(`.apis.${audience}: the api has no scope "${scope}"`);
  }
  for (const [name, policy] of Object.entries(entry.agent?.connections ?? {})) {
    const known = config.connections.find((item) => item.name === name);
    if (!known) problems.push(`.agent.connections: there is no connection "${name}"`);
    for (const scope of known ? policy.scopes : [])
      if (!Object.hasOwn(known?.scopes ?? {}, scope))
        problems.push(`.agent.connections.${name}: the connection has no scope "${scope}"`);
  }
  for (const field of ["redirectUris", "postLogoutRedirectUris"] as const)
    for (const uri of entry[field])
      if (!isRedirectUri(uri))
        problems.push(`.${field}: "${uri}" must be https, or http on loopback, without fragment`);
  const needSecret = entry.grantTypes.filter(
    (type) => type !== "authorization_code" && type !== "refresh_token",
  );
  if (!against.confidential && needSecret.length > 0)
    problems.push(`: a client without secret may use authorization_code and refresh_token only`);
  return problems;
}

/** The part of the configuration that clients refer to. */
interface ClientReferences {
  readonly apis: readonly Pick<ApiConfig, "audience" | "scopes">[];
  readonly connections: readonly Pick<ConnectionConfig, "name" | "scopes">[];
}

function readSecret(
  source: z.infer<typeof secretSource>,
  { env, baseDir }: ConfigSources,
): string | undefined {
  if ("env" in source) return env[source.env]?.trim();
  return readText(resolve(baseDir, source.file))?.trim();
}

/** `undefined` for what is no file or may not be read; the caller names the path in its problem. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // Missing, a folder, or not readable: one problem for the operator.
  }
}

function resolveTls(tls: Parsed["listen"]["tls"], baseDir: string, problems: string[]) {
  if (!tls) return undefined;
  const files = { certFile: resolve(baseDir, tls.certFile), keyFile: resolve(baseDir, tls.keyFile) };
  for (const [key, path] of Object.entries(files))
    if (readText(path) === undefined) problems.push(`listen.tls.${key}: the file ${path} cannot be read`);
  return files;
}

function resolveStorage(storage: string, baseDir: string): string {
  const file = storage.startsWith("sqlite:") ? storage.slice("sqlite:".length) : undefined;
  if (file === undefined || file === ":memory:" || isAbsolute(file)) return storage;
  return `sqlite:${resolve(baseDir, file)}`;
}

function isLoopback(url: URL): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}

function isWebUrl(value: string): boolean {
  const url = URL.parse(value);
  return (
    url !== null &&
    !url.username &&
    (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url)))
  );
}

/** RFC 6749 section 3.1.2: no fragment. Compared as text later, so only visible ASCII is taken. */
function isRedirectUri(value: string): boolean {
  return isWebUrl(value) && !value.includes("#") && /^[\x21-\x7e]+$/.test(value);
}

function isIssuer(value: string): boolean {
  const url = URL.parse(value);
  return (
    value.endsWith("/") &&
    !value.includes("?") &&
    !value.includes("#") &&
    url?.href === value &&
    isWebUrl(value)
  );
}
