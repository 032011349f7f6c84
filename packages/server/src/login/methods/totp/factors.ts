import { Secret as OtpSecret, TOTP } from "otpauth";
import type { Sealer } from "../../../crypto/seal.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { Ids } from "../../../lib/ids.ts";
import { reveal, type Secret, secret } from "../../../lib/secret.ts";
import type { Queryable, Storage } from "../../../storage/index.ts";
import type { LoginTables } from "../../store.ts";

/** An authenticator app of a user. Times in milliseconds. */
export interface TotpFactor {
  readonly id: string;
  readonly createdAt: number;
}

/** Authenticator apps in the store. @see RFC 6238 */
export interface TotpFactors {
  list(userId: string): Promise<readonly TotpFactor[]>;
  /** A new secret, which counts once `confirm` has seen a code of it; `undefined` when the user has too many. */
  begin(userId: string): Promise<string | undefined>;
  /** The secret of a factor that waits for its first code, as base32. */
  pendingSecret(userId: string, id: string): Promise<Secret | undefined>;
  /** Takes the first code of a new factor, once. */
  confirm(on: Queryable, userId: string, id: string, code: string): Promise<boolean>;
  /** Whether `code` is one that an app of the user shows now and that was not used before. */
  spend(userId: string, code: string): Promise<boolean>;
  remove(on: Queryable, userId: string, id: string): Promise<boolean>;
}

const MAX_FACTORS = 5;
const PERIOD_SECONDS = 30;
/** Steps that a clock may be off, either way (RFC 6238 section 5.2). */
const WINDOW = 1;
const SECRET_BYTES = 20;
/** How long a new secret waits for its first code. */
const PENDING_MS = 15 * 60_000;
const CODE = /^\d{6}$/;

export function createTotpFactors(deps: {
  storage: Storage;
  sealer: Sealer;
  clock: Clock;
  ids: Ids;
}): TotpFactors {
  const { storage, sealer, clock, ids } = deps;
  const table = (on: Queryable = storage) => on.db<LoginTables>();

  const rowsOf = (userId: string) =>
    table()
      .selectFrom("totp_factors")
      .selectAll()
      .where("user_id", "=", userId)
      .orderBy("created_at")
      .execute();

  const openSecret = (row: LoginTables["totp_factors"]): Secret =>
    sealer.open(row.data_key, ownerOf(row), PURPOSE, row.sealed_secret);

  /** The step whose code this is; `undefined` when it is none of the last, this and the next one. */
  function stepOf(row: LoginTables["totp_factors"], code: string): number | undefined {
    const now = clock.now();
    const totp = new TOTP({ secret: OtpSecret.fromBase32(reveal(openSecret(row))), period: PERIOD_SECONDS });
    const delta = totp.validate({ token: code, timestamp: now, window: WINDOW });
    return delta === null ? undefined : Math.floor(now / 1_000 / PERIOD_SECONDS) + delta;
  }

  /** Marks a step as used; true for exactly one of any number of callers. */
  async function takeStep(on: Queryable, row: LoginTables["totp_factors"], step: number): Promise<boolean> {
    const taken = await table(on)
      .updateTable("totp_factors")
      .set({ last_step: step, confirmed_at: row.confirmed_at ?? clock.now() })
      .where("id", "=", row.id)
      .where("last_step", "<", step)
      .returning("id")
      .executeTakeFirst();
    return taken !== undefined;
  }

  async function findPending(userId: string, id: string, on?: Queryable) {
    return table(on)
      .selectFrom("totp_factors")
      .selectAll()
      .where("id", "=", id)
      .where("user_id", "=", userId)
      .where("confirmed_at", "is", null)
      .where("created_at", ">", clock.now() - PENDING_MS)
      .executeTakeFirst();
  }

  return {
    async list(userId) {
      const rows = await rowsOf(userId);
      return rows
        .filter((row) => row.confirmed_at !== null)
        .map((row) => ({ id: row.id, createdAt: row.created_at }));
    },

    async begin(userId) {
      const now = clock.now();
      // Those that were never confirmed are nobody's factor.
      await table()
        .deleteFrom("totp_factors")
        .where("user_id", "=", userId)
        .where("confirmed_at", "is", null)
        .execute();
      if ((await rowsOf(userId)).length >= MAX_FACTORS) return undefined;
      const id = ids.prefixed("totp");
      const owner = ownerOf({ id, user_id: userId });
      const dataKey = sealer.newDataKey(owner);
      const value = secret(new OtpSecret({ size: SECRET_BYTES }).base32);
      await table()
        .insertInto("totp_factors")
        .values({
          id,
          user_id: userId,
          data_key: dataKey,
          sealed_secret: sealer.seal(dataKey, owner, PURPOSE, value),
          last_step: 0,
          created_at: now,
          confirmed_at: null,
        })
        .execute();
      return id;
    },

    async pendingSecret(userId, id) {
      const row = await findPending(userId, id);
      return row && openSecret(row);
    },

    async confirm(on, userId, id, code) {
      const row = CODE.test(code) ? await findPending(userId, id, on) : undefined;
      const step = row && stepOf(row, code);
      return row !== undefined && step !== undefined && takeStep(on, row, step);
    },

    async spend(userId, code) {
      if (!CODE.test(code)) return false;
      for (const row of await rowsOf(userId)) {
        const step = row.confirmed_at === null ? undefined : stepOf(row, code);
        if (step !== undefined && (await takeStep(storage, row, step))) return true;
      }
      return false;
    },

    async remove(on, userId, id) {
      const row = await table(on)
        .deleteFrom("totp_factors")
        .where("id", "=", id)
        .where("user_id", "=", userId)
        .returning("id")
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}

const PURPOSE = { purpose: "totp-secret" };
const ownerOf = (row: { readonly id: string; readonly user_id: string }) => ({
  owner: "totp-factor",
  factor: row.id,
  user: row.user_id,
});

/** A code as it was typed: with a space in the middle, or in full-width digits. */
export const readCode = (text: string): string => text.normalize("NFKC").replace(/[\s-]/g, "");
