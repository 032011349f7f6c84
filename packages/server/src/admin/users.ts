import type { Audit } from "../audit/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { EndTokens } from "../login/index.ts";
import type { Storage } from "../storage/index.ts";
import { adminError } from "./errors.ts";
import { adminEvents } from "./events.ts";
import { type Page, pageOf } from "./paging.ts";
import {
  type AdminTables,
  countOtherAdministrators,
  findUserRow,
  listUserRows,
  lockAdministrators,
  type UserRow,
} from "./store.ts";

/** Users, as administrators find and switch them. */
export interface AdminUsers {
  /** Oldest first; `email` finds addresses that contain it, in any case. */
  list(filter: {
    email?: string | undefined;
    after?: string | undefined;
    limit: number;
  }): Promise<Page<UserRow>>;
  /** @throws ApiError `admin.user_unknown` */
  get(id: string): Promise<UserRow>;
  /**
   * Switches a user off or on; safe to call twice. Switching off ends the user's sessions and tokens for good.
   * @throws ApiError `admin.user_unknown`, `admin.last_administrator`
   */
  setDisabled(id: string, disabled: boolean): Promise<UserRow>;
}

export function createAdminUsers(deps: {
  storage: Storage;
  audit: Audit;
  clock: Clock;
  endTokens: EndTokens;
}): AdminUsers {
  const { storage, audit, clock } = deps;

  return {
    async list({ email, after, limit }) {
      // Addresses are kept normalised and in lower case.
      const search = email?.normalize("NFKC").trim().toLowerCase();
      return pageOf(
        await listUserRows(storage, { email: search, after, limit: limit + 1 }),
        limit,
        (row) => row.id,
      );
    },

    async get(id) {
      const row = await findUserRow(storage, id);
      if (!row) throw adminError("admin.user_unknown");
      return row;
    },

    setDisabled: (id, disabled) =>
      storage.transaction(async (tx) => {
        await lockAdministrators(tx);
        const row = await findUserRow(tx, id);
        if (!row) throw adminError("admin.user_unknown");
        if ((row.disabled_at !== null) === disabled) return row;
        if (disabled && row.role === "admin" && (await countOtherAdministrators(tx, id)) === 0)
          throw adminError("admin.last_administrator");
        const now = clock.now();
        const change = { disabled_at: disabled ? now : null, updated_at: now };
        await tx.db<AdminTables>().updateTable("users").set(change).where("id", "=", id).execute();
        if (disabled) {
          await tx.db<AdminTables>().deleteFrom("sessions").where("user_id", "=", id).execute();
          await deps.endTokens(tx, id);
        }
        const action = disabled ? adminEvents.userDisabled : adminEvents.userEnabled;
        await audit.appendIn(tx, { action, userId: id, objectId: id, outcome: "done" });
        return { ...row, ...change };
      }),
  };
}
