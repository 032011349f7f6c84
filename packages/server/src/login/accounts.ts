import { sql } from "kysely";
import type { Audit } from "../audit/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import { reveal, type Secret } from "../lib/secret.ts";
import { hotQuery } from "../storage/hot.ts";
import type { Storage } from "../storage/index.ts";
import { loginError } from "./errors.ts";
import { loginEvents } from "./events.ts";
import type { Accounts, PasswordHash, User } from "./index.ts";
import type { Passwords } from "./passwords.ts";
import type { LoginTables } from "./store.ts";

export const MIN_PASSWORD_LENGTH = 12;
export const MAX_PASSWORD_LENGTH = 200;
const MAX_EMAIL_LENGTH = 254;
const MAX_NAME_LENGTH = 200;
/** Deliberately loose: whether an address works is for the mail to show. */
const EMAIL = /^[^\s@<>"',;:\\()[\]]+@[^\s@.<>"',;:\\()[\]]+(\.[^\s@.<>"',;:\\()[\]]+)*$/u;

/** Control and invisible characters: an address with them looks like another one, or cannot be stored. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/u;

/** Failures of one address before it is locked. */
const FREE_FAILURES = 5;
const FIRST_LOCK_MS = 30_000;
const MAX_LOCK_MS = 15 * 60_000;
/** Guessing that goes on never gets this old: each failure moves the time of the last one. */
const FORGET_MS = 86_400_000;
const SWEEP_ROWS = 1_000;

const userById = hotQuery<LoginTables["users"]>("select * from users where id = ?");

export function createAccounts(deps: {
  storage: Storage;
  audit: Audit;
  clock: Clock;
  ids: Ids;
  passwords: Passwords;
}): Accounts {
  const { storage, audit, clock, ids, passwords } = deps;
  const db = () => storage.db<LoginTables>();

  async function findRow(key: string) {
    if (!isAddress(key)) return undefined;
    return db().selectFrom("users").selectAll().where("email_key", "=", key).executeTakeFirst();
  }

  async function lockedUntil(key: string): Promise<number> {
    const row = await db()
      .selectFrom("login_failures")
      .select("locked_until")
      .where("email_key", "=", key)
      .executeTakeFirst();
    return row?.locked_until ?? 0;
  }

  /** Counts in the database by one statement, so that parallel guesses all count. */
  async function countFailure(key: string): Promise<void> {
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
    const lockMs = Math.min(FIRST_LOCK_MS * 2 ** (row.failures - FREE_FAILURES), MAX_LOCK_MS);
    await db()
      .updateTable("login_failures")
      .set({ locked_until: now + lockMs })
      .where("email_key", "=", key)
      .execute();
  }

  async function hashPassword(password: Secret): Promise<PasswordHash> {
    if (!fits(password)) throw loginError("login.password_unfit");
    // Found fit in the line above.
    return (await passwords.hash(password)) as PasswordHash;
  }

  return {
    async find(id) {
      // Ids come from hints and tokens too; this one is not storable on every engine.
      if (id.includes("\0")) return undefined;
      const [row] = await userById(storage, [id]);
      return row && toUser(row);
    },

    async findByEmail(email) {
      const row = await findRow(emailKey(email));
      return row && toUser(row);
    },

    hashPassword,

    async setPassword(on, userId, hash) {
      await on
        .db<LoginTables>()
        .updateTable("users")
        .set({ password_hash: hash, updated_at: clock.now() })
        .where("id", "=", userId)
        .execute();
    },

    async rename(userId, name) {
      const visible = readableName(name);
      if (visible === null) return;
      await db()
        .updateTable("users")
        .set({ name: visible, updated_at: clock.now() })
        .where("id", "=", userId)
        .execute();
    },

    async hasPassword(userId) {
      const row = await db()
        .selectFrom("users")
        .select("password_hash")
        .where("id", "=", userId)
        .executeTakeFirst();
      return row !== undefined && row.password_hash !== null;
    },

    async confirmEmail(on, userId, email) {
      const row = await on
        .db<LoginTables>()
        .updateTable("users")
        .set({ email_verified: 1, updated_at: clock.now() })
        .where("id", "=", userId)
        .where("email_key", "=", emailKey(email))
        .returning("id")
        .executeTakeFirst();
      return row !== undefined;
    },

    async create({ email, password, name, role = "user", locale }, also) {
      const key = emailKey(email);
      if (!isAddress(key)) throw loginError("login.email_invalid");
      const passwordHash = password ? await hashPassword(password) : null;
      const now = clock.now();
      const row = {
        id: ids.prefixed("usr"),
        email: email.normalize("NFKC").trim(),
        email_key: key,
        email_verified: 0,
        name: readableName(name),
        picture: null,
        locale: locale ?? null,
        password_hash: passwordHash,
        role,
        disabled_at: null,
        created_at: now,
        updated_at: now,
      };
      return storage.transaction(async (tx) => {
        const inserted = await tx
          .db<LoginTables>()
          .insertInto("users")
          .values(row)
          .onConflict((conflict) => conflict.column("email_key").doNothing())
          .returning("id")
          .executeTakeFirst();
        if (!inserted) throw loginError("login.email_taken");
        await audit.appendIn(tx, {
          action: loginEvents.userCreated,
          userId: row.id,
          outcome: "done",
          details: { role },
        });
        await also?.(tx, toUser(row));
        return toUser(row);
      });
    },

    async authenticate(email, password) {
      const key = emailKey(email);
      const row = await findRow(key);
      // The password is checked even when the address is locked or unknown: each answer takes as long.
      const matched = await passwords.matches(row?.password_hash ?? undefined, password);
      if (isAddress(key) && (await lockedUntil(key)) > clock.now()) return { outcome: "locked" };
      if (!row || !matched || row.disabled_at !== null) {
        // What is no address is nobody's, and is not worth a row.
        if (isAddress(key)) await countFailure(key);
        await audit.append({ action: loginEvents.refused, userId: row?.id, outcome: "refused" });
        return { outcome: "wrong" };
      }
      await db().deleteFrom("login_failures").where("email_key", "=", key).execute();
      return { outcome: "ok", user: toUser(row) };
    },

    async sweep() {
      await sql`delete from login_failures where email_key in (
        select email_key from login_failures where last_failed_at < ${clock.now() - FORGET_MS}
        limit ${SWEEP_ROWS})`.execute(storage.db());
    },
  };
}

/** A name as it is shown; `null` when nothing of it can be. */
function readableName(name: string | undefined): string | null {
  return (
    name
      ?.replace(/\p{Cc}/gu, "")
      .trim()
      .slice(0, MAX_NAME_LENGTH) || null
  );
}

/** One person, one key: case, compatibility forms and surrounding space do not make another address. */
export function emailKey(email: string): string {
  return email.normalize("NFKC").trim().toLowerCase();
}

function isAddress(key: string): boolean {
  return key.length <= MAX_EMAIL_LENGTH && EMAIL.test(key) && !INVISIBLE.test(key);
}

function fits(password: Secret): boolean {
  const { length } = reveal(password);
  return length >= MIN_PASSWORD_LENGTH && length <= MAX_PASSWORD_LENGTH;
}

function toUser(row: LoginTables["users"]): User {
  return {
    id: row.id,
    email: row.email,
    emailVerified: row.email_verified === 1,
    name: row.name ?? undefined,
    locale: row.locale ?? undefined,
    role: row.role === "admin" ? "admin" : "user",
    disabledAt: row.disabled_at ?? undefined,
  };
}
