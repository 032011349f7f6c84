import type { Audit } from "../../../audit/index.ts";
import type { Messages } from "../../../messages/index.ts";
import { type Language, pickLanguage } from "../../../pages/languages/index.ts";
import type { Storage } from "../../../storage/index.ts";
import { codeRoutes } from "../../code-routes.ts";
import type { Codes } from "../../codes.ts";
import { loginEvents } from "../../events.ts";
import type { Flow } from "../../flows.ts";
import type { Accounts } from "../../index.ts";
import type { LoginKit } from "../../kit.ts";
import type { Sending } from "../../sending.ts";
import type { LoginMethod } from "../index.ts";
import { type Phones, readPhone } from "./phones.ts";
import { phoneRoutes } from "./profile-routes.ts";
import { sectionView } from "./views.ts";

export interface SmsCodeDeps {
  readonly kit: LoginKit;
  readonly accounts: Accounts;
  readonly storage: Storage;
  readonly audit: Audit;
  readonly codes: Codes;
  readonly sending: Sending;
  readonly phones: Phones;
  readonly messages: Pick<Messages, "mail" | "text">;
}

const PATH = "/login/sms-code";

/**
 * A code by text message: for whoever says their number first, and as a second factor of whoever chose so. Nobody's
 * number is texted, so nobody can make this server call expensive ones.
 */
export function createSmsCodeMethod(deps: SmsCodeDeps): LoginMethod {
  const { kit, accounts, storage, codes, sending, phones, messages } = deps;

  const isFirst = (flow: Flow) => flow.userId === undefined && readPhone(flow.identifier) !== undefined;
  /** One number is one factor. */
  const isSecond = (flow: Flow) => flow.userId !== undefined && !flow.amr.includes("sms");
  const label = (flow: Flow, { texts }: Language) =>
    flow.userId === undefined ? texts.codes.useText : texts.codes.useTextSecond;

  /** The number that a code of this flow goes to, and whose it is. */
  async function target(flow: Flow): Promise<{ phone: string | undefined; userId: string | undefined }> {
    if (flow.userId !== undefined) {
      const own = await phones.of(flow.userId);
      return { phone: own?.isSecondFactor ? own.phone : undefined, userId: flow.userId };
    }
    const phone = readPhone(flow.identifier);
    return { phone, userId: phone === undefined ? undefined : await phones.ownerOf(phone) };
  }

  return {
    name: "sms-code",
    isEnrolled: async (userId) => (await phones.of(userId))?.isSecondFactor === true,
    offer: (flow, language) =>
      isSecond(flow) || isFirst(flow)
        ? { path: `${PATH}?flow=${flow.id}`, label: label(flow, language) }
        : undefined,
    profileSection: async (session, language) =>
      sectionView(language, session, await phones.of(session.userId)),
    routes() {
      const app = codeRoutes(deps, {
        name: "sms-code",
        path: PATH,
        purpose: "log-in-text",
        channel: "text",
        fits: async (flow) => isFirst(flow) || (isSecond(flow) && (await target(flow)).phone !== undefined),
        async shownTo(flow) {
          if (flow.userId === undefined) return flow.identifier;
          // Whoever has the password need not learn the number.
          return `••• ${(await target(flow)).phone?.slice(-3) ?? ""}`;
        },
        async send(request, flow) {
          const { phone, userId } = await target(flow);
          if (phone === undefined || !(await sending.mayText(phone, flow.id))) return false;
          const found = userId === undefined ? undefined : await accounts.find(userId);
          const user = found?.disabledAt === undefined ? found : undefined;
          const isSent = await sending.takeText(user !== undefined);
          await storage.transaction(async (tx) => {
            const payload = { userId: user?.id, phone };
            const { code, expiresAt } = await codes.issue(
              tx,
              { purpose: "log-in-text", to: flow.id },
              payload,
            );
            await messages.text(tx, {
              to: isSent ? phone : undefined,
              language: user?.locale ?? pickLanguage(request).tag,
              template: "login_code",
              values: { code },
              expiresAt,
            });
            await deps.audit.appendIn(tx, {
              action: loginEvents.codeSent,
              userId: user?.id,
              clientId: flow.clientId,
              outcome: "done",
              details: { channel: "text" },
            });
          });
          return true;
        },
        async use(request, flow, payload) {
          // As it was issued above.
          const { userId, phone } = payload as { userId?: string; phone: string };
          if (userId === undefined) return undefined;
          if ((await phones.ownerOf(phone)) !== userId) return undefined;
          const user = await accounts.find(userId);
          if (!user || user.disabledAt !== undefined) return undefined;
          return kit.prove(
            request,
            flow,
            userId,
            flow.userId === undefined ? ["sms"] : ["sms", "mfa"],
            "sms-code",
          );
        },
      });
      app.route("/", phoneRoutes(deps));
      return app;
    },
  };
}
