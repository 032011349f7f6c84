import { BehalfError } from "../errors.ts";
import { type AnswerHeaders, NO_STORE } from "./answer.ts";
import { backchannelLogout } from "./backchannel-logout.ts";
import { beginConnect, completeConnect } from "./connect.ts";
import type { AppEnvironment } from "./environment.ts";
import { beginLogin, completeLogin } from "./login.ts";
import { logout } from "./logout.ts";
import { accessToken, profile } from "./profile.ts";
import { failure } from "./responses.ts";
import type { JwtVerifier } from "./server-jwt.ts";
import { findTransaction } from "./transactions.ts";

interface Route {
  methods: readonly string[];
  answer(request: Request, answer: AnswerHeaders): Promise<Response>;
}

/** One handler for everything under `/auth/`. No answer of it may be kept by a cache. */
export function createRoutes(
  env: AppEnvironment,
  verifyJwt: JwtVerifier,
): (request: Request) => Promise<Response> {
  const get = ["GET"];
  const routes = new Map<string, Route>([
    ["/auth/login", { methods: get, answer: (request) => beginLogin(env, request) }],
    ["/auth/callback", { methods: get, answer: (...args) => callback(env, verifyJwt, ...args) }],
    ["/auth/logout", { methods: ["GET", "POST"], answer: (request) => logout(env, request) }],
    ["/auth/profile", { methods: get, answer: (...args) => profile(env, ...args) }],
    ["/auth/access-token", { methods: get, answer: (...args) => accessToken(env, ...args) }],
    ["/auth/connect", { methods: get, answer: (...args) => beginConnect(env, ...args) }],
    ["/auth/connect/callback", { methods: get, answer: (...args) => callback(env, verifyJwt, ...args) }],
    [
      "/auth/backchannel-logout",
      { methods: ["POST"], answer: (request) => backchannelLogout(env, verifyJwt, request) },
    ],
  ]);

  return async (request) => {
    const route = routes.get(new URL(request.url).pathname);
    if (!route) return failure(404, "There is nothing here.", "session.unknown_route");
    if (!route.methods.includes(request.method)) {
      return failure(405, `This address takes only ${route.methods.join(" and ")}.`, "session.method");
    }
    const headers = new Headers();
    const response = await route.answer(request, headers).catch((error: unknown) => {
      if (!BehalfError.is(error)) throw error;
      return errorPage(error);
    });
    for (const cookie of headers.getSetCookie()) response.headers.append("set-cookie", cookie);
    response.headers.set("cache-control", NO_STORE);
    return response;
  };
}

/** One address for both ways back, so that one redirect URI has to be registered. */
async function callback(
  env: AppEnvironment,
  verifyJwt: JwtVerifier,
  request: Request,
  answer: AnswerHeaders,
): Promise<Response> {
  const { searchParams: query, pathname } = new URL(request.url);
  const found = await findTransaction(env, request, query.get("state"));
  const here = `${env.appOrigin}${pathname}`;
  const expected = found?.transaction.kind === "connect" ? env.connectRedirectUri : env.redirectUri;
  if (!found || here !== expected || !(await found.consume())) return transactionUnknown();
  const { issuer } = env.behalf.runtime.config;
  const iss = query.get("iss");
  if (iss !== null && iss !== issuer) {
    // RFC 9207 section 2.4: the answer of another server, mixed up with this one's.
    return failure(400, "The answer came from another server.", "session.issuer_mismatch", [found.clear]);
  }
  const { transaction, clear } = found;
  try {
    return transaction.kind === "login"
      ? await completeLogin(env, verifyJwt, request, transaction, clear)
      : await completeConnect(env, request, transaction, clear, answer);
  } catch (error) {
    if (!BehalfError.is(error)) throw error;
    // An answer counts once; only what time repairs may be tried again, by loading the page again.
    if (error.retryable) await found.release();
    return errorPage(error, error.retryable ? [] : [clear]);
  }
}

function transactionUnknown(): Response {
  const sentence = "This page was not opened by this browser's own login, or it took too long.";
  return failure(400, sentence, "session.transaction_unknown");
}

function errorPage(error: BehalfError, cookies: readonly string[] = []): Response {
  return failure(error.retryable ? 503 : 400, "This did not work.", error.code, cookies);
}
