import { type Held, type StateSlot, stateSlot } from "../call-state.ts";
import { BehalfError } from "../errors.ts";
import { badAnswer, type JsonAnswer, type JsonObject, quantity, text } from "../http.ts";
import { oauthError } from "../wire-errors.ts";
import type { AppEnvironment } from "./environment.ts";
import { randomToken } from "./transactions.ts";

/** What the app keeps of a login, sealed in the store. The browser holds only its id. */
export interface SessionRecord {
  userId: string;
  /** Claims of the ID token that say who the user is. */
  claims: JsonObject;
  idToken: string;
  /** The server's own session, for logging out there. */
  serverSessionId?: string;
  refreshToken?: string;
  accessTokens: Record<string, HeldToken>;
  expiresAtMs: number;
}

/** An access token and when it ends. */
export interface HeldToken {
  accessToken: string;
  expiresAtMs: number;
}

/** Not the server's cookie: on one host, such as localhost, browsers share cookies between all ports. */
const COOKIE = "behalf_app";
/** A token is renewed this long before it ends, so that none ends on its way. */
const RENEWAL_MARGIN_MS = 30_000;
/** Different audiences and scopes one session keeps tokens for; the oldest goes. */
const MAX_HELD_TOKENS = 16;

/** The session of a request: its id, its slot in the store, and what is in there. */
export interface OpenSession {
  id: string;
  slot: StateSlot<SessionRecord>;
  record: SessionRecord;
}

/** Undefined when the browser has none, it has ended, or somebody logged out elsewhere. */
export async function openSession(env: AppEnvironment, request: Request): Promise<OpenSession | undefined> {
  const payload = await env.sessionCookie.open(env.jar.read(request, COOKIE));
  const id = payload?.["sid"];
  if (typeof id !== "string") return undefined;
  const slot = sessionSlot(env, id);
  const record = await slot.read().catch(noneIfUnreadable);
  return record && record.expiresAtMs > now(env) ? { id, slot, record } : undefined;
}

/** Sealed with a key that is gone: to the user, a login that has ended. */
function noneIfUnreadable(error: unknown): undefined {
  if (!BehalfError.is(error, "store.unreadable")) throw error;
}

/** Stores a new session under a new id and returns the `Set-Cookie` value for it. */
export async function createSessionRecord(
  env: AppEnvironment,
  record: Omit<SessionRecord, "expiresAtMs">,
): Promise<string> {
  const id = randomToken();
  const ttlSeconds = env.sessionTtlSeconds;
  const expiresAtMs = now(env) + ttlSeconds * 1000;
  await sessionSlot(env, id).write({ ...record, expiresAtMs }, ttlSeconds);
  return env.jar.set(COOKIE, await env.sessionCookie.seal({ sid: id }, ttlSeconds), ttlSeconds);
}

export function clearSessionCookie(env: AppEnvironment): string {
  return env.jar.clear(COOKIE);
}

function sessionSlot({ behalf }: AppEnvironment, id: string): StateSlot<SessionRecord> {
  const { issuer, clientId } = behalf.runtime.config;
  return stateSlot(behalf.runtime, "session", [issuer, clientId, id]);
}

/** What a token is asked for. */
export interface TokenWish {
  audience?: string;
  scope?: string;
}

/**
 * A valid access token, held or fetched with the refresh token. However many requests of a session ask at
 * once, in however many processes, one of them refreshes; the rotated refresh token is stored before the
 * access token is given out (RFC 9700 section 4.14).
 * @throws BehalfError `session.login_required` when there is no session or the server ended the login
 */
export async function accessTokenOf(
  env: AppEnvironment,
  session: OpenSession | undefined,
  wish: TokenWish,
): Promise<string> {
  if (!session) throw loginRequired();
  const key = wishKey(env, wish);
  const known = validToken(env, session.record, key);
  if (known) return known;
  return session.slot.exclusively(async () => {
    const held = await session.slot.readForUpdate(); // another request may have refreshed meanwhile
    if (!held) throw loginRequired();
    return validToken(env, held.value, key) ?? (await refresh(env, held, wish, key));
  });
}

export function wishKey(env: AppEnvironment, { audience, scope }: TokenWish): string {
  const scopes = [...new Set((scope ?? env.scope).split(" ").filter(Boolean))].sort();
  return JSON.stringify([audience ?? env.audience ?? "", scopes]);
}

function validToken(env: AppEnvironment, record: SessionRecord, key: string): string | undefined {
  const held = record.accessTokens[key];
  return held && held.expiresAtMs - RENEWAL_MARGIN_MS > now(env) ? held.accessToken : undefined;
}

/** @see RFC 6749 section 6 */
async function refresh(
  env: AppEnvironment,
  { value: record, replace }: Held<SessionRecord>,
  wish: TokenWish,
  key: string,
): Promise<string> {
  if (!record.refreshToken) throw loginRequired();
  const answer = await env.behalf.runtime.oauth.token({
    grant_type: "refresh_token",
    refresh_token: record.refreshToken,
    audience: wish.audience ?? env.audience,
    scope: wish.scope,
  });
  if (answer.status !== 200) throw await refreshRefused(env, { value: record, replace }, answer);
  const token = believeToken(env, answer);
  const refreshToken = text(answer.body, "refresh_token") ?? record.refreshToken;
  const accessTokens = { ...newestTokens(record.accessTokens), [key]: token };
  const kept = await replace({ ...record, refreshToken, accessTokens }, remainingSeconds(env, record));
  if (!kept) throw loginRequired(); // logged out meanwhile; a write would bring the session back
  return token.accessToken;
}

async function refreshRefused(
  env: AppEnvironment,
  { value: record, replace }: Held<SessionRecord>,
  answer: JsonAnswer,
): Promise<BehalfError> {
  if (text(answer.body, "error") !== "invalid_grant") return oauthError(answer);
  const { refreshToken: _, ...rest } = record; // the server no longer honours it
  await replace(rest, remainingSeconds(env, record));
  return loginRequired();
}

export function believeToken(env: AppEnvironment, { status, body }: JsonAnswer): HeldToken {
  const accessToken = text(body, "access_token");
  if (!accessToken) throw badAnswer(env.behalf.runtime.config.issuer, status, "no access_token");
  return { accessToken, expiresAtMs: now(env) + (quantity(body, "expires_in") ?? 0) * 1000 };
}

function newestTokens(tokens: Record<string, HeldToken>): Record<string, HeldToken> {
  return Object.fromEntries(Object.entries(tokens).slice(-(MAX_HELD_TOKENS - 1)));
}

function remainingSeconds(env: AppEnvironment, record: SessionRecord): number {
  return Math.max(1, Math.ceil((record.expiresAtMs - now(env)) / 1000));
}

function now({ behalf }: AppEnvironment): number {
  return behalf.runtime.config.clock.now();
}

export function loginRequired(): BehalfError {
  return new BehalfError("session.login_required", "The user must log in again.", { status: 401 });
}
