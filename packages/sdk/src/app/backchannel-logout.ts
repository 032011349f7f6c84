import type { JWTPayload } from "jose";
import { BehalfError } from "../errors.ts";
import { isObject } from "../http.ts";
import type { EndedSessions } from "./ended.ts";
import type { AppEnvironment } from "./environment.ts";
import { readBody } from "./read-body.ts";
import { json } from "./responses.ts";
import { CLOCK_TOLERANCE_SECONDS, type JwtVerifier } from "./server-jwt.ts";

const EVENT = "http://schemas.openid.net/event/backchannel-logout";
/** A logout token says that something ended just now; an older one was kept by somebody. */
const MAX_AGE_SECONDS = 10 * 60;
/** A logout token has about 1,000 characters. */
const MAX_BODY_BYTES = 32 * 1024;

interface LogoutClaims {
  jti: string;
  iat: number;
  sid?: string;
  sub?: string;
}

/**
 * `POST /auth/backchannel-logout`: the server says that a login ended there. Takes the form of the
 * specification and, because some senders use it, JSON with the same member.
 * @see OpenID Connect Back-Channel Logout 1.0 sections 2.5 to 2.8
 */
export async function backchannelLogout(
  env: AppEnvironment,
  verifyJwt: JwtVerifier,
  request: Request,
): Promise<Response> {
  if (!env.ended) {
    const message = "This app keeps no record of ended sessions: it needs a revocations store.";
    return json(501, { error: "invalid_request", code: "session.backchannel_unsupported", message });
  }
  try {
    const token = await logoutTokenOf(request);
    await end(env.ended, await believeLogoutToken(env, verifyJwt, token));
    return json(200, {});
  } catch (error) {
    if (!BehalfError.is(error)) throw error;
    const status = error.retryable ? 503 : 400;
    return json(status, { error: "invalid_request", code: error.code, message: error.message });
  }
}

async function logoutTokenOf(request: Request): Promise<string> {
  const body = await readBody(request, MAX_BODY_BYTES);
  const isJson = /^application\/json\b/i.test(request.headers.get("content-type") ?? "");
  const tokens = isJson ? [jsonMember(body)] : new URLSearchParams(body).getAll("logout_token");
  const [token] = tokens;
  // Two of them would be read differently by different readers (RFC 6749 section 3.1).
  if (tokens.length !== 1 || typeof token !== "string" || token === "") throw invalid();
  return token;
}

function jsonMember(body: string): unknown {
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value["logout_token"] : undefined;
  } catch {
    return undefined; // refused like any other body without a token
  }
}

/** OpenID Connect Back-Channel Logout 1.0 section 2.6. */
async function believeLogoutToken(
  env: AppEnvironment,
  verifyJwt: JwtVerifier,
  token: string,
): Promise<LogoutClaims> {
  const { payload, protectedHeader } = await verifyJwt(token, ["iat", "jti", "events"]).catch((cause) => {
    throw BehalfError.is(cause) ? cause : invalid(cause);
  });
  const { jti, iat, sid, sub } = payload as JWTPayload & { sid?: unknown };
  const nowSeconds = env.clock.now() / 1000;
  const checks = [
    protectedHeader.typ === undefined || /^(application\/)?(logout\+jwt|jwt)$/i.test(protectedHeader.typ),
    isObject(payload["events"]) && isObject(payload["events"][EVENT]),
    payload["nonce"] === undefined,
    typeof jti === "string" && jti !== "",
    iat !== undefined && iat <= nowSeconds + CLOCK_TOLERANCE_SECONDS && iat > nowSeconds - MAX_AGE_SECONDS,
    sid !== undefined || sub !== undefined,
    [sid, sub].every((name) => name === undefined || (typeof name === "string" && name !== "")),
  ];
  if (checks.includes(false) || iat === undefined || jti === undefined) throw invalid();
  return {
    jti,
    iat,
    ...(typeof sid === "string" ? { sid } : {}),
    ...(typeof sub === "string" ? { sub } : {}),
  };
}

/** With a `sid` that one session at the server ends; without it all of the user's. */
async function end(ended: EndedSessions, { jti, iat, sid, sub }: LogoutClaims): Promise<void> {
  const ttlSeconds = MAX_AGE_SECONDS + 2 * CLOCK_TOLERANCE_SECONDS;
  if (!(await ended.takeLogoutToken(jti, ttlSeconds))) throw invalid();
  try {
    if (sid !== undefined) await ended.mark("sid", sid, iat);
    else if (sub !== undefined) await ended.mark("sub", sub, iat);
  } catch (error) {
    await ended.forgetLogoutToken(jti); // the server sends it again
    throw error;
  }
}

function invalid(cause?: unknown): BehalfError {
  return new BehalfError("session.logout_token_invalid", "The logout token was not accepted.", { cause });
}
