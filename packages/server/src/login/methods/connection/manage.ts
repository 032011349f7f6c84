import { sql } from "kysely";
import type { Audit } from "../../../audit/index.ts";
import { httpError } from "../../../http/errors.ts";
import type { Messages } from "../../../messages/index.ts";
import type { Storage, Tx } from "../../../storage/index.ts";
import { loginEvents } from "../../events.ts";
import type { User, Users } from "../../index.ts";
import type { ExternalName, IdentityStore } from "./store.ts";

/** Changes of what accounts elsewhere log a person in: each with its record and a mail, all or nothing. */
export function createManageIdentities(deps: {
  storage: Storage;
  audit: Audit;
  users: Users;
  identities: IdentityStore;
  messages: Pick<Messages, "mail"> | undefined;
  /** How people know a connection; `undefined` when nobody can log in with it. */
  displayName: (connection: string) => string | undefined;
}) {
  const { storage, audit, identities } = deps;

  async function link(tx: Tx, user: User, name: ExternalName): Promise<boolean> {
    if (!(await identities.add(tx, user.id, name))) return false;
    const details = { connection: name.connection };
    await audit.appendIn(tx, {
      action: loginEvents.identityLinked,
      userId: user.id,
      outcome: "done",
      details,
    });
    await deps.messages?.mail(tx, {
      to: user.email,
      language: user.locale,
      template: "account_linked",
      values: {
        path: "/profile",
        provider: deps.displayName(name.connection) ?? name.connection,
        ...(user.name === undefined ? {} : { name: user.name }),
      },
    });
    return true;
  }

  return {
    /** `other`: it logs in somebody else, or has just become somebody else's. */
    async add(userId: string, name: ExternalName): Promise<"linked" | "other"> {
      const user = await deps.users.find(userId);
      if (!user) return "other";
      const linked = await storage.transaction((tx) => link(tx, user, name));
      if (linked) return "linked";
      const row = await identities.find(name.connection, name.externalId);
      return row?.user_id === userId ? "linked" : "other";
    },

    /** Links what waited in a flow for this user, who has now proven who they are. */
    async addParked(flowId: string, userId: string): Promise<void> {
      const user = await deps.users.find(userId);
      if (!user) return;
      await storage.transaction(async (tx) => {
        const name = await identities.takeParked(tx, flowId, userId);
        if (name) await link(tx, user, name);
      });
    },

    /** `last`: without it the person could not log in any more. @throws ApiError `request.not_found` */
    async remove(userId: string, id: string): Promise<"removed" | "last"> {
      const user = await deps.users.find(userId);
      return storage.transaction(async (tx) => {
        const hasAnother = await lockUser(tx, userId);
        const rows = await identities.list(userId, tx);
        const found = rows.find((row) => row.id === id);
        if (!found || !user) throw httpError("request.not_found");
        const usable = rows.filter((row) => row.id !== id && deps.displayName(row.connection) !== undefined);
        if (!hasAnother && usable.length === 0) return "last";
        await identities.remove(tx, userId, id);
        const details = { connection: found.connection };
        await audit.appendIn(tx, {
          action: loginEvents.identityUnlinked,
          userId,
          objectId: id,
          outcome: "done",
          details,
        });
        await deps.messages?.mail(tx, {
          to: user.email,
          language: user.locale,
          template: "new_login_method",
          values: {
            path: "/profile",
            change: "removed",
            method: "connection",
            label: deps.displayName(found.connection) ?? found.connection,
            ...(user.name === undefined ? {} : { name: user.name }),
          },
        });
        return "removed";
      });
    },
  };
}

/** @see createManageIdentities */
export type ManageIdentities = ReturnType<typeof createManageIdentities>;

/** Lets removals of one user go one after the other. True when the user has a password or a passkey. */
async function lockUser(tx: Tx, userId: string): Promise<boolean> {
  const { rows } = await sql<{ has: number }>`update users set updated_at = updated_at where id = ${userId}
    returning case when password_hash is not null
      or exists (select 1 from passkeys where passkeys.user_id = users.id) then 1 else 0 end as has`.execute(
    tx.db(),
  );
  return Number(rows[0]?.has ?? 0) === 1;
}
