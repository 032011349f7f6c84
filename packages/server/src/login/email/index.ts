import type { Audit } from "../../audit/index.ts";
import type { Messages } from "../../messages/index.ts";
import type { Storage } from "../../storage/index.ts";
import { emailKey } from "../accounts.ts";
import type { CodeBinding, Codes } from "../codes.ts";
import { loginEvents } from "../events.ts";
import type { Accounts, User } from "../index.ts";
import type { Resets } from "../reset/resets.ts";
import type { Sending } from "../sending.ts";

/** Showing that mail to an address reaches its user: to the one they have, or to a new one. */
export interface ConfirmEmail {
  /** Mails a code and a link to `email`, which counts for `user` once one of them comes back. False when too often. */
  send(user: User, email: string): Promise<boolean>;
  /** The address that waits for its code; `undefined` when none does. */
  waiting(userId: string): Promise<string | undefined>;
  /** Makes the address the user's, confirmed. False when the code is wrong, or the address is taken. */
  finish(userId: string, by: { readonly code: string } | { readonly token: string }): Promise<boolean>;
}

export interface ConfirmEmailDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly accounts: Accounts;
  readonly codes: Codes;
  readonly sending: Sending;
  readonly resets: Resets;
  readonly messages: Pick<Messages, "mail">;
}

export const CONFIRM_LINK_PATH = "/profile/email/link";

export function createConfirmEmail(deps: ConfirmEmailDeps): ConfirmEmail {
  const { storage, accounts, codes, messages, sending, audit } = deps;
  const bindingOf = (userId: string): CodeBinding => ({ purpose: "confirm-email", to: userId });

  return {
    async send(user, email) {
      if (!(await sending.mayMail(emailKey(email)))) return false;
      const owner = await accounts.findByEmail(email);
      const isTaken = owner !== undefined && owner.id !== user.id;
      await storage.transaction(async (tx) => {
        const { code, token, expiresAt } = await codes.issue(tx, bindingOf(user.id), { email });
        const name = user.name === undefined ? {} : { name: user.name };
        // The page says the same: who has which address is not for everybody who is logged in to ask.
        if (isTaken)
          await messages.mail(tx, {
            to: owner.email,
            language: owner.locale,
            template: "email_in_use",
            values: { path: "/login", ...(owner.name === undefined ? {} : { name: owner.name }) },
          });
        else
          await messages.mail(tx, {
            to: email,
            language: user.locale,
            template: "verify_email",
            values: { path: `${CONFIRM_LINK_PATH}?${new URLSearchParams({ token })}`, code, ...name },
            expiresAt,
          });
      });
      return true;
    },

    async waiting(userId) {
      // As it was issued above.
      const payload = (await codes.waiting(bindingOf(userId))) as { email: string } | undefined;
      return payload?.email;
    },

    async finish(userId, by) {
      const payload =
        "code" in by
          ? await codes.spend(bindingOf(userId), by.code)
          : await codes.spendLink(bindingOf(userId), by.token);
      const user = payload === undefined ? undefined : await accounts.find(userId);
      if (!user) return false;
      const { email } = payload as { email: string };
      return storage.transaction(async (tx) => {
        const isSame = emailKey(email) === emailKey(user.email);
        const done = isSame
          ? await accounts.confirmEmail(tx, userId, email)
          : await accounts.changeEmail(tx, userId, email);
        if (!done) return false;
        await audit.appendIn(tx, { action: loginEvents.emailConfirmed, userId, outcome: "done" });
        if (isSame) return true;
        // Links that lie in the old mailbox are worth nothing any more.
        await deps.resets.cancelAll(tx, userId);
        await messages.mail(tx, {
          to: user.email,
          language: user.locale,
          template: "email_changed",
          values: { path: "/profile", ...(user.name === undefined ? {} : { name: user.name }) },
        });
        return true;
      });
    },
  };
}
