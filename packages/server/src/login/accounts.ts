import type { Audit } from "../audit/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import { reveal, type Secret } from "../lib/secret.ts";
import { hotQuery } from "../storage/hot.ts";
import type { Storage } from "../storage/index.ts";
import type { BreachedPasswords, PasswordOwner } from "./breached.ts";
import { loginError } from "./errors.ts";
import { loginEvents } from "./events.ts";
import type { Accounts, PasswordHash, User } from "./index.ts";
import type { Lockout } from "./lockout.ts";
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

const userById = hotQuery<LoginTables["users"]>("select * from users where id = ?");

export function createAccounts(deps: {
  storage: Storage;
  audit: Audit;
  clock: Clock;
  ids: Ids;
  passwords: Passwords;
  lockout: Lockout;
  breached: BreachedPasswords;
}): Accounts {
  const { storage, audit, clock, ids, passwords, lockout, breached } = deps;
  const db = () => storage.db<LoginTables>();

  async function findRow(key: string) {
    if (!isAddress(key)) return undefined;
    return db().selectFrom("users").selectAll().where("email_key", "=", key).executeTakeFirst();
  }

  async function hashPassword(password: Secret, owner: PasswordOwner): Promise<PasswordHash> {
    if (!fits(password)) throw loginError("login.password_unfit");
    if (await breached.has(reveal(password), owner)) throw loginError("login.password_breached");
    // Found fit in the lines above.
    return (await passwords.hash(password)) as PasswordHash;
  }

  /** A hash that came from another system gives way to ours. When too many wait, the next log-in does it. */
  async function renewHash({ id, password_hash }: LoginTables["users"], password: Secret): Promise<void> {
    if (password_hash === null || passwords.isOwn(password_hash)) return;
    const renewed = await passwords.hash(password).catch((error) => {
      if ((error as { code?: string }).code === "login.busy") return undefined;
      throw error;
    });
    if (renewed === undefined) return;
    await db()
      .updateTable("users")
      .set({ password_hash: renewed, updated_at: clock.now() })
      .where("id", "=", id)
      // A password that was changed meanwhile stays changed.
      .where("password_hash", "=", password_hash)
      .execute();
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

    async changeEmail(on, userId, email) {
      const key = emailKey(email);
      const row = await on
        .db<LoginTables>()
        .updateTable("users")
        .set({
          email: email.normalize("NFKC").trim(),
          email_key: key,
          email_verified: 1,
          updated_at: clock.now(),
        })
        .where("id", "=", userId)
        .where((eb) =>
          eb.not(
            eb.exists(eb.selectFrom("users as other").select("other.id").where("other.email_key", "=", key)),
          ),
        )
        .returning("id")
        .executeTakeFirst();
      return row !== undefined;
    },

    async create({ email, password, passwordHash: hash, emailVerified, name, role = "user", locale }, also) {
      const key = emailKey(email);
      if (!isAddress(key)) throw loginError("login.email_invalid");
      const passwordHash = hash ?? (password ? await hashPassword(password, { email, name }) : null);
      const now = clock.now();
      const row = {
        id: ids.prefixed("usr"),
        email: email.normalize("NFKC").trim(),
        email_key: key,
        email_verified: emailVerified ? 1 : 0,
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
      if (isAddress(key) && (await lockout.isLocked(key))) return { outcome: "locked" };
      if (!row || !matched || row.disabled_at !== null) {
        // What is no address is nobody's, and is not worth a row.
        if (isAddress(key)) await lockout.countFailure(key);
        await audit.append({ action: loginEvents.refused, userId: row?.id, outcome: "refused" });
        return { outcome: "wrong" };
      }
      await lockout.clear(key);
      await renewHash(row, password);
      return { outcome: "ok", user: toUser(row) };
    },
  };
}

/** A name as it is shown; `null` when nothing of it can be. */
export function readableName(name: string | undefined): string | null {
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

/** Whether an account can have this address. */
export function isAddress(address: string): boolean {
  const key = emailKey(address);
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
