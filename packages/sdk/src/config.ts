import type { CryptoKey, JWK, KeyObject } from "jose";
import { BehalfError } from "./errors.ts";
import { type Clock, type Store, systemClock } from "./store.ts";

/** Where relations are checked: the server's own engine unless told otherwise. */
export interface FgaOptions {
  /** Base URL of the OpenFGA API, without `/stores`. Default `BEHALF_FGA_URL`, else the issuer. */
  url?: string;
  /** Default `BEHALF_FGA_STORE_ID`. */
  storeId?: string;
  /** Pins checks to one authorization model. Default: the store's newest. */
  modelId?: string;
  /** A preshared key. Without it the client's own credentials are exchanged for a token. */
  presharedKey?: string;
  /** The audience of that token. Default: the server's own for its engine, else `url`. */
  audience?: string;
}

/** What `createBehalf` is told. Each text falls back to the environment variable beside it. */
export interface BehalfOptions {
  /** `BEHALF_ISSUER`. Ends in `/`; https, or http on loopback. */
  issuer?: string;
  /** `BEHALF_CLIENT_ID`. */
  clientId?: string;
  /** `BEHALF_CLIENT_SECRET`. One of this and `privateKey`. */
  clientSecret?: string;
  /** Authenticates with a signed assertion instead of a secret (`private_key_jwt`). Needs `storeKey`. */
  privateKey?: CryptoKey | KeyObject | JWK;
  /** The signature algorithm of `privateKey`. Default `ES256`. */
  privateKeyAlg?: string;
  /** Where open approvals and sessions are kept: `createSqliteStore({ path })` or one of your own. */
  store: Store;
  /**
   * Seals what is put into the store, at least 32 characters; the first of several seals, all open. Default:
   * the client secret.
   */
  storeKey?: string | readonly string[];
  fga?: FgaOptions;
  /** How long one request to the server may take, in milliseconds. Default 10,000. */
  timeoutMs?: number;
  clock?: Clock;
  fetch?: typeof fetch;
}

/** `BehalfOptions` with every default filled in and every value checked. */
export interface BehalfConfig {
  issuer: string;
  clientId: string;
  clientAuth: ClientAuth;
  store: Store;
  storeKeys: readonly [string, ...string[]];
  fga: { url: string; storeId?: string; modelId?: string; presharedKey?: string; audience: string };
  timeoutMs: number;
  clock: Clock;
  fetch: typeof fetch;
}

export type ClientAuth =
  | { method: "client_secret_post"; clientSecret: string }
  | { method: "private_key_jwt"; key: CryptoKey | KeyObject | JWK; alg: string };

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_TIMEOUT_MS = 10_000;
/** Below this a key could be guessed; the server's client secrets are longer. */
const MIN_STORE_KEY_LENGTH = 32;

/**
 * Fills in the environment and checks everything at once.
 * @throws BehalfError `config.invalid`, naming every problem and the option or variable that solves it
 */
export function resolveConfig(options: BehalfOptions, environment: Environment = process.env): BehalfConfig {
  const problems: string[] = [];
  const required = (value: string | undefined, option: string, variable: string): string => {
    const found = value || environment[variable];
    if (!found) problems.push(`${option} is missing: pass it or set ${variable}`);
    return found ?? "";
  };

  const issuer = required(options.issuer, "issuer", "BEHALF_ISSUER");
  if (issuer) problems.push(...issuerProblems(issuer));
  const clientId = required(options.clientId, "clientId", "BEHALF_CLIENT_ID");
  const clientAuth: ClientAuth = options.privateKey
    ? { method: "private_key_jwt", key: options.privateKey, alg: options.privateKeyAlg ?? "ES256" }
    : {
        method: "client_secret_post",
        clientSecret: required(options.clientSecret, "clientSecret", "BEHALF_CLIENT_SECRET"),
      };
  if (!options.store) {
    problems.push("store is missing: pass createSqliteStore({ path }) or createMemoryStore()");
  }
  const storeKeys = resolveStoreKeys(options.storeKey, clientAuth, problems);
  const fga = resolveFga(options.fga ?? {}, issuer, environment);
  const fgaProblem = urlProblem(fga.url);
  if (fga.url && fgaProblem && fga.url !== issuer) problems.push(`fga.url ${fgaProblem} (BEHALF_FGA_URL)`);

  if (problems.length > 0) {
    throw new BehalfError("config.invalid", `Behalf is not configured:\n- ${problems.join("\n- ")}`);
  }
  return {
    issuer,
    clientId,
    clientAuth,
    store: options.store,
    storeKeys,
    fga,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    clock: options.clock ?? systemClock,
    fetch: options.fetch ?? fetch,
  };
}

function resolveStoreKeys(
  storeKey: BehalfOptions["storeKey"],
  clientAuth: ClientAuth,
  problems: string[],
): readonly [string, ...string[]] {
  const [first, ...others] = typeof storeKey === "string" ? [storeKey] : (storeKey ?? []);
  if (first === undefined) {
    if (clientAuth.method === "client_secret_post") return [clientAuth.clientSecret];
    problems.push("storeKey is missing: with privateKey there is no client secret to derive it from");
    return [""];
  }
  if ([first, ...others].some((key) => key.length < MIN_STORE_KEY_LENGTH)) {
    problems.push(`storeKey is too short: at least ${MIN_STORE_KEY_LENGTH} characters`);
  }
  return [first, ...others];
}

function resolveFga(fga: FgaOptions, issuer: string, environment: Environment): BehalfConfig["fga"] {
  const url = fga.url || environment["BEHALF_FGA_URL"] || issuer;
  const storeId = fga.storeId || environment["BEHALF_FGA_STORE_ID"];
  return {
    url,
    audience: fga.audience ?? (url === issuer ? `${issuer}fga/` : url),
    ...(storeId ? { storeId } : {}),
    ...(fga.modelId ? { modelId: fga.modelId } : {}),
    ...(fga.presharedKey ? { presharedKey: fga.presharedKey } : {}),
  };
}

function issuerProblems(issuer: string): string[] {
  const problem = urlProblem(issuer);
  if (problem) return [`issuer ${problem} (BEHALF_ISSUER)`];
  if (!issuer.endsWith("/")) return [`issuer must end in "/" (BEHALF_ISSUER)`];
  const { search, hash, username, password } = new URL(issuer);
  if (search || hash || username || password) {
    return ["issuer must have no query, fragment or user information (BEHALF_ISSUER)"];
  }
  return [];
}

function urlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return "is not a URL";
  const { protocol, hostname } = new URL(text);
  if (protocol === "https:" || (protocol === "http:" && isLoopback(hostname))) return undefined;
  return "must be https, or http on loopback";
}

/** Whether plain http to this host stays on the machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
