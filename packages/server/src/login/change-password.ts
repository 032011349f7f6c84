import type { Audit } from "../audit/index.ts";
import type { Messages } from "../messages/index.ts";
import type { Storage } from "../storage/index.ts";
import { loginEvents } from "./events.ts";
import type { Accounts, EndTokens, PasswordHash, Sessions } from "./index.ts";
import type { Resets } from "./reset/resets.ts";

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
  resets: Resets;
  messages: Pick<Messages, "mail">;
}) {
  const { storage, accounts, audit, sessions, endTokens, resets, messages } = deps;
  return async (userId: string, hash: PasswordHash, keptSession?: string): Promise<void> => {
    const user = await accounts.find(userId);
    await storage.transaction(async (tx) => {
      await sessions.endAllOf(userId, keptSession, tx);
      await endTokens(tx, userId, keptSession);
      await accounts.setPassword(tx, userId, hash);
      await resets.cancelAll(tx, userId);
      await audit.appendIn(tx, { action: loginEvents.passwordChanged, userId, outcome: "done" });
      if (user)
        await messages.mail(tx, {
          to: user.email,
          language: user.locale,
          template: "password_changed",
          values: { path: "/profile", ...(user.name === undefined ? {} : { name: user.name }) },
        });
    });
  };
}
