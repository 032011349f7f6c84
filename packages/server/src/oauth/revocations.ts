import type { Clock } from "../lib/clock.ts";
import type { Storage } from "../storage/index.ts";
import type { SignedTokens } from "./signed-tokens.ts";
import type { OAuthTables } from "./store.ts";

/** Access tokens that ended before their time. JWTs alone: of other tokens there is a row to delete. */
export interface Revocations {
  /**
   * Ends a JWT of ours when it is the client's own. Anything else is nothing to end, which is not an error.
   * @see RFC 7009 section 2.2
   */
  revoke(token: string, clientId: string): Promise<void>;
  /** Whether a token was revoked: in this process at once, in others within a second. */
  has(jti: string): Promise<boolean>;
}

const REFRESH_MS = 1_000;

export function createRevocations(deps: {
  storage: Storage;
  clock: Clock;
  signedTokens: SignedTokens;
}): Revocations {
  const { storage, clock, signedTokens } = deps;
  const table = () => storage.db<OAuthTables>();
  let known: Promise<Set<string>> | undefined;
  let until = 0;

  /** All of them: they are few, and gone when the tokens would have ended. */
  async function load(now: number): Promise<Set<string>> {
    const rows = await table()
      .selectFrom("revoked_tokens")
      .select("jti")
      .where("expires_at", ">", now)
      .execute();
    return new Set(rows.map((row) => row.jti));
  }

  async function readOwn(token: string, clientId: string): Promise<{ jti: string; exp: number } | undefined> {
    const { jti, exp, client_id: owner } = (await signedTokens.read(token)) ?? {};
    return owner === clientId && jti !== undefined && exp !== undefined ? { jti, exp } : undefined;
  }

  return {
    async revoke(token, clientId) {
      const own = await readOwn(token, clientId);
      if (!own) return;
      await table()
        .insertInto("revoked_tokens")
        .values({ jti: own.jti, expires_at: own.exp * 1_000 })
        .onConflict((conflict) => conflict.column("jti").doNothing())
        .execute();
      until = 0;
    },
    async has(jti) {
      const now = clock.now();
      if (now >= until || now < until - REFRESH_MS) {
        until = now + REFRESH_MS;
        known = load(now);
        // A read that failed is not remembered: the next caller tries again.
        known.catch(() => {
          until = 0;
        });
      }
      return (await known)?.has(jti) ?? false;
    },
  };
}
