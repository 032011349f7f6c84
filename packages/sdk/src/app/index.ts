import type { JsonObject } from "../http.ts";
import { rfc3339 } from "../time.ts";
import type { AnswerHeaders } from "./answer.ts";
import { type AppAuthOptions, createEnvironment } from "./environment.ts";
import { loginRequired } from "./profile.ts";
import { redirect } from "./responses.ts";
import { createRoutes } from "./routes.ts";
import { createJwtVerifier } from "./server-jwt.ts";
import type { OpenSession } from "./session-record.ts";
import { accessTokenOf, type TokenWish } from "./tokens.ts";

export type { AnswerHeaders } from "./answer.ts";
export type { AppAuthOptions, AppBehalf } from "./environment.ts";
export type { TokenWish } from "./tokens.ts";

/** Who is logged in. */
export interface Session {
  /** The subject identifier (`sub`): pass it to `runWithContext`. */
  userId: string;
  /** Claims of the ID token: `name`, `email`, `picture`, `org_id` and the like, as far as the server gave them. */
  user: JsonObject;
  /** RFC 3339, UTC: the end of the session however much it is used. */
  expiresAt: string;
}

/**
 * An app's logins. `answer` is where headers of the app's own answer go. Sessions in the cookie need it, to
 * renew the cookie; sessions in the store do not. The adapters of frameworks pass it by themselves.
 */
export interface AppAuth {
  /** Such as `https://app.example`. */
  readonly appOrigin: string;
  /**
   * Answers `/auth/login`, `/auth/callback`, `/auth/logout`, `/auth/profile`, `/auth/access-token`,
   * `/auth/connect`, `/auth/connect/callback` and `/auth/backchannel-logout`; 404 to everything else. Mount it
   * at the root of the app, under `/auth/*`.
   */
  handler(request: Request): Promise<Response>;
  /** Undefined when nobody is logged in. */
  getSession(request: Request, answer?: AnswerHeaders): Promise<Session | undefined>;
  /**
   * The session, or the answer to send instead: a page is sent to the login and comes back here, a request of
   * a script gets 401 as JSON, with `code` `session.login_required`.
   */
  requireSession(request: Request, answer?: AnswerHeaders): Promise<Session | Response>;
  /**
   * An access token for an API, fetched when needed.
   * @throws BehalfError `session.login_required`, `session.answer_missing`, `oauth.*`, `network.*`, `server.*`
   */
  getAccessToken(request: Request, wish?: TokenWish, answer?: AnswerHeaders): Promise<string>;
  /** For `withTokenVault({ refreshToken })`. Undefined when nobody is logged in. */
  getRefreshToken(request: Request): Promise<string | undefined>;
}

/**
 * Login, logout and connecting accounts for a web app, as one web-standard handler. Safe for concurrent use;
 * nothing of a request is kept between requests. Make one for each process.
 * @throws BehalfError `config.invalid`, naming everything that is missing or wrong
 */
export function createAppAuth(options: AppAuthOptions): AppAuth {
  const env = createEnvironment(options);
  const getSession: AppAuth["getSession"] = async (request, answer) => {
    const session = await env.sessions.open(request, answer);
    return session && sessionOf(session);
  };
  return {
    appOrigin: env.appOrigin,
    handler: createRoutes(env, createJwtVerifier(env)),
    getSession,
    async requireSession(request, answer) {
      return (await getSession(request, answer)) ?? sendToLogin(request, env.appOrigin);
    },
    async getAccessToken(request, wish = {}, answer) {
      const session = await env.sessions.open(request, answer);
      return (await accessTokenOf(env, session, wish, answer)).accessToken;
    },
    async getRefreshToken(request) {
      return (await env.sessions.open(request))?.record.refreshToken;
    },
  };
}

function sessionOf({ record }: OpenSession): Session {
  return { userId: record.userId, user: record.claims, expiresAt: rfc3339(record.expiresAtMs) };
}

function sendToLogin(request: Request, appOrigin: string): Response {
  const { pathname, search } = new URL(request.url);
  const isPage =
    request.method === "GET" &&
    (request.headers.get("sec-fetch-mode") ?? "navigate") === "navigate" &&
    (request.headers.get("accept") ?? "").includes("text/html");
  if (!isPage) return loginRequired();
  return redirect(`${appOrigin}/auth/login?${new URLSearchParams({ returnTo: `${pathname}${search}` })}`);
}
