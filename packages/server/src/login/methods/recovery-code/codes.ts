import { tokenHash } from "../../../crypto/hash.ts";
import { randomBytes } from "../../../crypto/random.ts";
import type { Clock } from "../../../lib/clock.ts";
import { consumeOnce } from "../../../storage/consume.ts";
import type { Queryable, Storage } from "../../../storage/index.ts";
import type { LoginTables } from "../../store.ts";

/** Codes that each let a person in once who has lost their second factor. */
export interface RecoveryCodes {
  /** Codes that are left. */
  count(userId: string): Promise<number>;
  /** Makes ten new codes in place of all earlier ones. They are told here and never again. */
  replace(on: Queryable, userId: string): Promise<readonly string[]>;
  /** New codes, with the hashes by which they can be added later. Default: ten. */
  draft(count?: number): { readonly codes: readonly string[]; readonly hashes: readonly string[] };
  /** Lets drafted codes count, beside those that are there. */
  add(on: Queryable, userId: string, hashes: readonly string[]): Promise<void>;
  /** Uses up a code, however it is spaced; false when it is unknown, another's or was used before. */
  spend(userId: string, code: string): Promise<boolean>;
  removeAll(userId: string): Promise<void>;
}

const COUNT = 10;
/** 80 bits: a fast hash is enough for what cannot be guessed. */
const BYTES = 10;
/** Without letters and digits that look alike. */
const ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789";

export function createRecoveryCodes(deps: { storage: Storage; clock: Clock }): RecoveryCodes {
  const { storage, clock } = deps;
  const table = (on: Queryable = storage) => on.db<LoginTables>();

  return {
    async count(userId) {
      const rows = await table()
        .selectFrom("recovery_codes")
        .select("code_hash")
        .where("user_id", "=", userId)
        .where("consumed_at", "is", null)
        .execute();
      return rows.length;
    },
    draft(count = COUNT) {
      const codes = Array.from({ length: count }, newCode);
      return { codes, hashes: codes.map((code) => tokenHash(normalForm(code))) };
    },
    async add(on, userId, hashes) {
      const created_at = clock.now();
      await table(on)
        .insertInto("recovery_codes")
        .values(hashes.map((code_hash) => ({ user_id: userId, code_hash, created_at, consumed_at: null })))
        .execute();
    },
    async replace(on, userId) {
      const codes = Array.from({ length: COUNT }, newCode);
      await table(on).deleteFrom("recovery_codes").where("user_id", "=", userId).execute();
      await table(on)
        .insertInto("recovery_codes")
        .values(
          codes.map((code) => ({
            user_id: userId,
            code_hash: tokenHash(normalForm(code)),
            created_at: clock.now(),
            consumed_at: null,
          })),
        )
        .execute();
      return codes;
    },
    async spend(userId, code) {
      const where = { user_id: userId, code_hash: tokenHash(normalForm(code)) };
      return (await consumeOnce(storage, "recovery_codes", where, clock.now())) !== undefined;
    },
    async removeAll(userId) {
      await table().deleteFrom("recovery_codes").where("user_id", "=", userId).execute();
    },
  };
}

/** Sixteen characters of 31, in fours; drawn without bias. */
function newCode(): string {
  let code = "";
  while (code.length < 16)
    for (const byte of randomBytes(BYTES)) {
      // The largest multiple of 31 below 256.
      if (byte < 248 && code.length < 16) code += ALPHABET[byte % ALPHABET.length];
    }
  return code.match(/.{4}/g)?.join("-") ?? code;
}

const normalForm = (code: string): string => code.normalize("NFKC").toLowerCase().replace(/[\s-]/g, "");
