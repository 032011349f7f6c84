import type { JsonObject } from "../http.ts";
import type { AnswerHeaders } from "./answer.ts";

/** What the app keeps of a login. */
export interface SessionRecord {
  userId: string;
  /** Claims of the ID token that say who the user is. */
  claims: JsonObject;
  idToken: string;
  /** When the server issued the ID token, in its own seconds since 1970. */
  issuedAt: number;
  /** The server's own session, for logging out there. */
  serverSessionId?: string;
  refreshToken?: string;
  accessTokens: Record<string, HeldToken>;
  /** The end of the session however much it is used. */
  expiresAtMs: number;
  /** When it was used last, give or take `TOUCH_MS`. */
  seenAtMs: number;
}

/** An access token and when it ends. */
export interface HeldToken {
  accessToken: string;
  expiresAtMs: number;
}

/** The session of a request. */
export interface OpenSession {
  id: string;
  record: SessionRecord;
}

/** Takes a changed record; false when the session ended meanwhile, which a write must not undo. */
export type SaveRecord = (record: SessionRecord) => Promise<boolean>;

/** Where sessions are: the store, with an id in the browser, or the browser's cookie itself. */
export interface SessionKeeper {
  /** Undefined when the browser has none, it has ended, or somebody ended it elsewhere. */
  open(request: Request, answer?: AnswerHeaders): Promise<OpenSession | undefined>;
  /** Keeps a new session under a new id; the `Set-Cookie` values for it. */
  create(request: Request, record: SessionRecord): Promise<string[]>;
  /**
   * Runs `change` with the newest record, one caller at a time for each session.
   * @returns undefined when the session has ended
   */
  exclusively<T>(
    session: OpenSession,
    answer: AnswerHeaders | undefined,
    change: (record: SessionRecord, save: SaveRecord) => Promise<T>,
  ): Promise<T | undefined>;
  /** Ends the session here, whatever cookie is kept. */
  end(session: OpenSession): Promise<void>;
  /** `Set-Cookie` values that remove the browser's cookie. */
  clear(request: Request): string[];
}

/** How often a session that is used is marked as used: often enough for any sensible idle time. */
const TOUCH_MS = 60_000;

/** How long sessions last; from the login on, `expiresAtMs` of the record says. */
export interface SessionLife {
  /** From the last use on. */
  idleSeconds: number;
}

export function hasEnded(record: SessionRecord, life: SessionLife, nowMs: number): boolean {
  return endOf(record, life) <= nowMs;
}

/** Whether its last use has to be written down again. */
export function isStale(record: SessionRecord, life: SessionLife, nowMs: number): boolean {
  return nowMs - record.seenAtMs >= Math.min(TOUCH_MS, life.idleSeconds * 250); // a quarter of a short one
}

export function remainingSeconds(record: SessionRecord, life: SessionLife, nowMs: number): number {
  return Math.max(1, Math.ceil((endOf(record, life) - nowMs) / 1000));
}

function endOf(record: SessionRecord, { idleSeconds }: SessionLife): number {
  return Math.min(record.expiresAtMs, record.seenAtMs + idleSeconds * 1000);
}
