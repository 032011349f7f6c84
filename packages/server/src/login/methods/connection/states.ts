import { tokenHash } from "../../../crypto/hash.ts";
import { randomToken } from "../../../crypto/random.ts";
import type { Sealer } from "../../../crypto/seal.ts";
import type { Clock } from "../../../lib/clock.ts";
import { reveal, secret } from "../../../lib/secret.ts";
import type { Storage } from "../../../storage/index.ts";
import type { IdentityTables } from "./store.ts";

/** What only the browser that left for a provider can come back to. */
export interface Departure {
  readonly verifier: string;
  readonly nonce: string;
  /** The log-in it is for; absent for somebody who adds the account to their own. */
  readonly flowId: string | undefined;
  /** When the browser left, in milliseconds. */
  readonly at: number;
}

/** Whose return it is, for an account that is added in the profile. */
export interface LinkingUser {
  readonly userId: string;
  readonly sessionId: string;
}

/** As long as providers let a person think. */
const STATE_MS = 15 * 60_000;

/** Log-ins that are under way at a provider, each under its `state`. */
export function createStates(deps: { storage: Storage; clock: Clock; sealer: Sealer }) {
  const { storage, clock, sealer } = deps;
  const table = () => storage.db<IdentityTables>();
  const ownerOf = (stateHash: string) => ({ owner: "connection-state", id: stateHash });
  const CONTEXT = { purpose: "departure" };

  return {
    async begin(of: {
      connection: string;
      browser: string;
      flowId?: string | undefined;
      linking?: LinkingUser | undefined;
    }): Promise<{ state: string; departure: Departure }> {
      const state = randomToken();
      const hash = tokenHash(state);
      const now = clock.now();
      const departure = { verifier: randomToken(), nonce: randomToken(), flowId: of.flowId, at: now };
      const key = sealer.newDataKey(ownerOf(hash));
      await table()
        .insertInto("connection_states")
        .values({
          state_hash: hash,
          connection: of.connection,
          browser_hash: tokenHash(of.browser),
          user_id: of.linking?.userId ?? null,
          session_id: of.linking?.sessionId ?? null,
          data_key: key,
          sealed: sealer.seal(key, ownerOf(hash), CONTEXT, secret(JSON.stringify(departure))),
          expires_at: now + STATE_MS,
        })
        .execute();
      return { state, departure };
    },

    /**
     * Uses a state up; `undefined` when it is unknown, used, expired, another browser's or another connection's.
     * Of any number of callers one gets it; a browser that it does not belong to cannot use it up.
     */
    async take(of: {
      state: string;
      connection: string;
      browser: string | undefined;
    }): Promise<(Departure & { linking: LinkingUser | undefined }) | undefined> {
      if (of.browser === undefined) return undefined;
      const row = await table()
        .deleteFrom("connection_states")
        .where("state_hash", "=", tokenHash(of.state))
        .where("connection", "=", of.connection)
        .where("browser_hash", "=", tokenHash(of.browser))
        .where("expires_at", ">", clock.now())
        .returningAll()
        .executeTakeFirst();
      if (!row) return undefined;
      const opened = sealer.open(row.data_key, ownerOf(row.state_hash), CONTEXT, row.sealed);
      const linking =
        row.user_id !== null && row.session_id !== null
          ? { userId: row.user_id, sessionId: row.session_id }
          : undefined;
      // Sealed by begin() alone, and authenticated.
      return { ...(JSON.parse(reveal(opened)) as Departure), linking };
    },
  };
}

/** @see createStates */
export type States = ReturnType<typeof createStates>;
