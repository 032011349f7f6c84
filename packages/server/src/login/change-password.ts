import type { Audit } from "../audit/index.ts";
import type { Messages } from "../messages/index.ts";
import type { Storage } from "../storage/index.ts";
import { loginEvents } from "./events.ts";
import type { Accounts, PasswordHash } from "./index.ts";
import type { Resets } from "./reset/resets.ts";

/** Stores a new password and its record, both or neither. The caller ends the sessions that must not go on. */
export function createChangePassword(deps: {
  storage: Storage;
  accounts: Accounts;
  audit: Audit;
  resets: Resets;
  messages: Pick<Messages, "mail">;
}) {
  const { storage, accounts, audit, resets, messages } = deps;
  return async (userId: string, hash: PasswordHash): Promise<void> => {
    const user = await accounts.find(userId);
    await storage.transaction(async (tx) => {
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
