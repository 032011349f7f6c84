import { createHash } from "node:crypto";
import { canonicalJson } from "../canonical-json.ts";
import type { BehalfConfig } from "../config.ts";
import type { Store } from "../store.ts";
import type { OpenSession } from "./session-record.ts";

/** What was ended: one session of this app, one session at the server, or all of a user's. */
export type EndedKind = "session" | "sid" | "sub";

/**
 * Remembers which logins were ended, so that a cookie that somebody kept does not bring one back. A mark lasts
 * as long as the longest session.
 */
export interface EndedSessions {
  /**
   * @param issuedAt logins whose ID token the server issued at or before this are over, in its seconds since
   * 1970; so that a login that came after the logout stays
   */
  mark(kind: EndedKind, id: string, issuedAt: number): Promise<void>;
  has(session: OpenSession): Promise<boolean>;
  /** Whether this is the first time that a logout token is seen. */
  takeLogoutToken(jti: string, ttlSeconds: number): Promise<boolean>;
  /** Lets a logout token that came to nothing be sent again. */
  forgetLogoutToken(jti: string): Promise<void>;
}

/** How often a mark is tried against others that are written at the same moment. */
const ATTEMPTS = 64;

export function createEndedSessions(
  { issuer, clientId }: BehalfConfig,
  store: Store,
  ttlSeconds: number,
): EndedSessions {
  const keyOf = (kind: string, id: string) =>
    `behalf:ended:${createHash("sha256")
      .update(canonicalJson([issuer, clientId, kind, id]))
      .digest("base64url")}`;

  async function isOver(kind: EndedKind, id: string, issuedAt: number): Promise<boolean> {
    const mark = await store.get(keyOf(kind, id));
    return mark !== undefined && issuedAt <= Number(mark);
  }

  return {
    async mark(kind, id, issuedAt) {
      const key = keyOf(kind, id);
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const former = await store.get(key);
        const latest = Math.max(issuedAt, Number(former ?? 0));
        if (await store.put(key, String(latest), { ttlSeconds, expect: former ?? null })) return;
      }
      throw new Error("The logout could not be written down: too many at the same moment.");
    },
    async has({ id, record }) {
      const { serverSessionId, userId, issuedAt } = record;
      const marks = [
        isOver("session", id, issuedAt),
        isOver("sub", userId, issuedAt),
        ...(serverSessionId ? [isOver("sid", serverSessionId, issuedAt)] : []),
      ];
      return (await Promise.all(marks)).includes(true);
    },
    async takeLogoutToken(jti, jtiTtlSeconds) {
      return store.put(keyOf("jti", jti), "used", { ttlSeconds: jtiTtlSeconds, expect: null });
    },
    async forgetLogoutToken(jti) {
      await store.delete(keyOf("jti", jti));
    },
  };
}
