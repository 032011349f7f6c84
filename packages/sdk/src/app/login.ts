import type { JWTPayload } from "jose";
import { BehalfError } from "../errors.ts";
import { badAnswer, type JsonAnswer, type JsonObject, text } from "../http.ts";
import { oauthError } from "../wire-errors.ts";
import type { AppEnvironment } from "./environment.ts";
import { redirect } from "./responses.ts";
import { safeReturnTo } from "./return-to.ts";
import { CLOCK_TOLERANCE_SECONDS, type JwtVerifier } from "./server-jwt.ts";
import type { SessionRecord } from "./session-record.ts";
import { believeToken, wishKey } from "./tokens.ts";
import { beginTransaction, pkceChallenge, randomToken, type Transaction } from "./transactions.ts";

/** What a link to `/auth/login` may pass on to the server. */
const PASSED_ON = [
  "prompt",
  "login_hint",
  "screen_hint",
  "connection",
  "organization",
  "invitation",
  "ui_locales",
  "acr_values",
  "max_age",
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
  "acr",
  "amr",
  "auth_time",
];

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
  const begun: Transaction = { kind: "login", returnTo, codeVerifier, nonce, ...askedFor(query) };
  return redirect(url.href, await beginTransaction(env, request, state, begun));
}

/** What the ID token is later held against; anybody can change the address that the browser goes to. */
function askedFor(query: URLSearchParams): { organization?: string; maxAgeSeconds?: number } {
  const [organization, maxAge] = [query.get("organization"), query.get("max_age")];
  return {
    ...(organization ? { organization } : {}),
    ...(maxAge && /^\d{1,9}$/.test(maxAge) ? { maxAgeSeconds: Number(maxAge) } : {}),
  };
}

/**
 * The way back of a login: exchanges the code, verifies the ID token and begins a session under a new id.
 * A session that the browser had before ends here.
 */
export async function completeLogin(
  env: AppEnvironment,
  verifyJwt: JwtVerifier,
  request: Request,
  transaction: LoginTransaction,
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
  const record = await believeLogin(env, verifyJwt, answer, transaction);
  const former = await env.sessions.open(request);
  const cookies = await env.sessions.create(request, record);
  if (former) await env.sessions.end(former);
  return redirect(transaction.returnTo, [clearTransaction, ...cookies]);
}

type LoginTransaction = Transaction & { kind: "login" };

function loginRefused(query: URLSearchParams): BehalfError {
  const error = query.get("error") ?? "no_code";
  return new BehalfError(
    `oauth.${/^\w{1,64}$/.test(error) ? error : "unknown"}`,
    "The server refused the login.",
  );
}

async function believeLogin(
  env: AppEnvironment,
  verifyJwt: JwtVerifier,
  answer: JsonAnswer,
  transaction: LoginTransaction,
): Promise<SessionRecord> {
  const { issuer } = env.behalf.runtime.config;
  const idToken = text(answer.body, "id_token");
  if (!idToken) throw badAnswer(issuer, answer.status, "no id_token");
  const claims = await verifyIdToken(env, verifyJwt, idToken, transaction.nonce);
  checkOrganization(claims, transaction.organization);
  checkAge(env, claims, transaction.maxAgeSeconds);
  const refreshToken = text(answer.body, "refresh_token");
  const { sid, session_expiry: expiry } = claims;
  const now = env.clock.now();
  const expiresAtMs = now + env.sessionTtlSeconds * 1000;
  return {
    userId: claims.sub,
    claims: profileOf(claims),
    idToken,
    issuedAt: claims.iat,
    ...(typeof sid === "string" && sid !== "" ? { serverSessionId: sid } : {}),
    ...(refreshToken ? { refreshToken } : {}),
    accessTokens: { [wishKey(env, {})]: believeToken(env, answer) },
    // A server that says when its session ends has the last word.
    expiresAtMs: typeof expiry === "number" ? Math.min(expiresAtMs, expiry * 1000) : expiresAtMs,
    seenAtMs: now,
  };
}

type IdTokenClaims = JWTPayload & { sub: string; iat: number };

/** @see OpenID Connect Core 1.0 section 3.1.3.7 */
async function verifyIdToken(
  { behalf }: AppEnvironment,
  verifyJwt: JwtVerifier,
  idToken: string,
  nonce: string,
): Promise<IdTokenClaims> {
  const { clientId } = behalf.runtime.config;
  const { payload, protectedHeader } = await verifyJwt(idToken, ["exp", "iat", "sub", "nonce"]).catch(
    (cause: unknown) => {
      if (BehalfError.is(cause)) throw cause;
      const message = "The server's ID token was not accepted.";
      throw new BehalfError("session.id_token_invalid", message, { cause });
    },
  );
  const { sub, iat, azp } = payload as { sub?: unknown; iat?: number; azp?: unknown }; // checked right below
  const isIdToken = protectedHeader.typ === undefined || /^jwt$/i.test(protectedHeader.typ);
  const ours = payload["nonce"] === nonce && (azp === undefined || azp === clientId);
  if (typeof sub !== "string" || sub === "" || iat === undefined || !isIdToken || !ours) {
    throw new BehalfError("session.id_token_invalid", "The server's ID token is not one for this login.");
  }
  return { ...payload, sub, iat };
}

/** An organization is asked for by its id, which is exact, or its name, which knows no case. */
function checkOrganization({ org_id: id, org_name: name }: IdTokenClaims, asked: string | undefined): void {
  if (asked === undefined || id === asked) return;
  if (typeof name === "string" && name.toLowerCase() === asked.toLowerCase()) return;
  const message = "The login is not one of the organization that was asked for.";
  throw new BehalfError("session.organization_mismatch", message);
}

/** OpenID Connect Core 1.0 section 3.1.2.1, `max_age`: whoever asks for it has to check `auth_time`. */
function checkAge(
  { clock }: AppEnvironment,
  { auth_time: authTime }: IdTokenClaims,
  maxAgeSeconds: number | undefined,
): void {
  if (maxAgeSeconds === undefined) return;
  const ageSeconds = typeof authTime === "number" ? clock.now() / 1000 - authTime : Number.POSITIVE_INFINITY;
  if (ageSeconds <= maxAgeSeconds + CLOCK_TOLERANCE_SECONDS) return;
  const message = "The user logged in at the server longer ago than was asked for.";
  throw new BehalfError("session.login_too_old", message);
}

function profileOf(claims: JWTPayload): JsonObject {
  return Object.fromEntries(PROFILE_CLAIMS.flatMap((name) => (name in claims ? [[name, claims[name]]] : [])));
}
