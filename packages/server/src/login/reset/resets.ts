import { sql } from "kysely";
import { sha256, tokenHash } from "../../crypto/hash.ts";
import { randomToken } from "../../crypto/random.ts";
import type { Clock } from "../../lib/clock.ts";
import { consumeOnce } from "../../storage/consume.ts";
import type { Queryable, Storage } from "../../storage/index.ts";
import type { PasswordHash } from "../index.ts";
import type { LoginTables } from "../store.ts";

/** Where somebody who asked for a new password was on the way to. */
export interface ResetRequest {
  readonly returnTo: string;
  readonly clientId?: string | undefined;
}

/** A reset that can still be made. */
export interface Reset extends ResetRequest {
  /** Names it in a flow; not the token. */
  readonly id: string;
  readonly userId: string;
}

/** Permissions to set a new password, each by a link that was mailed. */
export interface Resets {
  /** Makes one for a user, or one that is nobody's, in the same time. Returns the token. */
  begin(
    on: Queryable,
    userId: string | undefined,
    request: ResetRequest,
  ): Promise<{ token: string; expiresAt: number }>;
  /** The reset of a token; `undefined` when it is unknown, used, too old, or the password was changed since. */
  find(by: { token: string } | { id: string }): Promise<Reset | undefined>;
  /** Uses a reset up and stores the password in `tx`; true for exactly one of any number of callers. */
  spend(tx: Queryable, reset: Reset, hash: PasswordHash): Promise<boolean>;
  /** Ends all that a user has: the address that they went to is not theirs any more. */
  cancelAll(on: Queryable, userId: string): Promise<void>;
  /** Removes a bounded number of resets that are over; for background work. */
  sweep(): Promise<void>;
}

export const RESET_MS = 30 * 60_000;
const SWEEP_ROWS = 1_000;

export function createResets(deps: { storage: Storage; clock: Clock }): Resets {
  const { storage, clock } = deps;
  const table = (on: Queryable = storage) => on.db<LoginTables>();

  async function passwordOf(on: Queryable, userId: string) {
    return table(on).selectFrom("users").select("password_hash").where("id", "=", userId).executeTakeFirst();
  }

  return {
    async begin(on, userId, request) {
      const token = randomToken();
      const now = clock.now();
      const expiresAt = now + RESET_MS;
      const password = await passwordOf(on, userId ?? "");
      // The same statement for nobody: it finds no user to write a row for.
      await table(on)
        .insertInto("password_resets")
        .columns([
          "token_hash",
          "user_id",
          "password_mark",
          "request",
          "created_at",
          "expires_at",
          "consumed_at",
        ])
        .expression((eb) =>
          eb
            .selectFrom("users")
            .select([
              sql<string>`${tokenHash(token)}`.as("token_hash"),
              "id",
              sql<string>`${markOf(password?.password_hash)}`.as("password_mark"),
              sql<string>`${JSON.stringify(request)}`.as("request"),
              sql<number>`cast(${now} as bigint)`.as("created_at"),
              sql<number>`cast(${expiresAt} as bigint)`.as("expires_at"),
              sql<null>`cast(null as bigint)`.as("consumed_at"),
            ])
            .where("id", "=", userId ?? ""),
        )
        .execute();
      return { token, expiresAt };
    },

    async find(by) {
      const hash = "token" in by ? tokenHash(by.token) : by.id;
      const row = await table()
        .selectFrom("password_resets")
        .selectAll()
        .where("token_hash", "=", hash)
        .where("consumed_at", "is", null)
        .where("expires_at", ">", clock.now())
        .executeTakeFirst();
      if (!row || row.password_mark !== markOf((await passwordOf(storage, row.user_id))?.password_hash))
        return undefined;
      // Written by begin().
      return { ...(JSON.parse(row.request) as ResetRequest), id: row.token_hash, userId: row.user_id };
    },

    async spend(tx, reset, hash) {
      const now = clock.now();
      const row = await consumeOnce<LoginTables["password_resets"]>(
        tx,
        "password_resets",
        { token_hash: reset.id, user_id: reset.userId },
        now,
      );
      if (!row || row.expires_at <= now) return false;
      const before = await passwordOf(tx, reset.userId);
      if (!before || row.password_mark !== markOf(before.password_hash)) return false;
      const changed = await table(tx)
        .updateTable("users")
        .set({ password_hash: hash, updated_at: now })
        .where("id", "=", reset.userId)
        .where("disabled_at", "is", null)
        // As it was looked at: of two changes at once one counts.
        .where("password_hash", before.password_hash === null ? "is" : "=", before.password_hash)
        .returning("id")
        .executeTakeFirst();
      return changed !== undefined;
    },

    async cancelAll(on, userId) {
      await table(on).deleteFrom("password_resets").where("user_id", "=", userId).execute();
    },

    async sweep() {
      await sql`delete from password_resets where token_hash in (
        select token_hash from password_resets where expires_at < ${clock.now()} limit ${SWEEP_ROWS})`.execute(
        storage.db(),
      );
    },
  };
}

const markOf = (passwordHash: string | null | undefined): string => sha256(`mark:${passwordHash ?? ""}`);
