import { type StateSlot, stateSlot } from "../call-state.ts";
import { BehalfError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { CookieJar, CookieSealer } from "./cookies.ts";
import type { EndedSessions } from "./ended.ts";
import { clearSessionCookie, readSessionCookie, writeSessionCookie } from "./session-cookie.ts";
import {
  hasEnded,
  isStale,
  remainingSeconds,
  type SessionKeeper,
  type SessionLife,
  type SessionRecord,
} from "./session-record.ts";
import { randomToken } from "./transactions.ts";

/** What a keeper of sessions stands on. */
export interface KeeperDeps {
  runtime: Runtime;
  jar: CookieJar;
  sealer: CookieSealer;
  life: SessionLife;
  /** Undefined: nothing is remembered of ended sessions. */
  ended: EndedSessions | undefined;
}

/** Sessions in the SDK's store, sealed; the browser holds an encrypted id. */
export function keepInStore({ runtime, jar, sealer, life, ended }: KeeperDeps): SessionKeeper {
  const { issuer, clientId, clock } = runtime.config;
  const slotOf = (id: string): StateSlot<SessionRecord> =>
    stateSlot(runtime, "session", [issuer, clientId, id]);
  const ttlOf = (record: SessionRecord) => remainingSeconds(record, life, clock.now());

  /** Not when the record changed meanwhile: whoever changed it has used the session too. */
  async function touch(id: string): Promise<void> {
    const held = await slotOf(id).readForUpdate();
    const seen = held && { ...held.value, seenAtMs: clock.now() };
    if (seen) await held.replace(seen, ttlOf(seen));
  }

  return {
    async open(request) {
      const id = (await sealer.open(readSessionCookie(jar, request)))?.["sid"];
      if (typeof id !== "string") return undefined;
      const record = await slotOf(id).read().catch(noneIfUnreadable);
      if (!record || hasEnded(record, life, clock.now())) return undefined;
      if (await ended?.has({ id, record })) return undefined;
      if (isStale(record, life, clock.now())) await touch(id);
      return { id, record };
    },
    async create(request, record) {
      const id = randomToken();
      await slotOf(id).write(record, ttlOf(record));
      // The cookie lives as long as a session can; the store knows when this one ends.
      const ttlSeconds = Math.max(1, Math.ceil((record.expiresAtMs - clock.now()) / 1000));
      return writeSessionCookie(jar, request, await sealer.seal({ sid: id }, ttlSeconds), ttlSeconds);
    },
    async exclusively({ id }, _answer, change) {
      const slot = slotOf(id);
      return slot.exclusively(async () => {
        const held = await slot.readForUpdate(); // another request may have changed it meanwhile
        return held && change(held.value, (record) => held.replace(record, ttlOf(record)));
      });
    },
    async end({ id }) {
      await slotOf(id).remove();
    },
    clear: (request) => clearSessionCookie(jar, request),
  };
}

/** Sealed with a key that is gone: to the user, a login that has ended. */
function noneIfUnreadable(error: unknown): undefined {
  if (!BehalfError.is(error, "store.unreadable")) throw error;
}
