import type { Audit } from "../../audit/index.ts";
import type { Secret } from "../../lib/secret.ts";
import type { Messages } from "../../messages/index.ts";
import type { Storage } from "../../storage/index.ts";
import { emailKey } from "../accounts.ts";
import { loginEvents } from "../events.ts";
import type { Flow, Flows } from "../flows.ts";
import type { Accounts, EndTokens, Sessions } from "../index.ts";
import type { Sending } from "../sending.ts";
import type { Resets } from "./resets.ts";

/** Setting a new password by a link that was mailed. */
export interface PasswordReset {
  /**
   * Mails a link to the account of `email`, or nothing to nobody in the same time. False when that was too often.
   * `language` is that of whoever asks.
   */
  ask(
    email: string,
    from: { readonly id?: string; readonly returnTo: string; readonly clientId?: string | undefined },
    language: string,
  ): Promise<boolean>;
  /**
   * Stores the password of a flow that a link started, ends every log-in and token of the user and tells them.
   * False when the link counts no more.
   * @throws ApiError `login.password_unfit`, `login.password_breached`
   */
  complete(flow: Flow, userId: string, password: Secret): Promise<boolean>;
}

export interface PasswordResetDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly flows: Flows;
  readonly resets: Resets;
  readonly sending: Sending;
  readonly messages: Pick<Messages, "mail">;
  readonly endTokens: EndTokens;
}

export function createPasswordReset(deps: PasswordResetDeps): PasswordReset {
  const { storage, accounts, resets, messages, audit } = deps;

  return {
    async ask(email, from, language) {
      if (!(await deps.sending.mayMail(emailKey(email), from.id))) return false;
      const found = await accounts.findByEmail(email);
      const user = found?.disabledAt === undefined ? found : undefined;
      await storage.transaction(async (tx) => {
        const request = { returnTo: from.returnTo, clientId: from.clientId };
        const { token, expiresAt } = await resets.begin(tx, user?.id, request);
        await messages.mail(tx, {
          to: user?.email,
          language: user?.locale ?? language,
          template: "password_reset",
          values: {
            path: `/reset?${new URLSearchParams({ token })}`,
            ...(user?.name === undefined ? {} : { name: user.name }),
          },
          expiresAt,
        });
        await audit.appendIn(tx, { action: loginEvents.resetAsked, userId: user?.id, outcome: "done" });
      });
      return true;
    },

    async complete(flow, userId, password) {
      const user = await accounts.find(userId);
      const reset = flow.resetId === undefined ? undefined : await resets.find({ id: flow.resetId });
      if (!user || reset?.userId !== userId) return false;
      const hash = await accounts.hashPassword(password, user);
      const isDone = await storage.transaction(async (tx) => {
        if (!(await resets.spend(tx, reset, hash))) return false;
        await resets.cancelAll(tx, userId);
        await accounts.confirmEmail(tx, userId, user.email);
        // Everywhere: also where somebody else may be logged in.
        await deps.sessions.endAllOf(userId, undefined, tx);
        await deps.endTokens(tx, userId);
        await audit.appendIn(tx, { action: loginEvents.passwordChanged, userId, outcome: "done" });
        await messages.mail(tx, {
          to: user.email,
          language: user.locale,
          template: "password_changed",
          values: { path: "/profile", ...(user.name === undefined ? {} : { name: user.name }) },
        });
        return true;
      });
      if (!isDone) return false;
      await deps.flows.end(flow);
      return true;
    },
  };
}
