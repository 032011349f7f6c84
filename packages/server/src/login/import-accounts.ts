import type { Audit } from "../audit/index.ts";
import type { Clock } from "../lib/clock.ts";
import { reveal, type Secret } from "../lib/secret.ts";
import type { Queryable, Storage } from "../storage/index.ts";
import { emailKey, isAddress, readableName } from "./accounts.ts";
import { loginEvents } from "./events.ts";
import { noteForm } from "./imported-forms.ts";
import { readImportedHash } from "./imported-passwords.ts";
import type { LoginTables } from "./store.ts";

/** A person as another system knew them. Times in milliseconds. */
export interface ImportedAccount {
  /** Stays the user's id, so that `sub` stays what apps know: 1 to 255 visible ASCII characters. */
  readonly id: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly name?: string | undefined;
  /** An https address. */
  readonly picture?: string | undefined;
  readonly locale?: string | undefined;
  readonly disabled: boolean;
  readonly createdAt?: number | undefined;
  /** bcrypt, or a PHC string of argon2, pbkdf2 or scrypt. */
  readonly passwordHash?: Secret | undefined;
}

/** What became of one of them. */
export interface ImportOutcome {
  /** `completed`: the user was there, and something that was missing was added. */
  readonly account: "made" | "completed" | "unchanged" | "id_invalid" | "email_invalid" | "email_taken";
  /** `kept`: the user has one already. `unknown`: the hash cannot be checked here; a reset is needed. */
  readonly password: "taken" | "kept" | "unknown" | "none";
}

export type ImportAccounts = (
  accounts: readonly ImportedAccount[],
  options?: { readonly dryRun?: boolean },
) => Promise<readonly ImportOutcome[]>;

/** OpenID Connect Core section 2: `sub` is at most 255 ASCII characters. */
const USER_ID = /^[\x21-\x7e]{1,255}$/;
/** Ids of our own form are ours to give. */
const OWN_ID = /^usr_/;

/** Thrown to undo a trial run. */
const UNDO = Symbol("undo");

/**
 * Makes users that another system had, in one transaction; what one of them lacks is added, nothing that is there
 * is changed. Safe to call twice. With `dryRun` the outcomes are the same and nothing is written.
 */
export function createImportAccounts(deps: { storage: Storage; audit: Audit; clock: Clock }): ImportAccounts {
  const { storage, audit, clock } = deps;

  async function importOne(tx: Queryable, account: ImportedAccount): Promise<ImportOutcome> {
    const email = account.email.normalize("NFKC").trim();
    const key = emailKey(email);
    if (!USER_ID.test(account.id) || OWN_ID.test(account.id))
      return { account: "id_invalid", password: "none" };
    if (!isAddress(key)) return { account: "email_invalid", password: "none" };
    const hash = await takeHash(tx, account.passwordHash);
    const password = account.passwordHash === undefined ? "none" : hash === undefined ? "unknown" : "taken";
    const users = tx.db<LoginTables>();
    const known = await users.selectFrom("users").selectAll().where("id", "=", account.id).executeTakeFirst();
    if (known) return complete(tx, known, account, hash);
    const now = clock.now();
    const made = await users
      .insertInto("users")
      .values({
        id: account.id,
        email,
        email_key: key,
        email_verified: account.emailVerified ? 1 : 0,
        name: readableName(account.name),
        picture: account.picture ?? null,
        locale: account.locale ?? null,
        password_hash: hash ?? null,
        // Whoever administers the other system does not administer this one by that.
        role: "user",
        disabled_at: account.disabled ? now : null,
        created_at: Math.min(account.createdAt ?? now, now),
        updated_at: now,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning("id")
      .executeTakeFirst();
    if (made) return { account: "made", password };
    // Another import may have made the same user since the look above.
    const meanwhile = await users
      .selectFrom("users")
      .selectAll()
      .where("id", "=", account.id)
      .executeTakeFirst();
    return meanwhile ? complete(tx, meanwhile, account, hash) : { account: "email_taken", password: "none" };
  }

  async function complete(
    tx: Queryable,
    known: LoginTables["users"],
    account: ImportedAccount,
    hash: string | undefined,
  ): Promise<ImportOutcome> {
    const hasPassword = known.password_hash !== null;
    const missing = {
      ...(hash !== undefined && !hasPassword ? { password_hash: hash } : {}),
      ...(known.name === null && readableName(account.name) ? { name: readableName(account.name) } : {}),
      ...(known.picture === null && account.picture ? { picture: account.picture } : {}),
    };
    const offered = account.passwordHash !== undefined;
    const password = hasPassword ? "kept" : !offered ? "none" : hash === undefined ? "unknown" : "taken";
    if (Object.keys(missing).length === 0) return { account: "unchanged", password };
    await tx
      .db<LoginTables>()
      .updateTable("users")
      .set({ ...missing, updated_at: clock.now() })
      .where("id", "=", known.id)
      .execute();
    return { account: "completed", password };
  }

  return async (accounts, { dryRun = false } = {}) => {
    const outcomes: ImportOutcome[] = [];
    const work = storage.transaction(async (tx) => {
      for (const account of accounts) {
        const outcome = await importOne(tx, account);
        outcomes.push(outcome);
        if (outcome.account !== "made" && outcome.account !== "completed") continue;
        await audit.appendIn(tx, {
          action: loginEvents.userImported,
          userId: account.id,
          outcome: "done",
          details: { account: outcome.account, password: outcome.password },
        });
      }
      if (dryRun) throw UNDO;
    });
    await work.catch((error) => {
      if (error !== UNDO) throw error;
    });
    return outcomes;
  };
}

/** As it will be kept; `undefined` when it cannot be checked here. */
async function takeHash(tx: Queryable, given: Secret | undefined): Promise<string | undefined> {
  const hash = given === undefined ? undefined : readImportedHash(reveal(given));
  return hash && (await noteForm(tx, hash.form)) ? hash.stored : undefined;
}
