import { BehalfError } from "../errors.ts";
import { type AnswerHeaders, putCookies } from "./answer.ts";
import type { KeeperDeps } from "./keep-in-store.ts";
import {
  clearSessionCookie,
  MAX_COOKIE_LENGTH,
  readSessionCookie,
  writeSessionCookie,
} from "./session-cookie.ts";
import {
  hasEnded,
  isStale,
  type OpenSession,
  remainingSeconds,
  type SaveRecord,
  type SessionKeeper,
  type SessionRecord,
} from "./session-record.ts";
import { randomToken } from "./transactions.ts";

/** One session's changes in this process, one after the other, and what the last of them left. */
interface Line {
  tail: Promise<unknown>;
  newest: SessionRecord;
  /** Of how many refreshes `newest` is ahead of a cookie is unknown; it is believed this long. */
  untilMs: number;
}

/** How long a browser may still send the cookie from before a change: its requests in flight. */
const NEWEST_MS = 10_000;
/** Sessions whose last change is remembered; the oldest goes. */
const MAX_LINES = 10_000;

/**
 * Sessions in the browser's cookies, encrypted whole; nothing is kept here. What ends such a session before
 * its time is `ended`; without it a copied cookie works until it expires, also after a logout.
 */
export function keepInCookie({ runtime, jar, sealer, life, ended }: KeeperDeps): SessionKeeper {
  const { clock } = runtime.config;
  const lines = new Map<string, Line>();
  const requests = new WeakMap<OpenSession, Request>();

  async function sealed(request: Request, id: string, record: SessionRecord): Promise<string[]> {
    const ttlSeconds = remainingSeconds(record, life, clock.now());
    let kept = record;
    for (;;) {
      const text = await sealer.seal({ sid: id, record: kept }, ttlSeconds);
      const tokens = Object.entries(kept.accessTokens);
      if (text.length <= MAX_COOKIE_LENGTH || tokens.length === 0)
        return writeSessionCookie(jar, request, text, ttlSeconds);
      kept = { ...kept, accessTokens: Object.fromEntries(tokens.slice(1)) }; // the oldest is fetched again
    }
  }

  function lineOf({ id, record }: OpenSession): Line {
    const now = clock.now();
    const known = lines.get(id);
    const line = known ?? { tail: Promise.resolve(), newest: record, untilMs: now + NEWEST_MS };
    if (line.untilMs <= now) line.newest = record;
    lines.delete(id);
    lines.set(id, line); // at the end: the first ones are the oldest
    for (const [oldest] of lines) {
      if (lines.size <= MAX_LINES) break;
      lines.delete(oldest);
    }
    return line;
  }

  return {
    async open(request, answer) {
      const payload = await sealer.open(readSessionCookie(jar, request));
      const id = payload?.["sid"];
      const record = payload?.["record"] as SessionRecord | undefined; // sealed by `sealed`
      if (typeof id !== "string" || !record || hasEnded(record, life, clock.now())) return undefined;
      if (await ended?.has({ id, record })) return undefined;
      const session = { id, record };
      requests.set(session, request);
      if (answer && isStale(record, life, clock.now()))
        putCookies(answer, await sealed(request, id, { ...record, seenAtMs: clock.now() }));
      return session;
    },
    async create(request, record) {
      return sealed(request, randomToken(), record);
    },
    async exclusively(session, answer, change) {
      if (!answer) throw answerMissing();
      const line = lineOf(session);
      const save: SaveRecord = async (record) => {
        if (await ended?.has({ id: session.id, record })) return false;
        line.newest = record;
        line.untilMs = clock.now() + NEWEST_MS;
        return true;
      };
      const turn = line.tail.then(async () => change(line.newest, save));
      line.tail = turn.catch(() => {}); // the next in line goes on with what there is
      const result = await turn;
      await putNewest(session, line.newest, answer);
      return result;
    },
    async end({ id, record }) {
      await ended?.mark("session", id, record.issuedAt);
      lines.delete(id);
    },
    clear: (request) => clearSessionCookie(jar, request),
  };

  async function putNewest(session: OpenSession, newest: SessionRecord, answer: AnswerHeaders) {
    const request = requests.get(session);
    if (!request || newest === session.record) return;
    putCookies(answer, await sealed(request, session.id, { ...newest, seenAtMs: clock.now() }));
  }
}

function answerMissing(): BehalfError {
  const message =
    "The session is in the cookie: pass the answer's headers to getAccessToken, so that a renewed token is kept.";
  return new BehalfError("session.answer_missing", message);
}
