import { BehalfError } from "../errors.ts";
import type { JsonObject } from "../http.ts";
import { rfc3339 } from "../time.ts";
import { beginConnect, completeConnect } from "./connect.ts";
import { type AppAuthOptions, type AppEnvironment, createEnvironment } from "./environment.ts";
import { beginLogin, completeLogin, createIdTokenKeys, type IdTokenKeys } from "./login.ts";
import { logout } from "./logout.ts";
import { accessTokenOf, openSession, type TokenWish } from "./records.ts";
import { failure } from "./responses.ts";
import { findTransaction } from "./transactions.ts";

export type { AppAuthOptions, AppBehalf } from "./environment.ts";
export type { TokenWish } from "./records.ts";

/** Who is logged in. */
export interface Session {
  /** The subject identifier (`sub`): pass it to `runWithContext`. */
  userId: string;
  /** Claims of the ID token: `name`, `email`, `picture` and the like, as far as the server gave them. */
  user: JsonObject;
  /** RFC 3339, UTC. */
  expiresAt: string;
}

/** An app's login session. */
export interface AppAuth {
  /**
   * Answers `/auth/login`, `/auth/callback`, `/auth/logout` and `/auth/connect`; 404 to everything else.
   * Mount it at the root of the app, under `/auth/*`.
   */
  handler(request: Request): Promise<Response>;
  /** Undefined when nobody is logged in. */
  getSession(request: Request): Promise<Session | undefined>;
  /**
   * An access token for an API, fetched when needed.
   * @throws BehalfError `session.login_required`, `oauth.*`, `network.*`, `server.*`
   */
  getAccessToken(request: Request, wish?: TokenWish): Promise<string>;
  /** For `withTokenVault({ refreshToken })`. Undefined when nobody is logged in. */
  getRefreshToken(request: Request): Promise<string | undefined>;
}

/**
 * Login, logout and connecting accounts for a web app, as one web-standard handler. Tokens stay in the
 * SDK's store; the browser holds an encrypted session id.
 * @throws BehalfError `config.invalid`, naming everything that is missing or wrong
 */
export function createAppAuth(options: AppAuthOptions): AppAuth {
  const env = createEnvironment(options);
  const keys = createIdTokenKeys(env);
  return {
    async handler(request) {
      try {
        return await route(env, keys, request);
      } catch (error) {
        if (!BehalfError.is(error)) throw error;
        return errorPage(error);
      }
    },
    async getSession(request) {
      const session = await openSession(env, request);
      if (!session) return undefined;
      const { userId, claims, expiresAtMs } = session.record;
      return { userId, user: claims, expiresAt: rfc3339(expiresAtMs) };
    },
    async getAccessToken(request, wish = {}) {
      return accessTokenOf(env, await openSession(env, request), wish);
    },
    async getRefreshToken(request) {
      return (await openSession(env, request))?.record.refreshToken;
    },
  };
}

async function route(env: AppEnvironment, keys: IdTokenKeys, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/auth/logout" && (request.method === "GET" || request.method === "POST")) {
    return logout(env, request);
  }
  if (request.method !== "GET") return failure(405, "This address takes only GET.", "session.method");
  if (pathname === "/auth/login") return beginLogin(env, request);
  if (pathname === "/auth/connect") return beginConnect(env, request);
  if (pathname === "/auth/callback") return callback(env, keys, request);
  return failure(404, "There is nothing here.", "session.unknown_route");
}

/** One address for both ways back, so that one redirect URI has to be registered. */
async function callback(env: AppEnvironment, keys: IdTokenKeys, request: Request): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const found = await findTransaction(env, request, query.get("state"));
  if (!found) {
    const sentence = "This page was not opened by this browser's own login, or it took too long.";
    return failure(400, sentence, "session.transaction_unknown");
  }
  const { issuer } = env.behalf.runtime.config;
  const iss = query.get("iss");
  if (iss !== null && iss !== issuer) {
    // RFC 9207 section 2.4: the answer of another server, mixed up with this one's.
    return failure(400, "The answer came from another server.", "session.issuer_mismatch", [found.clear]);
  }
  const { transaction, clear } = found;
  try {
    return transaction.kind === "login"
      ? await completeLogin(env, keys, request, transaction, clear)
      : await completeConnect(env, request, transaction, clear);
  } catch (error) {
    if (!BehalfError.is(error)) throw error;
    // An answer counts once; only what time repairs may be tried again, by loading the page again.
    return errorPage(error, error.retryable ? [] : [clear]);
  }
}

function errorPage(error: BehalfError, cookies: readonly string[] = []): Response {
  return failure(error.retryable ? 503 : 400, "This did not work.", error.code, cookies);
}
