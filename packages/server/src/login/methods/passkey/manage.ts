import { sql } from "kysely";
import type { Audit } from "../../../audit/index.ts";
import { httpError } from "../../../http/errors.ts";
import type { Messages } from "../../../messages/index.ts";
import type { Storage, Tx } from "../../../storage/index.ts";
import { loginEvents } from "../../events.ts";
import type { User, Users } from "../../index.ts";
import { cleanName } from "./names.ts";
import type { Passkeys } from "./passkeys.ts";
import { listRows, type PasskeyTables } from "./store.ts";
import type { NewCredential } from "./verify.ts";

/** More than anybody has devices; keeps lists that are sent to browsers short. */
const MAX_PASSKEYS = 20;

/** Changes of a person's own passkeys: each with its record and a mail about it, all or nothing. */
export interface ManagePasskeys {
  /** `taken`: the key is registered already. */
  add(userId: string, credential: NewCredential, name: string): Promise<"added" | "taken" | "too_many">;
  /** A name without anything to show changes nothing. @throws ApiError `request.not_found` */
  rename(userId: string, id: string, name: string): Promise<void>;
  /** `last`: without it the person could not log in any more. @throws ApiError `request.not_found` */
  remove(userId: string, id: string): Promise<"removed" | "last">;
}

export function createManagePasskeys(deps: {
  storage: Storage;
  audit: Audit;
  users: Users;
  passkeys: Passkeys;
  messages: Pick<Messages, "mail"> | undefined;
}): ManagePasskeys {
  const { storage, audit, passkeys } = deps;

  async function record(tx: Tx, action: string, userId: string, id?: string): Promise<void> {
    await audit.appendIn(tx, { action, userId, objectId: id, outcome: "done" });
  }

  async function tell(tx: Tx, user: User | undefined, change: "added" | "removed", label: string) {
    if (!user) return;
    const values = { path: "/profile", change, method: "passkey" as const, label, ...named(user) };
    await deps.messages?.mail(tx, {
      to: user.email,
      language: user.locale,
      template: "new_login_method",
      values,
    });
  }

  return {
    async add(userId, credential, name) {
      const user = await deps.users.find(userId);
      return storage.transaction(async (tx) => {
        await lockUser(tx, userId);
        if ((await listRows(tx, userId)).length >= MAX_PASSKEYS) return "too_many";
        if (!(await passkeys.add(tx, userId, credential, name))) return "taken";
        await record(tx, loginEvents.passkeyAdded, userId);
        await tell(tx, user, "added", name);
        return "added";
      });
    },

    async rename(userId, id, name) {
      const shown = cleanName(name);
      await storage.transaction(async (tx) => {
        const found = (await listRows(tx, userId)).find((row) => row.id === id);
        if (!found) throw httpError("request.not_found");
        if (shown === undefined || shown === found.name) return;
        await tx
          .db<PasskeyTables>()
          .updateTable("passkeys")
          .set({ name: shown })
          .where("id", "=", id)
          .where("user_id", "=", userId)
          .execute();
        await record(tx, loginEvents.passkeyRenamed, userId, id);
      });
    },

    async remove(userId, id) {
      const user = await deps.users.find(userId);
      return storage.transaction(async (tx) => {
        const hasPassword = await lockUser(tx, userId);
        const rows = await listRows(tx, userId);
        const found = rows.find((row) => row.id === id);
        if (!found) throw httpError("request.not_found");
        if (!hasPassword && rows.length === 1) return "last";
        await tx
          .db<PasskeyTables>()
          .deleteFrom("passkeys")
          .where("id", "=", id)
          .where("user_id", "=", userId)
          .execute();
        await record(tx, loginEvents.passkeyRemoved, userId, id);
        await tell(tx, user, "removed", found.name);
        return "removed";
      });
    },
  };
}

/**
 * Lets changes of one user's passkeys go one after the other: two removals at once must not take the last way in,
 * nor two additions pass the limit. True when the user has a password.
 */
async function lockUser(tx: Tx, userId: string): Promise<boolean> {
  const { rows } = await sql<{ has: number }>`update users set updated_at = updated_at where id = ${userId}
    returning case when password_hash is null then 0 else 1 end as has`.execute(tx.db());
  return rows[0]?.has === 1;
}

const named = (user: User) => (user.name === undefined ? {} : { name: user.name });
