import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import type { Audit } from "../../../audit/index.ts";
import { pickLanguage } from "../../../pages/languages/index.ts";
import { renderPage } from "../../../pages/layout.ts";
import type { Storage } from "../../../storage/index.ts";
import { loginEvents } from "../../events.ts";
import type { Flow } from "../../flows.ts";
import type { LoginKit } from "../../kit.ts";
import type { Lockout } from "../../lockout.ts";
import type { LoginMethod } from "../index.ts";
import type { RecoveryCodes } from "./codes.ts";
import { backToProfile, codesView, recoveryView, sectionView } from "./views.ts";

export interface RecoveryCodeMethodDeps {
  readonly kit: LoginKit;
  readonly storage: Storage;
  readonly audit: Audit;
  readonly lockout: Lockout;
  readonly recoveryCodes: RecoveryCodes;
}

const PATH = "/login/recovery-code";
const PROFILE = "/profile";

/** A code from the list that a person wrote down, for when their second factor is lost. */
export function createRecoveryCodeMethod(deps: RecoveryCodeMethodDeps): LoginMethod {
  const { kit, lockout, audit, recoveryCodes, storage } = deps;

  async function show(request: Request, flow: Flow, problem?: string, status = 200): Promise<Response> {
    const language = pickLanguage(request);
    const body = recoveryView(language, {
      hidden: kit.hiddenFields(request, flow),
      others: await kit.others(flow, "recovery-code", language),
      problem,
    });
    const { title } = language.texts.recoveryCode;
    return kit.page(request, flow, {
      title,
      problem,
      body,
      status,
      language,
      self: `${PATH}?flow=${flow.id}`,
    });
  }

  async function attempt(request: Request, flow: Flow, userId: string, code: string): Promise<Response> {
    const { recoveryCode, login } = pickLanguage(request).texts;
    const key = `recovery-code:${userId}`;
    if (!(await lockout.take(key))) return show(request, flow, login.locked, 429);
    if (!(await recoveryCodes.spend(userId, code))) {
      await audit.append({ action: loginEvents.refused, userId, outcome: "refused" });
      return show(request, flow, recoveryCode.wrong, 401);
    }
    await lockout.clear(key);
    await audit.append({ action: loginEvents.recoveryCodeUsed, userId, outcome: "allowed" });
    return kit.prove(request, flow, userId, ["otp", "mfa"], "recovery-code");
  }

  return {
    name: "recovery-code",
    isBackup: true,
    isEnrolled: async (userId) => (await recoveryCodes.count(userId)) > 0,
    offer: (flow, { texts }) =>
      flow.userId === undefined
        ? undefined
        : { path: `${PATH}?flow=${flow.id}`, label: texts.recoveryCode.use },
    async profileSection(session, language) {
      return sectionView(language, session, await recoveryCodes.count(session.userId));
    },
    routes() {
      const app = new Hono<{ Bindings: HttpBindings }>();
      app.get(PATH, async (c) => {
        const flow = await kit.flowOf(c.req.raw);
        return flow?.userId === undefined ? kit.expired(c.req.raw) : show(c.req.raw, flow);
      });
      app.post(PATH, async (c) => {
        const form = await kit.readFlowForm(c);
        if (form instanceof Response) return form;
        const { userId } = form.flow;
        if (userId === undefined) return kit.expired(c.req.raw);
        return attempt(c.req.raw, form.flow, userId, form.fields.get("code") ?? "");
      });
      app.post("/profile/recovery-codes", async (c) => {
        const form = await kit.readRecentForm(c, PROFILE);
        if (form instanceof Response) return form;
        const { userId } = form.session;
        const codes = await storage.transaction(async (tx) => {
          await audit.appendIn(tx, { action: loginEvents.recoveryCodesMade, userId, outcome: "done" });
          return recoveryCodes.replace(tx, userId);
        });
        const language = pickLanguage(c.req.raw);
        const body = codesView(language, codes, backToProfile(language));
        return renderPage({ language, title: language.texts.recoveryCode.newTitle, body });
      });
      return app as unknown as Hono;
    },
  };
}
