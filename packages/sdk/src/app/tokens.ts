import { BehalfError } from "../errors.ts";
import { badAnswer, type JsonAnswer, quantity, text } from "../http.ts";
import { oauthError } from "../wire-errors.ts";
import type { AnswerHeaders } from "./answer.ts";
import type { AppEnvironment } from "./environment.ts";
import type { HeldToken, OpenSession, SaveRecord, SessionRecord } from "./session-record.ts";

/** A token is renewed this long before it ends, so that none ends on its way. */
const RENEWAL_MARGIN_MS = 30_000;
/** Different audiences and scopes one session keeps tokens for; the oldest goes. */
const MAX_HELD_TOKENS = 16;

/** What a token is asked for. */
export interface TokenWish {
  audience?: string;
  scope?: string;
}

/**
 * A valid access token, held or fetched with the refresh token. However many requests of a session ask at
 * once, one of them refreshes (with sessions in the store: in however many processes); the rotated refresh
 * token is kept before the access token is given out (RFC 9700 section 4.14).
 * @throws BehalfError `session.login_required` when there is no session or the server ended the login
 */
export async function accessTokenOf(
  env: AppEnvironment,
  session: OpenSession | undefined,
  wish: TokenWish,
  answer?: AnswerHeaders,
): Promise<HeldToken> {
  if (!session) throw loginRequired();
  const key = wishKey(env, wish);
  const known = validToken(env, session.record, key);
  if (known) return known;
  const token = await env.sessions.exclusively(
    session,
    answer,
    async (record, save) => validToken(env, record, key) ?? (await refresh(env, { record, save }, wish, key)),
  );
  if (!token) throw loginRequired();
  return token;
}

export function wishKey(env: AppEnvironment, { audience, scope }: TokenWish): string {
  const scopes = [...new Set((scope ?? env.scope).split(" ").filter(Boolean))].sort();
  return JSON.stringify([audience ?? env.audience ?? "", scopes]);
}

function validToken(env: AppEnvironment, record: SessionRecord, key: string): HeldToken | undefined {
  const held = Object.hasOwn(record.accessTokens, key) ? record.accessTokens[key] : undefined;
  return held && held.expiresAtMs - RENEWAL_MARGIN_MS > env.clock.now() ? held : undefined;
}

interface HeldRecord {
  record: SessionRecord;
  save: SaveRecord;
}

/** @see RFC 6749 section 6 */
async function refresh(
  env: AppEnvironment,
  { record, save }: HeldRecord,
  wish: TokenWish,
  key: string,
): Promise<HeldToken> {
  if (!record.refreshToken) throw loginRequired();
  const answer = await env.behalf.runtime.oauth.token({
    grant_type: "refresh_token",
    refresh_token: record.refreshToken,
    audience: wish.audience ?? env.audience,
    scope: wish.scope,
  });
  if (answer.status !== 200) throw await refreshRefused({ record, save }, answer);
  const token = believeToken(env, answer);
  const refreshToken = text(answer.body, "refresh_token") ?? record.refreshToken;
  const accessTokens = { ...newestTokens(record.accessTokens), [key]: token };
  const kept = await save({ ...record, refreshToken, accessTokens, seenAtMs: env.clock.now() });
  if (!kept) throw loginRequired(); // logged out meanwhile; a write would bring the session back
  return token;
}

async function refreshRefused({ record, save }: HeldRecord, answer: JsonAnswer): Promise<BehalfError> {
  if (text(answer.body, "error") !== "invalid_grant") return oauthError(answer);
  const { refreshToken: _, ...rest } = record; // the server no longer honours it
  await save(rest);
  return loginRequired();
}

export function believeToken(env: AppEnvironment, { status, body }: JsonAnswer): HeldToken {
  const accessToken = text(body, "access_token");
  if (!accessToken) throw badAnswer(env.behalf.runtime.config.issuer, status, "no access_token");
  return { accessToken, expiresAtMs: env.clock.now() + (quantity(body, "expires_in") ?? 0) * 1000 };
}

function newestTokens(tokens: Record<string, HeldToken>): Record<string, HeldToken> {
  return Object.fromEntries(Object.entries(tokens).slice(-(MAX_HELD_TOKENS - 1)));
}

export function loginRequired(): BehalfError {
  return new BehalfError("session.login_required", "The user must log in again.", { status: 401 });
}
