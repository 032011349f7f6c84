import type { Behalf } from "../behalf.ts";
import { isLoopback } from "../config.ts";
import { BehalfError } from "../errors.ts";
import type { Clock, Store } from "../store.ts";
import { type CookieJar, type CookieSealer, createCookieJar, createCookieSealer } from "./cookies.ts";
import { createEndedSessions, type EndedSessions } from "./ended.ts";
import { keepInCookie } from "./keep-in-cookie.ts";
import { keepInStore } from "./keep-in-store.ts";
import type { SessionKeeper } from "./session-record.ts";

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
  /** How long a login lasts without being used, in seconds; each use begins it anew. Default 3 days. */
  sessionIdleSeconds?: number;
  /**
   * Where sessions are. `store` (default): in the SDK's store; a logout ends them whatever cookie is kept.
   * `cookie`: in the browser, encrypted; nothing is kept here, and a cookie that somebody copied works until
   * it expires, also after a logout, unless there is a `revocations` store.
   */
  sessionsIn?: "store" | "cookie";
  /**
   * With `sessionsIn: "cookie"`: where ended sessions are remembered, shared by all processes of the app.
   * Back-channel logout needs it.
   */
  revocations?: Store;
  /** The audiences whose access tokens `/auth/access-token` gives to scripts in the browser. Default: none. */
  browserAudiences?: readonly string[];
  /**
   * Where a connected account comes back to. Default `/auth/callback`, so that one redirect URI is
   * registered; the other one has to be registered beside it.
   */
  connectCallbackPath?: "/auth/callback" | "/auth/connect/callback";
}

/** The same, checked, with what every route needs. */
export interface AppEnvironment {
  behalf: AppBehalf;
  /** As configured, byte for byte: a registered address to come back to after a logout. */
  appBaseUrl: string;
  appOrigin: string;
  redirectUri: string;
  connectRedirectUri: string;
  scope: string;
  audience?: string;
  sessionTtlSeconds: number;
  browserAudiences: readonly string[];
  clock: Clock;
  jar: CookieJar;
  transactionCookie: CookieSealer;
  sessions: SessionKeeper;
  /** Undefined when nothing is remembered of ended sessions. */
  ended: EndedSessions | undefined;
}

const DEFAULT_SCOPE = "openid profile email offline_access";
const DEFAULT_SESSION_SECONDS = 7 * 24 * 60 * 60;
const DEFAULT_IDLE_SECONDS = 3 * 24 * 60 * 60;
const MIN_SECRET_LENGTH = 32;

/** @throws BehalfError `config.invalid`, naming everything that is missing or wrong */
export function createEnvironment(options: AppAuthOptions): AppEnvironment {
  const secrets = typeof options.secret === "string" ? [options.secret] : (options.secret ?? []);
  const problems = [
    ...baseUrlProblems(options.appBaseUrl),
    ...secretProblems(secrets),
    ...lifeProblems(options),
    ...placeProblems(options),
  ];
  if (problems.length > 0) {
    throw new BehalfError("config.invalid", `The session is not configured:\n- ${problems.join("\n- ")}`);
  }
  const { origin, protocol } = new URL(options.appBaseUrl);
  const { runtime } = options.behalf;
  const { clock, store } = runtime.config;
  const jar = createCookieJar({ secure: protocol === "https:" });
  const inCookie = options.sessionsIn === "cookie";
  const sessionTtlSeconds = options.sessionTtlSeconds ?? DEFAULT_SESSION_SECONDS;
  const remembering = inCookie ? options.revocations : store;
  const ended = remembering && createEndedSessions(runtime.config, remembering, sessionTtlSeconds);
  const keep = inCookie ? keepInCookie : keepInStore;
  return {
    behalf: options.behalf,
    appBaseUrl: options.appBaseUrl,
    appOrigin: origin,
    redirectUri: `${origin}/auth/callback`,
    connectRedirectUri: origin + (options.connectCallbackPath ?? "/auth/callback"),
    scope: options.scope ?? DEFAULT_SCOPE,
    ...(options.audience ? { audience: options.audience } : {}),
    sessionTtlSeconds,
    browserAudiences: options.browserAudiences ?? [],
    clock,
    jar,
    transactionCookie: createCookieSealer(secrets, "transaction", clock),
    sessions: keep({
      runtime,
      jar,
      sealer: createCookieSealer(secrets, inCookie ? "session in a cookie" : "session", clock),
      life: {
        idleSeconds: Math.min(options.sessionIdleSeconds ?? DEFAULT_IDLE_SECONDS, sessionTtlSeconds),
      },
      ended,
    }),
    ended,
  };
}

function lifeProblems({ sessionTtlSeconds = 1, sessionIdleSeconds = 1 }: AppAuthOptions): string[] {
  return Object.entries({ sessionTtlSeconds, sessionIdleSeconds }).flatMap(([name, seconds]) =>
    seconds > 0 && Number.isFinite(seconds) ? [] : [`${name} must be a positive number of seconds`],
  );
}

/** A setting that would be ignored is a misunderstanding that costs somebody a logout. */
function placeProblems({ sessionsIn = "store", revocations }: AppAuthOptions): string[] {
  return sessionsIn === "store" && revocations
    ? ['revocations is for sessionsIn: "cookie"; sessions in the store end in the store']
    : [];
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
