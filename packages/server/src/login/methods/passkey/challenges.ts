import { sql } from "kysely";
import { tokenHash } from "../../../crypto/hash.ts";
import { randomToken } from "../../../crypto/random.ts";
import type { Clock } from "../../../lib/clock.ts";
import { consumeOnce } from "../../../storage/consume.ts";
import type { Storage } from "../../../storage/index.ts";
import type { PasskeyTables } from "./store.ts";

/** What an answer to a challenge may be used for, and nothing else. */
export type Purpose = "login" | "register" | "sign_up";

/** Who a challenge was given to: this browser, this session, this exchange with an app. */
export type Binding = `browser:${string}` | `session:${string}` | `app:${string}`;

/** Challenges that wait for an authenticator's answer. Kept as hashes; each counts once. */
export interface Challenges {
  /** A new challenge, with what belongs to it. */
  issue(purpose: Purpose, binding: Binding, request?: object): Promise<string>;
  /**
   * Uses one up: what belongs to it for exactly one of any number of callers, `undefined` for the others, for
   * another purpose or holder, and when it is too old.
   */
  consume(purpose: Purpose, binding: Binding, challenge: string): Promise<object | undefined>;
  /** Removes a bounded number that are over; for background work. */
  sweep(): Promise<void>;
}

/** As long as browsers let a person take; also sent to them as `timeout`. */
export const CHALLENGE_MS = 5 * 60_000;
const SWEEP_ROWS = 1_000;

export function createChallenges({ storage, clock }: { storage: Storage; clock: Clock }): Challenges {
  return {
    async issue(purpose, binding, request = {}) {
      const challenge = randomToken();
      await storage
        .db<PasskeyTables>()
        .insertInto("passkey_challenges")
        .values({
          challenge_hash: tokenHash(challenge),
          purpose,
          bound_to: tokenHash(binding),
          request: JSON.stringify(request),
          expires_at: clock.now() + CHALLENGE_MS,
          consumed_at: null,
        })
        .execute();
      return challenge;
    },
    async consume(purpose, binding, challenge) {
      const now = clock.now();
      const row = await consumeOnce<PasskeyTables["passkey_challenges"]>(
        storage,
        "passkey_challenges",
        { challenge_hash: tokenHash(challenge), purpose, bound_to: tokenHash(binding) },
        now,
      );
      // Written by issue().
      return row && row.expires_at > now ? (JSON.parse(row.request) as object) : undefined;
    },
    async sweep() {
      await sql`delete from passkey_challenges where challenge_hash in (
        select challenge_hash from passkey_challenges where expires_at < ${clock.now()}
        limit ${SWEEP_ROWS})`.execute(storage.db());
    },
  };
}
