import type { Clock } from "../../../lib/clock.ts";
import type { Queryable, Storage } from "../../../storage/index.ts";
import type { LoginTables } from "../../store.ts";

/** A number that a user has shown to be theirs. */
export interface Phone {
  /** E.164. */
  readonly phone: string;
  /** Whether the user is asked for a code as a second factor. */
  readonly isSecondFactor: boolean;
}

/** Users' telephone numbers: one a user, and one user a number. */
export interface Phones {
  of(userId: string): Promise<Phone | undefined>;
  ownerOf(phone: string): Promise<string | undefined>;
  /** Keeps a number that was just confirmed, in place of the one before; false when it is somebody else's. */
  set(on: Queryable, userId: string, phone: string): Promise<boolean>;
  setSecondFactor(on: Queryable, userId: string, isSecondFactor: boolean): Promise<boolean>;
  remove(on: Queryable, userId: string): Promise<boolean>;
}

export function createPhones(deps: { storage: Storage; clock: Clock }): Phones {
  const { storage, clock } = deps;
  const table = (on: Queryable = storage) => on.db<LoginTables>();

  return {
    async of(userId) {
      const row = await table()
        .selectFrom("user_phones")
        .select(["phone", "second_factor"])
        .where("user_id", "=", userId)
        .executeTakeFirst();
      return row && { phone: row.phone, isSecondFactor: row.second_factor === 1 };
    },

    async ownerOf(phone) {
      const row = await table()
        .selectFrom("user_phones")
        .select("user_id")
        .where("phone", "=", phone)
        .executeTakeFirst();
      return row?.user_id;
    },

    async set(on, userId, phone) {
      const now = clock.now();
      const row = { user_id: userId, phone, second_factor: 0, confirmed_at: now };
      const taken = await table(on)
        .selectFrom("user_phones")
        .select("user_id")
        .where("phone", "=", phone)
        .executeTakeFirst();
      if (taken) return taken.user_id === userId;
      // Whoever changes the number keeps what it was for. Two users at once: the unique index lets one in.
      await table(on)
        .insertInto("user_phones")
        .values(row)
        .onConflict((conflict) => conflict.column("user_id").doUpdateSet({ phone, confirmed_at: now }))
        .execute();
      return true;
    },

    async setSecondFactor(on, userId, isSecondFactor) {
      const row = await table(on)
        .updateTable("user_phones")
        .set({ second_factor: isSecondFactor ? 1 : 0 })
        .where("user_id", "=", userId)
        .returning("user_id")
        .executeTakeFirst();
      return row !== undefined;
    },

    async remove(on, userId) {
      const row = await table(on)
        .deleteFrom("user_phones")
        .where("user_id", "=", userId)
        .returning("user_id")
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}

/** E.164: a plus sign and at most 15 digits, without what people put between; `undefined` when it is no number. */
export function readPhone(typed: string): string | undefined {
  const phone = typed
    .normalize("NFKC")
    .trim()
    .replace(/^00/, "+")
    .replace(/[\s().-]/g, "");
  return /^\+[1-9]\d{6,14}$/.test(phone) ? phone : undefined;
}
