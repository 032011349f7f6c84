import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { httpError } from "../../../http/errors.ts";
import { pickLanguage } from "../../../pages/languages/index.ts";
import type { Accounts, BrowserSession } from "../../index.ts";
import { type LoginKit, redirect } from "../../kit.ts";
import type { ManagePasskeys } from "./manage.ts";
import { defaultName } from "./names.ts";
import type { Passkeys } from "./passkeys.ts";
import { passkeyScript } from "./script.ts";
import { addView, changeView } from "./views.ts";

export interface PasskeyProfileDeps {
  readonly kit: LoginKit;
  readonly passkeys: Passkeys;
  readonly managePasskeys: ManagePasskeys;
  readonly accounts: Accounts;
}

const PROFILE = "/profile";
const ADD = "/profile/passkeys/add";
const pageOf = (id: string) => `/profile/passkeys/${encodeURIComponent(id)}`;

/** A person's own passkeys: add, rename, remove. Each change needs a recent proof. */
export function passkeyProfileRoutes(deps: PasskeyProfileDeps): Hono {
  const { kit, passkeys, managePasskeys: manage } = deps;
  const app = new Hono<{ Bindings: HttpBindings }>();
  const bindingOf = (session: BrowserSession) => `session:${session.id}` as const;

  async function showAdd(request: Request, session: BrowserSession, problem?: string): Promise<Response> {
    const language = pickLanguage(request);
    return kit.page(request, undefined, {
      title: language.texts.passkey.add,
      problem,
      body: addView(language, session, problem),
      language,
      script: passkeyScript,
      status: problem === undefined ? 200 : 400,
      self: ADD,
    });
  }

  app.get(ADD, async (c) => {
    const session = await kit.recent(c.req.raw, ADD);
    return session instanceof Response ? session : showAdd(c.req.raw, session);
  });

  app.post("/profile/passkeys/options", async (c) => {
    const form = await kit.readRecentForm(c, ADD);
    // A redirect to a page would tell the script nothing.
    if (form instanceof Response) throw httpError("request.not_found");
    const { session } = form;
    const { userId } = session;
    const owner = {
      handle: await passkeys.handleOf(userId),
      email: session.email,
      name: session.name ?? session.email,
    };
    c.header("cache-control", "no-store");
    return c.json(await passkeys.askRegistration("register", bindingOf(session), owner, { userId }));
  });

  app.post(ADD, async (c) => {
    const request = c.req.raw;
    const form = await kit.readRecentForm(c, ADD);
    if (form instanceof Response) return form;
    const { session, fields } = form;
    const { passkey: t } = pickLanguage(request).texts;
    const answer = String(fields.get("answer") ?? "");
    const registration = await passkeys.proveRegistration("register", bindingOf(session), answer);
    if (!registration) return showAdd(request, session, t.failed);
    const { credential } = registration;
    const name = defaultName(credential.aaguid, request.headers.get("user-agent") ?? undefined);
    const outcome = await manage.add(session.userId, credential, name);
    if (outcome === "too_many") return showAdd(request, session, t.tooMany);
    return outcome === "taken" ? showAdd(request, session, t.known) : redirect(`${PROFILE}#passkeys`);
  });

  async function showChange(c: Context, session: BrowserSession, problem?: string): Promise<Response> {
    const language = pickLanguage(c.req.raw);
    const id = c.req.param("id") ?? "";
    const row = (await passkeys.list(session.userId)).find((item) => item.id === id);
    if (!row) throw httpError("request.not_found");
    return kit.page(c.req.raw, undefined, {
      title: row.name,
      problem,
      body: changeView(language, { session, row, problem }),
      language,
      status: problem === undefined ? 200 : 409,
      self: pageOf(id),
    });
  }

  app.get("/profile/passkeys/:id", async (c) => {
    const session = await kit.recent(c.req.raw, pageOf(c.req.param("id")));
    return session instanceof Response ? session : showChange(c, session);
  });

  app.post("/profile/passkeys/:id/name", async (c) => {
    const form = await kit.readRecentForm(c, pageOf(c.req.param("id")));
    if (form instanceof Response) return form;
    const { session, fields } = form;
    await manage.rename(session.userId, c.req.param("id"), String(fields.get("name") ?? ""));
    return redirect(`${PROFILE}#passkeys`);
  });

  app.post("/profile/passkeys/:id/remove", async (c) => {
    const form = await kit.readRecentForm(c, pageOf(c.req.param("id")));
    if (form instanceof Response) return form;
    const outcome = await manage.remove(form.session.userId, c.req.param("id"));
    if (outcome === "last") return showChange(c, form.session, pickLanguage(c.req.raw).texts.passkey.lastWay);
    return redirect(`${PROFILE}#passkeys`);
  });

  return app as unknown as Hono;
}
