import { sql } from "kysely";
import type { Clock } from "../lib/clock.ts";
import type { Storage } from "../storage/index.ts";
import type { LoginTables } from "./store.ts";

/** Counts failed attempts under a key and locks it for longer each time. Every process of a deployment counts together. */
export interface Lockout {
  isLocked(key: string): Promise<boolean>;
  /** Counts one failure, after a check that takes long by itself. */
  countFailure(key: string): Promise<void>;
  /**
   * Counts one attempt before the check and says whether it may be made: of any number of parallel guesses at a
   * short code only the free ones are looked at. `clear` takes it back when the code was right.
   */
  take(key: string): Promise<boolean>;
  clear(key: string): Promise<void>;
  /** Forgets a bounded number of keys without an attempt for a day. */
  sweep(): Promise<void>;
}

/** Failures under one key before it is locked. */
const FREE_FAILURES = 5;
const FIRST_LOCK_MS = 30_000;
/** The lock doubles five times, up to 15 minutes. */
const MAX_DOUBLINGS = 5;
const MAX_LOCK_MS = 15 * 60_000;
/** Guessing that goes on never gets this old: each failure moves the time of the last one. */
const FORGET_MS = 86_400_000;
const SWEEP_ROWS = 1_000;

export function createLockout(deps: { storage: Storage; clock: Clock }): Lockout {
  const { storage, clock } = deps;
  const db = () => storage.db<LoginTables>();

  return {
    async isLocked(key) {
      const row = await db()
        .selectFrom("login_failures")
        .select("locked_until")
        .where("email_key", "=", key)
        .executeTakeFirst();
      return (row?.locked_until ?? 0) > clock.now();
    },

    async countFailure(key) {
      const now = clock.now();
      const row = await db()
        .insertInto("login_failures")
        .values({ email_key: key, failures: 1, locked_until: null, last_failed_at: now })
        .onConflict((conflict) =>
          conflict
            .column("email_key")
            .doUpdateSet((eb) => ({ failures: eb("login_failures.failures", "+", 1), last_failed_at: now })),
        )
        .returning("failures")
        .executeTakeFirstOrThrow();
      if (row.failures < FREE_FAILURES) return;
      await db()
        .updateTable("login_failures")
        .set({ locked_until: now + lockMs(row.failures) })
        .where("email_key", "=", key)
        .execute();
    },

    async take(key) {
      const now = clock.now();
      const taken = await sql<{ failures: number }>`
        insert into login_failures (email_key, failures, locked_until, last_failed_at)
        values (${key}, 1, null, ${now})
        on conflict (email_key) do update set
          failures = login_failures.failures + 1,
          last_failed_at = ${now},
          locked_until = case ${sql.join(
            Array.from({ length: MAX_DOUBLINGS }, (_, i) => FREE_FAILURES + i).map(
              (failures) =>
                sql`when login_failures.failures + 1 = ${sql.lit(failures)} then cast(${now + lockMs(failures)} as bigint)`,
            ),
            sql` `,
          )} when login_failures.failures + 1 < ${sql.lit(FREE_FAILURES)} then null else cast(${now + MAX_LOCK_MS} as bigint) end
        where login_failures.locked_until is null or login_failures.locked_until <= ${now}
        returning failures`.execute(storage.db());
      return taken.rows.length === 1;
    },

    async clear(key) {
      await db().deleteFrom("login_failures").where("email_key", "=", key).execute();
    },

    async sweep() {
      await sql`delete from login_failures where email_key in (
        select email_key from login_failures where last_failed_at < ${clock.now() - FORGET_MS}
        limit ${SWEEP_ROWS})`.execute(storage.db());
    },
  };
}

const lockMs = (failures: number): number =>
  Math.min(FIRST_LOCK_MS * 2 ** (failures - FREE_FAILURES), MAX_LOCK_MS);
