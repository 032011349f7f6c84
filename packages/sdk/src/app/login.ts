import { createRemoteJWKSet, customFetch, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { BehalfError } from "../errors.ts";
import { badAnswer, type JsonAnswer, type JsonObject, text } from "../http.ts";
import { oauthError } from "../wire-errors.ts";
import type { AppEnvironment } from "./environment.ts";
import { believeToken, createSessionRecord, openSession, type SessionRecord, wishKey } from "./records.ts";
import { redirect } from "./responses.ts";
import { safeReturnTo } from "./return-to.ts";
import { beginTransaction, pkceChallenge, randomToken, type Transaction } from "./transactions.ts";

/** What a link to `/auth/login` may pass on to the server. */
const PASSED_ON = [
  "prompt",
  "login_hint",
  "screen_hint",
  "connection",
  "organization",
  "ui_locales",
  "acr_values",
];
/** What the app is told of the user; other claims stay in the ID token. */
const PROFILE_CLAIMS = [
  "sub",
  "name",
  "nickname",
  "given_name",
  "family_name",
  "picture",
  "email",
  "email_verified",
  "org_id",
  "org_name",
];
/** The server signs ID tokens with RS256 unless the client asks for ES256. */
const ID_TOKEN_ALGORITHMS = ["RS256", "ES256"];
const CLOCK_TOLERANCE_SECONDS = 5;

/** Finds the server's signing keys; made once for each session environment. */
export type IdTokenKeys = () => Promise<JWTVerifyGetKey>;

export function createIdTokenKeys({ behalf }: AppEnvironment): IdTokenKeys {
  const { oauth, config } = behalf.runtime;
  let known: { uri: string; keys: JWTVerifyGetKey } | undefined;
  return async () => {
    const { jwksUri } = await oauth.metadata();
    if (known?.uri !== jwksUri) {
      const options = { timeoutDuration: config.timeoutMs, [customFetch]: config.fetch };
      known = { uri: jwksUri, keys: createRemoteJWKSet(new URL(jwksUri), options) };
    }
    return known.keys;
  };
}

/** `GET /auth/login`: sends the browser to the server (OpenID Connect Core section 3.1.2.1, RFC 7636). */
export async function beginLogin(env: AppEnvironment, request: Request): Promise<Response> {
  const { oauth, config } = env.behalf.runtime;
  const query = new URL(request.url).searchParams;
  const [state, nonce, codeVerifier] = [randomToken(), randomToken(), randomToken()];
  const { authorizationEndpoint } = await oauth.metadata();
  const url = new URL(authorizationEndpoint);
  for (const name of PASSED_ON) {
    const value = query.get(name);
    if (value) url.searchParams.set(name, value);
  }
  const parameters = {
    client_id: config.clientId,
    response_type: "code",
    redirect_uri: env.redirectUri,
    scope: env.scope,
    ...(env.audience ? { audience: env.audience } : {}),
    state,
    nonce,
    code_challenge: pkceChallenge(codeVerifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const returnTo = safeReturnTo(query.get("returnTo"), env.appOrigin);
  const cookies = await beginTransaction(env, request, state, {
    kind: "login",
    returnTo,
    codeVerifier,
    nonce,
  });
  return redirect(url.href, cookies);
}

/**
 * The way back of a login: exchanges the code, verifies the ID token and begins a session under a new id.
 * A session that the browser had before ends here.
 */
export async function completeLogin(
  env: AppEnvironment,
  keys: IdTokenKeys,
  request: Request,
  transaction: Transaction & { kind: "login" },
  clearTransaction: string,
): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const code = query.get("code");
  if (!code) throw loginRefused(query);
  const answer = await env.behalf.runtime.oauth.token({
    grant_type: "authorization_code",
    code,
    redirect_uri: env.redirectUri,
    code_verifier: transaction.codeVerifier,
  });
  if (answer.status !== 200) throw oauthError(answer);
  const record = await believeLogin(env, keys, answer, transaction.nonce);
  const former = await openSession(env, request);
  const cookie = await createSessionRecord(env, record);
  await former?.slot.remove();
  return redirect(transaction.returnTo, [clearTransaction, cookie]);
}

function loginRefused(query: URLSearchParams): BehalfError {
  const error = query.get("error") ?? "no_code";
  return new BehalfError(
    `oauth.${/^\w{1,64}$/.test(error) ? error : "unknown"}`,
    "The server refused the login.",
  );
}

async function believeLogin(
  env: AppEnvironment,
  keys: IdTokenKeys,
  answer: JsonAnswer,
  nonce: string,
): Promise<Omit<SessionRecord, "expiresAtMs">> {
  const { issuer } = env.behalf.runtime.config;
  const idToken = text(answer.body, "id_token");
  if (!idToken) throw badAnswer(issuer, answer.status, "no id_token");
  const claims = await verifyIdToken(env, await keys(), idToken, nonce);
  const refreshToken = text(answer.body, "refresh_token");
  const serverSessionId = typeof claims["sid"] === "string" ? claims["sid"] : undefined;
  return {
    userId: claims.sub,
    claims: profileOf(claims),
    idToken,
    ...(serverSessionId ? { serverSessionId } : {}),
    ...(refreshToken ? { refreshToken } : {}),
    accessTokens: { [wishKey(env, {})]: believeToken(env, answer) },
  };
}

/** @see OpenID Connect Core 1.0 section 3.1.3.7 */
async function verifyIdToken(
  { behalf }: AppEnvironment,
  keys: JWTVerifyGetKey,
  idToken: string,
  nonce: string,
): Promise<JWTPayload & { sub: string }> {
  const { issuer, clientId, clock } = behalf.runtime.config;
  const { payload } = await jwtVerify(idToken, keys, {
    issuer,
    audience: clientId,
    algorithms: ID_TOKEN_ALGORITHMS,
    requiredClaims: ["exp", "iat", "sub", "nonce"],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    currentDate: new Date(clock.now()),
  }).catch((cause: unknown) => {
    throw new BehalfError("session.id_token_invalid", "The server's ID token was not accepted.", { cause });
  });
  const { sub, azp } = payload as { sub?: string; azp?: unknown }; // azp is checked right below
  if (!sub || payload["nonce"] !== nonce || (azp !== undefined && azp !== clientId)) {
    throw new BehalfError("session.id_token_invalid", "The server's ID token is not one for this login.");
  }
  return { ...payload, sub };
}

function profileOf(claims: JWTPayload): JsonObject {
  return Object.fromEntries(PROFILE_CLAIMS.flatMap((name) => (name in claims ? [[name, claims[name]]] : [])));
}
