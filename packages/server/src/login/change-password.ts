import type { Audit } from "../audit/index.ts";
import type { Storage } from "../storage/index.ts";
import { loginEvents } from "./events.ts";
import type { Accounts, PasswordHash } from "./index.ts";

/** Stores a new password and its record, both or neither. The caller ends the sessions that must not go on. */
export function createChangePassword(deps: { storage: Storage; accounts: Accounts; audit: Audit }) {
  return (userId: string, hash: PasswordHash): Promise<void> =>
    deps.storage.transaction(async (tx) => {
      await deps.accounts.setPassword(tx, userId, hash);
      await deps.audit.appendIn(tx, { action: loginEvents.passwordChanged, userId, outcome: "done" });
    });
}
