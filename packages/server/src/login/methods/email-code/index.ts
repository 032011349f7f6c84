import type { Audit } from "../../../audit/index.ts";
import type { Messages } from "../../../messages/index.ts";
import { pickLanguage } from "../../../pages/languages/index.ts";
import type { Storage } from "../../../storage/index.ts";
import { emailKey } from "../../accounts.ts";
import { codeRoutes } from "../../code-routes.ts";
import type { Codes } from "../../codes.ts";
import { loginEvents } from "../../events.ts";
import type { Flow } from "../../flows.ts";
import type { Accounts } from "../../index.ts";
import type { LoginKit } from "../../kit.ts";
import type { Sending } from "../../sending.ts";
import type { LoginMethod } from "../index.ts";

export interface EmailCodeDeps {
  readonly kit: LoginKit;
  readonly accounts: Accounts;
  readonly storage: Storage;
  readonly audit: Audit;
  readonly codes: Codes;
  readonly sending: Sending;
  readonly messages: Pick<Messages, "mail" | "channels">;
  /** Whether people may make accounts themselves. */
  readonly signUp: boolean;
}

export const EMAIL_CODE_PATH = "/login/email-code";

/** A code or a link by mail. Whoever reads an address's mail may log in, and the address counts as confirmed. */
export function createEmailCodeMethod(deps: EmailCodeDeps): LoginMethod {
  const { kit, accounts, storage, messages, codes, sending } = deps;
  const fits = (flow: Flow) => flow.userId === undefined && isMailLike(flow.identifier);

  return {
    name: "email-code",
    offer: (flow, { texts }) =>
      fits(flow) ? { path: `${EMAIL_CODE_PATH}?flow=${flow.id}`, label: texts.codes.useMail } : undefined,
    routes: () =>
      codeRoutes(deps, {
        name: "email-code",
        path: EMAIL_CODE_PATH,
        purpose: "log-in",
        channel: "mail",
        fits,
        async send(request, flow) {
          const key = emailKey(flow.identifier);
          if (!(await sending.mayMail(key, flow.id))) return false;
          const found = await accounts.findByEmail(flow.identifier);
          const user = found?.disabledAt === undefined ? found : undefined;
          await storage.transaction(async (tx) => {
            const issued = await codes.issue(
              tx,
              { purpose: "log-in", to: flow.id },
              { userId: user?.id, key },
            );
            const language = user?.locale ?? pickLanguage(request).tag;
            const path = `${EMAIL_CODE_PATH}/link?${new URLSearchParams({ flow: flow.id, token: issued.token })}`;
            // Somebody without an account is told so where only they see it.
            if (found === undefined && deps.signUp)
              await messages.mail(tx, {
                to: flow.identifier,
                language,
                template: "no_account",
                values: { path: "/signup" },
                expiresAt: issued.expiresAt,
              });
            else
              await messages.mail(tx, {
                to: user?.email,
                language,
                template: "login_code",
                values: { code: issued.code, path },
                expiresAt: issued.expiresAt,
              });
            await deps.audit.appendIn(tx, {
              action: loginEvents.codeSent,
              userId: user?.id,
              clientId: flow.clientId,
              outcome: "done",
              details: { channel: "mail" },
            });
          });
          return true;
        },
        async use(request, flow, payload) {
          // As it was issued above.
          const { userId, key } = payload as { userId?: string; key: string };
          const user = userId === undefined ? undefined : await accounts.find(userId);
          if (!user || user.disabledAt !== undefined) return undefined;
          // The address may have become somebody else's since.
          if (!(await accounts.confirmEmail(storage, user.id, key))) return undefined;
          return kit.prove(request, flow, user.id, ["otp"], "email-code");
        },
      }),
  };
}

/** Whether mail could go there at all; anything else is no address, and says so on the first page. */
export const isMailLike = (identifier: string): boolean => /^[^\s@]+@[^\s@]+$/.test(identifier.trim());
