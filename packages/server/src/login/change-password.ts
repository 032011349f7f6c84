import type { Audit } from "../audit/index.ts";
import type { Storage } from "../storage/index.ts";
import { loginEvents } from "./events.ts";
import type { Accounts, EndTokens, PasswordHash, Sessions } from "./index.ts";

/**
 * Stores a new password, and ends what the old one may have opened to somebody else: every session of the user but
 * `keptSession`, and the tokens that were not issued in that. All of it, or nothing.
 */
export function createChangePassword(deps: {
  storage: Storage;
  accounts: Accounts;
  audit: Audit;
  sessions: Sessions;
  endTokens: EndTokens;
}) {
  return (userId: string, hash: PasswordHash, keptSession?: string): Promise<void> =>
    deps.storage.transaction(async (tx) => {
      await deps.sessions.endAllOf(userId, keptSession, tx);
      await deps.endTokens(tx, userId, keptSession);
      await deps.accounts.setPassword(tx, userId, hash);
      await deps.audit.appendIn(tx, { action: loginEvents.passwordChanged, userId, outcome: "done" });
    });
}
