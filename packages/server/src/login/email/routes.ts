import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { httpError } from "../../http/errors.ts";
import { pickLanguage } from "../../pages/languages/index.ts";
import { renderPage } from "../../pages/layout.ts";
import { isAddress } from "../accounts.ts";
import { elsewhereView } from "../code-views.ts";
import type { Codes } from "../codes.ts";
import type { Accounts, BrowserSession, Sessions } from "../index.ts";
import { type LoginKit, redirect } from "../kit.ts";
import type { ConfirmEmail } from "./index.ts";
import { emailView, linkView } from "./views.ts";

export interface EmailRouteDeps {
  readonly kit: LoginKit;
  readonly sessions: Sessions;
  readonly accounts: Accounts;
  readonly codes: Codes;
  readonly confirmEmail: ConfirmEmail;
}

const PATH = "/profile/email";
const PROFILE = "/profile";

/** Confirming one's address, and changing it. A new one counts once its code came back; the old one is told. */
export function emailRoutes(deps: EmailRouteDeps): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const { kit, sessions, accounts, codes, confirmEmail } = deps;

  app.get(PATH, async (c) => {
    const session = await kit.recent(c.req.raw, PATH);
    return session instanceof Response ? session : show(c.req.raw, session);
  });

  app.post(`${PATH}/send`, async (c) => {
    const request = c.req.raw;
    const form = await kit.readRecentForm(c, PATH);
    if (form instanceof Response) return form;
    const { texts } = pickLanguage(request);
    const user = await accounts.find(form.session.userId);
    if (!user) throw httpError("request.not_found");
    const email = String(form.fields.get("email") ?? user.email).trim();
    if (!isAddress(email)) return show(request, form.session, texts.signUp.emailInvalid, 400);
    return (await confirmEmail.send(user, email))
      ? redirect(PATH)
      : show(request, form.session, texts.codes.tooOften, 429);
  });

  app.post(PATH, async (c) => {
    const form = await kit.readRecentForm(c, PATH);
    if (form instanceof Response) return form;
    const code = String(form.fields.get("code") ?? "");
    if (await confirmEmail.finish(form.session.userId, { code })) return redirect(PROFILE);
    return show(c.req.raw, form.session, pickLanguage(c.req.raw).texts.codes.wrong, 401);
  });

  // Opened where the person is logged in the link asks once more; elsewhere it shows what to type there.
  app.get(`${PATH}/link`, async (c) => {
    const request = c.req.raw;
    const token = c.req.query("token") ?? "";
    const code = await codes.codeOf(token);
    if (code === undefined) return kit.expired(request);
    const session = await sessions.current(request);
    const language = pickLanguage(request);
    const { title } = language.texts.email;
    const waiting = session && (await confirmEmail.waiting(session.userId));
    const body =
      session && waiting !== undefined
        ? linkView(language, { session, token, email: waiting })
        : elsewhereView(language, code);
    return renderPage({ language, title, body });
  });

  app.post(`${PATH}/link`, async (c) => {
    const form = await kit.readRecentForm(c, PATH);
    if (form instanceof Response) return form;
    const token = String(form.fields.get("token") ?? "");
    if (await confirmEmail.finish(form.session.userId, { token })) return redirect(PROFILE);
    return show(c.req.raw, form.session, pickLanguage(c.req.raw).texts.codes.wrong, 401);
  });

  async function show(request: Request, session: BrowserSession, problem?: string, status = 200) {
    const language = pickLanguage(request);
    const user = await accounts.find(session.userId);
    const waiting = await confirmEmail.waiting(session.userId);
    const body = emailView(language, {
      session,
      email: session.email,
      verified: user?.emailVerified ?? false,
      waiting,
      problem,
    });
    return renderPage({ language, title: language.texts.email.title, problem, body, status, self: PATH });
  }

  return app as unknown as Hono;
}
