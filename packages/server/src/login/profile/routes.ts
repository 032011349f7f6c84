import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { ApiError, httpError } from "../../http/errors.ts";
import { secret } from "../../lib/secret.ts";
import { pickLanguage } from "../../pages/languages/index.ts";
import { type Html, renderPage } from "../../pages/layout.ts";
import { loginEvents } from "../events.ts";
import { readFields } from "../form-fields.ts";
import type { BrowserSession } from "../index.ts";
import { redirect } from "../kit.ts";
import { passwordProblem } from "../password-problem.ts";
import type { LoginRouteDeps } from "../routes.ts";
import { passwordFormView, profileView } from "./views.ts";

const PROFILE = "/profile";
const PASSWORD = "/profile/password";

/** What a person looks after themselves: their name, how they log in, and where they are logged in. */
export function profileRoutes(deps: LoginRouteDeps): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const { sessions, kit, accounts, audit } = deps;

  app.get(PROFILE, async (c) => {
    const session = await sessions.current(c.req.raw);
    return session ? showProfile(deps, c.req.raw, session) : redirect(sessions.loginAddress(PROFILE));
  });

  app.post(PROFILE, async (c) => {
    const session = await sessions.current(c.req.raw);
    if (!session) return redirect(sessions.loginAddress(PROFILE));
    const form = await readFields(c.req.raw);
    sessions.checkForm(c.req.raw, session, form);
    await accounts.rename(session.userId, String(form.get("name") ?? ""));
    return redirect(PROFILE);
  });

  app.post("/profile/sessions/end", async (c) => {
    const session = await sessions.current(c.req.raw);
    if (!session) return redirect(sessions.loginAddress(PROFILE));
    const form = await readFields(c.req.raw);
    sessions.checkForm(c.req.raw, session, form);
    const id = String(form.get("session") ?? "");
    if (id === "others") await sessions.endAllOf(session.userId, session.id);
    else if (id === session.id) return redirect("/logout");
    else if (!(await sessions.endOne(session.userId, id))) throw httpError("request.not_found");
    await audit.append({ action: loginEvents.sessionEnded, userId: session.userId, outcome: "done" });
    return redirect(`${PROFILE}#sessions`);
  });

  // What the operator does not offer to log in with cannot be set up either.
  if (!deps.enabled.password) return app as unknown as Hono;

  app.get(PASSWORD, async (c) => {
    const session = await kit.recent(c.req.raw, PASSWORD);
    return session instanceof Response ? session : showPassword(deps, c.req.raw, session);
  });

  app.post(PASSWORD, async (c) => {
    const form = await kit.readRecentForm(c, PASSWORD);
    if (form instanceof Response) return form;
    const { session, fields } = form;
    const password = String(fields.get("password") ?? "");
    try {
      const user = await accounts.find(session.userId);
      const hash = await accounts.hashPassword(secret(password), user ?? {});
      await deps.changePassword(session.userId, hash, session.id);
    } catch (error) {
      const language = pickLanguage(c.req.raw);
      const problem = ApiError.is(error) ? passwordProblem(language, error.code, password) : undefined;
      if (!problem) throw error;
      return showPassword(deps, c.req.raw, session, problem);
    }
    return redirect(PROFILE);
  });

  return app as unknown as Hono;
}

async function showProfile(
  deps: LoginRouteDeps,
  request: Request,
  session: BrowserSession,
): Promise<Response> {
  const language = pickLanguage(request);
  const user = await deps.accounts.find(session.userId);
  if (!user) throw httpError("request.not_found");
  const sections: Html[] = [];
  for (const method of deps.methods)
    if (method.profileSection) sections.push(await method.profileSection(session, language));
  const body = profileView(language, {
    session,
    user,
    sections,
    passwords: deps.enabled.password,
    mail: deps.hasMail,
    hasPassword: await deps.accounts.hasPassword(user.id),
    sessions: await deps.sessions.list(user.id),
  });
  return renderPage({
    language,
    title: language.texts.profile.title,
    body,
    wide: true,
    account: { current: "profile" },
    self: PROFILE,
  });
}

async function showPassword(
  deps: LoginRouteDeps,
  request: Request,
  session: BrowserSession,
  problem?: string,
): Promise<Response> {
  const language = pickLanguage(request);
  const has = await deps.accounts.hasPassword(session.userId);
  const t = language.texts.profile;
  const title = has ? t.changePassword : t.addPassword;
  return renderPage({
    language,
    title,
    problem,
    body: passwordFormView(language, { title, session, problem }),
    status: problem === undefined ? 200 : 400,
    self: PASSWORD,
  });
}
