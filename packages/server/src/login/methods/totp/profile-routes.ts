import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { httpError } from "../../../http/errors.ts";
import { pickLanguage } from "../../../pages/languages/index.ts";
import { renderPage } from "../../../pages/layout.ts";
import { loginEvents } from "../../events.ts";
import type { BrowserSession } from "../../index.ts";
import { redirect } from "../../kit.ts";
import { backToProfile, codesView } from "../recovery-code/views.ts";
import { type EnrollDeps, enrolled, secretPage } from "./enroll.ts";
import { readCode } from "./factors.ts";
import { setUpView } from "./views.ts";

const PROFILE = "/profile";
const PATH = "/profile/totp";

/** Adding an authenticator app, and taking one away. */
export function totpProfileRoutes(deps: EnrollDeps): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const { kit, factors, storage, audit, recoveryCodes } = deps;

  app.post(`${PATH}/start`, async (c) => {
    const form = await kit.readRecentForm(c, PROFILE);
    if (form instanceof Response) return form;
    const factor = await factors.begin(form.session.userId);
    return redirect(factor === undefined ? PROFILE : `${PATH}?factor=${factor}`);
  });

  app.get(PATH, async (c) => {
    const session = await kit.recent(c.req.raw, PROFILE);
    if (session instanceof Response) return session;
    return showSecret(c.req.raw, session, c.req.query("factor") ?? "");
  });

  app.post(PATH, async (c) => {
    const form = await kit.readRecentForm(c, PROFILE);
    if (form instanceof Response) return form;
    const { session, fields } = form;
    const factor = String(fields.get("factor") ?? "");
    const language = pickLanguage(c.req.raw);
    const codes = await enrolled(deps, session.userId, factor, readCode(String(fields.get("code") ?? "")));
    if (!codes) return showSecret(c.req.raw, session, factor, language.texts.totp.wrong);
    if (codes.length === 0) return redirect(PROFILE);
    const body = codesView(language, codes, backToProfile(language));
    return renderPage({ language, title: language.texts.recoveryCode.newTitle, body });
  });

  app.post(`${PATH}/remove`, async (c) => {
    const form = await kit.readRecentForm(c, PROFILE);
    if (form instanceof Response) return form;
    const { userId } = form.session;
    await storage.transaction(async (tx) => {
      if (!(await factors.remove(tx, userId, String(form.fields.get("factor") ?? ""))))
        throw httpError("request.not_found");
      await audit.appendIn(tx, {
        action: loginEvents.methodRemoved,
        userId,
        outcome: "done",
        details: { method: "totp" },
      });
    });
    if ((await factors.list(userId)).length === 0) await recoveryCodes.removeAll(userId);
    return redirect(PROFILE);
  });

  async function showSecret(request: Request, session: BrowserSession, factor: string, problem?: string) {
    const page = await secretPage(deps, session.userId, factor, session.email);
    if (!page) return redirect(PROFILE);
    const language = pickLanguage(request);
    const body = setUpView(language, { ...page, factor, problem, action: PATH, csrf: session.csrf });
    const status = problem === undefined ? 200 : 401;
    return renderPage({ language, title: language.texts.totp.setUp, problem, body, status });
  }

  return app as unknown as Hono;
}
