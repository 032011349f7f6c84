import type { Behalf } from "../behalf.ts";
import { isLoopback } from "../config.ts";
import { BehalfError } from "../errors.ts";
import { type CookieJar, type CookieSealer, createCookieJar, createCookieSealer } from "./cookies.ts";

/** What of the configured SDK a session uses: that of any framework. */
export type AppBehalf = Pick<Behalf, "runtime" | "connectedAccounts">;

/** How an app's login session is set up. */
export interface AppAuthOptions {
  behalf: AppBehalf;
  /** The app's origin, such as `https://app.example`; https, or http on loopback. */
  appBaseUrl: string;
  /** Encrypts cookies, at least 32 characters; the first of several encrypts, all decrypt. */
  secret: string | readonly string[];
  /** Default `openid profile email offline_access`. */
  scope?: string;
  /** The API that the login's access token is for. Default: the server's own. */
  audience?: string;
  /** How long a login lasts at most, in seconds. Default 7 days. */
  sessionTtlSeconds?: number;
}

/** The same, checked, with what every route needs. */
export interface AppEnvironment {
  behalf: AppBehalf;
  /** As configured, byte for byte: a registered address to come back to after a logout. */
  appBaseUrl: string;
  appOrigin: string;
  redirectUri: string;
  scope: string;
  audience?: string;
  sessionTtlSeconds: number;
  jar: CookieJar;
  sessionCookie: CookieSealer;
  transactionCookie: CookieSealer;
}

const DEFAULT_SCOPE = "openid profile email offline_access";
const DEFAULT_SESSION_SECONDS = 7 * 24 * 60 * 60;
const MIN_SECRET_LENGTH = 32;

/** @throws BehalfError `config.invalid`, naming everything that is missing or wrong */
export function createEnvironment(options: AppAuthOptions): AppEnvironment {
  const secrets = typeof options.secret === "string" ? [options.secret] : (options.secret ?? []);
  const problems = [...baseUrlProblems(options.appBaseUrl), ...secretProblems(secrets)];
  if (problems.length > 0) {
    throw new BehalfError("config.invalid", `The session is not configured:\n- ${problems.join("\n- ")}`);
  }
  const { origin, protocol } = new URL(options.appBaseUrl);
  const { clock } = options.behalf.runtime.config;
  return {
    behalf: options.behalf,
    appBaseUrl: options.appBaseUrl,
    appOrigin: origin,
    redirectUri: `${origin}/auth/callback`,
    scope: options.scope ?? DEFAULT_SCOPE,
    ...(options.audience ? { audience: options.audience } : {}),
    sessionTtlSeconds: options.sessionTtlSeconds ?? DEFAULT_SESSION_SECONDS,
    jar: createCookieJar({ secure: protocol === "https:" }),
    sessionCookie: createCookieSealer(secrets, "session", clock),
    transactionCookie: createCookieSealer(secrets, "transaction", clock),
  };
}

function baseUrlProblems(appBaseUrl: string | undefined): string[] {
  if (!appBaseUrl || !URL.canParse(appBaseUrl))
    return ["appBaseUrl must be the app's URL, such as https://app.example"];
  const url = new URL(appBaseUrl);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname))) {
    return ["appBaseUrl must be https, or http on loopback"];
  }
  return url.pathname === "/" && !url.search && !url.hash
    ? []
    : ["appBaseUrl must have no path, query or fragment"];
}

function secretProblems(secrets: readonly string[]): string[] {
  if (secrets.length > 0 && secrets.every((secret) => secret.length >= MIN_SECRET_LENGTH)) return [];
  return [`secret must have at least ${MIN_SECRET_LENGTH} characters (openssl rand -base64 32 makes one)`];
}
