import { createHmac } from "node:crypto";
import { sql } from "kysely";
import { equalInConstantTime, keyedHash, tokenHash } from "../crypto/hash.ts";
import type { Keyring } from "../crypto/keyring.ts";
import { randomToken } from "../crypto/random.ts";
import type { Clock } from "../lib/clock.ts";
import type { Queryable, Storage } from "../storage/index.ts";
import type { LoginTables } from "./store.ts";

/** What a code is good for: nothing else, and nowhere else. */
export interface CodeBinding {
  readonly purpose: "log-in" | "log-in-text" | "sign-up" | "confirm-email" | "phone" | "passwordless";
  /** The flow, the user or the client and address that it was made for. */
  readonly to: string;
}

/** A new code. */
export interface IssuedCode {
  /** Six digits. */
  readonly code: string;
  /** 256 bits, for a link. Whoever has it may see the code. */
  readonly token: string;
  /** In milliseconds. */
  readonly expiresAt: number;
}

/** Six-digit codes, and links that stand for them. */
export interface Codes {
  /** Makes a code; the one before for the same binding is over. `payload` comes back when it is spent. */
  issue(on: Queryable, binding: CodeBinding, payload: object): Promise<IssuedCode>;
  /** Uses the code up and returns its payload. A wrong one counts: five, and the code is over. */
  spend(binding: CodeBinding, code: string): Promise<unknown>;
  /** As `spend`, by the link's token. */
  spendLink(binding: CodeBinding, token: string): Promise<unknown>;
  /** The code that a link stands for, while it can be used; for somebody who opened it in another browser. */
  codeOf(token: string): Promise<string | undefined>;
  /** Payload of the code that waits for this binding; uses nothing up. */
  waiting(binding: CodeBinding): Promise<unknown>;
  /** Ends what waits. */
  cancel(on: Queryable, binding: CodeBinding): Promise<void>;
  /** Removes a bounded number of codes that are over; for background work. */
  sweep(): Promise<void>;
}

/** As long as one looks for a mail. */
export const CODE_MS = 10 * 60_000;
/** Of a million codes: five guesses of one, and not many more of it (see sending.ts). */
const MAX_TRIES = 5;
const DIGITS = 6;
const CODE = /^\d{6}$/;
const SWEEP_ROWS = 1_000;

export function createCodes(deps: { storage: Storage; keyring: Keyring; clock: Clock }): Codes {
  const { storage, keyring, clock } = deps;
  const table = (on: Queryable = storage) => on.db<LoginTables>();
  /** Codes live for minutes: a rotation of the root key ends those that are under way. */
  const key = keyring.derive("login-code");

  /** A code follows from its link, so that the link can show it; without the key it cannot be told. */
  function codeFrom(token: string): string {
    const number = createHmac("sha256", key).update(`code:${token}`).digest().readUIntBE(0, 6);
    return String(number % 10 ** DIGITS).padStart(DIGITS, "0");
  }

  const bindingHash = ({ purpose, to }: CodeBinding): string => tokenHash(`${purpose}:${to}`);
  /** A million hashes without a key are made in a second. */
  const codeHash = (binding: CodeBinding, code: string): string =>
    keyedHash(key, `${bindingHash(binding)}:${code}`);

  /** Counts a try before it is looked at, so that parallel ones all count. */
  async function takeTry(binding: CodeBinding) {
    return table()
      .updateTable("login_codes")
      .set((eb) => ({ tries: eb("tries", "+", 1) }))
      .where("binding_hash", "=", bindingHash(binding))
      .where("consumed_at", "is", null)
      .where("expires_at", ">", clock.now())
      .where("tries", "<", MAX_TRIES)
      .returning("code_hash")
      .executeTakeFirst();
  }

  async function consume(binding: CodeBinding, by: { code_hash: string } | { link_hash: string }) {
    const [column, value] =
      "code_hash" in by ? (["code_hash", by.code_hash] as const) : (["link_hash", by.link_hash] as const);
    const row = await table()
      .updateTable("login_codes")
      .set({ consumed_at: clock.now() })
      .where("binding_hash", "=", bindingHash(binding))
      .where(column, "=", value)
      .where("consumed_at", "is", null)
      .where("expires_at", ">", clock.now())
      .returning("payload")
      .executeTakeFirst();
    return row && (JSON.parse(row.payload) as unknown);
  }

  return {
    async issue(on, binding, payload) {
      const now = clock.now();
      const token = randomToken();
      const code = codeFrom(token);
      const row = {
        binding_hash: bindingHash(binding),
        purpose: binding.purpose,
        code_hash: codeHash(binding, code),
        link_hash: tokenHash(token),
        payload: JSON.stringify(payload),
        tries: 0,
        created_at: now,
        expires_at: now + CODE_MS,
        consumed_at: null,
      };
      const { binding_hash: _, ...change } = row;
      await table(on)
        .insertInto("login_codes")
        .values(row)
        .onConflict((conflict) => conflict.column("binding_hash").doUpdateSet(change))
        .execute();
      return { code, token, expiresAt: row.expires_at };
    },

    async spend(binding, typed) {
      const code = readCode(typed);
      if (!CODE.test(code)) return undefined;
      const row = await takeTry(binding);
      const hash = codeHash(binding, code);
      if (!row || !equalInConstantTime(row.code_hash, hash)) return undefined;
      return consume(binding, { code_hash: hash });
    },

    spendLink: (binding, token) => consume(binding, { link_hash: tokenHash(token) }),

    async codeOf(token) {
      const row = await table()
        .selectFrom("login_codes")
        .select("tries")
        .where("link_hash", "=", tokenHash(token))
        .where("consumed_at", "is", null)
        .where("expires_at", ">", clock.now())
        .where("tries", "<", MAX_TRIES)
        .executeTakeFirst();
      return row && codeFrom(token);
    },

    async waiting(binding) {
      const row = await table()
        .selectFrom("login_codes")
        .select("payload")
        .where("binding_hash", "=", bindingHash(binding))
        .where("consumed_at", "is", null)
        .where("expires_at", ">", clock.now())
        .executeTakeFirst();
      return row && (JSON.parse(row.payload) as unknown);
    },

    async cancel(on, binding) {
      await table(on).deleteFrom("login_codes").where("binding_hash", "=", bindingHash(binding)).execute();
    },

    async sweep() {
      await sql`delete from login_codes where binding_hash in (
        select binding_hash from login_codes where expires_at < ${clock.now()} limit ${SWEEP_ROWS})`.execute(
        storage.db(),
      );
    },
  };
}

/** A code as it was typed: with a space in the middle, or in full-width digits. */
export const readCode = (text: string): string => text.normalize("NFKC").replace(/[\s-]/g, "");
