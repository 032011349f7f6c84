import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { parse as parseYaml, YAMLParseError } from "yaml";
import { z } from "zod";
import { resolveBranding } from "./config-branding.ts";
import { builtInApis, clientProblems, crossChecks, permissionProblems } from "./config-rules.ts";
import {
  type AgentPolicy,
  type ApiConfig,
  type ClientConfig,
  type ClientMetadata,
  type Config,
  type ConnectionConfig,
  certificatesOf,
  clientMetadataSchema,
  hasCertificate,
  hasKeys,
  type MailConfig,
  MIN_CLIENT_SECRET_LENGTH,
  type Parsed,
  type SmsConfig,
  schema,
  type secretSource,
} from "./config-schema.ts";
import { parseCertificate } from "./lib/certificates.ts";
import { type Secret, secret } from "./lib/secret.ts";

export type {
  AgentPolicy,
  ApiConfig,
  ClientConfig,
  ClientMetadata,
  Config,
  ConnectionConfig,
  MailConfig,
  SmsConfig,
};
export {
  builtInApis,
  certificatesOf,
  clientMetadataSchema,
  clientProblems,
  hasCertificate,
  hasKeys,
  MIN_CLIENT_SECRET_LENGTH,
  permissionProblems,
};

/** The configuration cannot be used. `problems` lists every fault with its path and what was expected. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration has ${problems.length} problem(s):\n  ${problems.join("\n  ")}`);
    this.problems = problems;
  }
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
  const mail = parsed.mail && {
    ...parsed.mail,
    smtp: {
      ...parsed.mail.smtp,
      password: resolveSecret("mail.smtp.password", parsed.mail.smtp.password),
    },
  };
  const sms = parsed.sms && {
    ...parsed.sms,
    password: resolveSecret("sms.password", parsed.sms.password),
  };
  const presharedKeys = parsed.fga.presharedKeys.map((key, i) =>
    resolveSecret(`fga.presharedKeys.${i}`, key),
  );
  const rootKey = resolveSecret("rootKey", parsed.rootKey);
  const listen = {
    ...parsed.listen,
    tls: resolveTls(parsed.listen.tls, sources.baseDir, problems),
    mtls: resolveMtls(parsed.listen.mtls, sources.baseDir, problems),
  };
  const branding = resolveBranding(parsed.branding, sources.baseDir, problems);
  if (problems.length > 0 || !rootKey) throw new ConfigError(problems);
  return {
    ...parsed,
    branding,
    listen,
    dataDir: resolve(sources.baseDir, parsed.dataDir),
    login: {
      ...parsed.login,
      breachedPasswordsFile:
        parsed.login.breachedPasswordsFile && resolve(sources.baseDir, parsed.login.breachedPasswordsFile),
    },
    storage: resolveStorage(parsed.storage, sources.baseDir),
    apis: parsed.apis.map((entry) => ({
      ...entry,
      signingAlgorithm: entry.signingAlgorithm ?? parsed.keys.defaultAlgorithm,
    })),
    clients,
    connections,
    mail,
    sms,
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
    // An option that is on, off, or on with options of its own.
    if (node.anyOf?.some(({ type }) => type === "boolean")) for (const form of node.anyOf) walk(form, path);
    if (typeof node.additionalProperties === "object") walk(node.additionalProperties, `${path}.*`);
  };
  // The members read here are plain JSON Schema; zod types the document more loosely.
  walk(z.toJSONSchema(schema, { io: "input" }) as SchemaNode, "");
  return keys;
}

interface SchemaNode {
  readonly type?: string;
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly additionalProperties?: SchemaNode | boolean;
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

function resolveMtls(mtls: Parsed["listen"]["mtls"], baseDir: string, problems: string[]) {
  if (!mtls) return undefined;
  const caFile = mtls.caFile === undefined ? undefined : resolve(baseDir, mtls.caFile);
  if (caFile !== undefined && parseCertificate(readText(caFile) ?? "") === undefined)
    problems.push(`listen.mtls.caFile: the file ${caFile} has no certificate in PEM`);
  return { port: mtls.port, caFile };
}

function resolveStorage(storage: string, baseDir: string): string {
  const file = storage.startsWith("sqlite:") ? storage.slice("sqlite:".length) : undefined;
  if (file === undefined || file === ":memory:" || isAbsolute(file)) return storage;
  return `sqlite:${resolve(baseDir, file)}`;
}
