import { BehalfError } from "../errors.ts";
import type { AnswerHeaders } from "./answer.ts";
import type { AppEnvironment } from "./environment.ts";
import { failure, redirect } from "./responses.ts";
import { safeReturnTo } from "./return-to.ts";
import { accessTokenOf } from "./tokens.ts";
import { beginTransaction, pkceChallenge, randomToken, type Transaction } from "./transactions.ts";

/** What a link to `/auth/connect` may pass on to the server. */
const PASSED_ON = ["login_hint", "prompt", "ui_locales", "acr_values"];
const SCOPE = "openid profile email offline_access create:me:connected_accounts";

/**
 * `GET /auth/connect?connection&scopes&scopes&returnTo`: begins to connect an account of the user who is
 * logged in. The journey belongs to this session: another browser or user cannot end it.
 * @see auth0-wire section 3
 */
export async function beginConnect(
  env: AppEnvironment,
  request: Request,
  answer: AnswerHeaders,
): Promise<Response> {
  const { searchParams: query, pathname, search } = new URL(request.url);
  const connection = query.get("connection");
  if (!connection) return failure(400, "The link names no connection.", "session.connection_missing");
  const session = await env.sessions.open(request);
  const { connectedAccounts } = env.behalf;
  try {
    const wish = { audience: connectedAccounts.audience, scope: SCOPE };
    const { accessToken } = await accessTokenOf(env, session, wish, answer);
    const [state, codeVerifier] = [randomToken(), randomToken()];
    const { authSession, connectUrl } = await connectedAccounts.start(accessToken, {
      connection,
      scopes: [...new Set(query.getAll("scopes"))],
      redirectUri: env.connectRedirectUri,
      state,
      codeChallenge: pkceChallenge(codeVerifier),
      authorizationParams: passedOn(query),
    });
    const returnTo = safeReturnTo(query.get("returnTo"), env.appOrigin);
    const sessionId = session?.id ?? "";
    const begun: Transaction = { kind: "connect", returnTo, codeVerifier, authSession, sessionId };
    return redirect(connectUrl, await beginTransaction(env, request, state, begun));
  } catch (error) {
    if (!BehalfError.is(error, "session.login_required")) throw error;
    const login = new URLSearchParams({ returnTo: `${pathname}${search}` });
    return redirect(`${env.appOrigin}/auth/login?${login}`);
  }
}

function passedOn(query: URLSearchParams): Record<string, string> {
  return Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      const value = query.get(name);
      return value ? [[name, value]] : [];
    }),
  );
}

/**
 * The way back of a connection. When the user or the provider refused, the app's page is opened with
 * `connect_error`; the interrupted tool call is still there and can be tried again.
 */
export async function completeConnect(
  env: AppEnvironment,
  request: Request,
  transaction: Transaction & { kind: "connect" },
  clearTransaction: string,
  answer: AnswerHeaders,
): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const session = await env.sessions.open(request);
  if (!session || session.id !== transaction.sessionId) {
    const sentence = "This account was connected from another login and was not linked.";
    return failure(403, sentence, "session.other_user", [clearTransaction]);
  }
  const connectCode = query.get("connect_code");
  if (!connectCode) return backWithError(transaction.returnTo, query.get("error"), clearTransaction);
  const { connectedAccounts } = env.behalf;
  const wish = { audience: connectedAccounts.audience, scope: SCOPE };
  const { accessToken } = await accessTokenOf(env, session, wish, answer);
  await connectedAccounts.complete(accessToken, {
    authSession: transaction.authSession,
    connectCode,
    redirectUri: env.connectRedirectUri,
    codeVerifier: transaction.codeVerifier,
  });
  return redirect(transaction.returnTo, [clearTransaction]);
}

function backWithError(returnTo: string, error: string | null, clearTransaction: string): Response {
  const url = new URL(returnTo);
  url.searchParams.set("connect_error", error && /^\w{1,64}$/.test(error) ? error : "unknown");
  return redirect(url.href, [clearTransaction]);
}
