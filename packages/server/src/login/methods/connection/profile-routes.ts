import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { httpError } from "../../../http/errors.ts";
import { pickLanguage } from "../../../pages/languages/index.ts";
import type { BrowserSession } from "../../index.ts";
import { type LoginKit, redirect } from "../../kit.ts";
import type { ManageIdentities } from "./manage.ts";
import type { LinkingUser } from "./states.ts";
import type { IdentityStore } from "./store.ts";
import type { LoginConnection } from "./upstream.ts";
import { addView, removeView } from "./views.ts";

export interface ConnectionProfileDeps {
  readonly kit: LoginKit;
  readonly identities: IdentityStore;
  readonly manageIdentities: ManageIdentities;
  readonly connection: (name: string) => LoginConnection | undefined;
  readonly depart: (
    request: Request,
    connection: LoginConnection,
    purpose: { linking: LinkingUser },
  ) => Promise<Response>;
}

const addPage = (name: string) => `/profile/connections/add/${encodeURIComponent(name)}`;
const rowPage = (id: string) => `/profile/connections/${encodeURIComponent(id)}`;

/** A person's accounts elsewhere that log them in: add and remove. Each change needs a recent proof. */
export function connectionProfileRoutes(deps: ConnectionProfileDeps): Hono {
  const { kit, identities } = deps;
  const app = new Hono<{ Bindings: HttpBindings }>();

  function connectionOf(c: Context): LoginConnection {
    const connection = deps.connection(c.req.param("name") ?? "");
    if (!connection) throw httpError("request.not_found");
    return connection;
  }

  app.get("/profile/connections/add/:name", async (c) => {
    const connection = connectionOf(c);
    const self = addPage(connection.name);
    const session = await kit.recent(c.req.raw, self);
    if (session instanceof Response) return session;
    const language = pickLanguage(c.req.raw);
    const title = language.texts.connection.add(connection.displayName);
    const body = addView(language, { session, connection, problem: undefined });
    return kit.page(c.req.raw, undefined, { title, body, language, self });
  });

  app.post("/profile/connections/add/:name", async (c) => {
    const connection = connectionOf(c);
    const form = await kit.readRecentForm(c, addPage(connection.name));
    if (form instanceof Response) return form;
    const { session } = form;
    const linking = { userId: session.userId, sessionId: session.id };
    return deps.depart(c.req.raw, connection, { linking });
  });

  async function showRemove(c: Context, session: BrowserSession, problem?: string): Promise<Response> {
    const id = c.req.param("id") ?? "";
    const row = (await identities.list(session.userId)).find((item) => item.id === id);
    if (!row) throw httpError("request.not_found");
    const language = pickLanguage(c.req.raw);
    const displayName = deps.connection(row.connection)?.displayName ?? row.connection;
    return kit.page(c.req.raw, undefined, {
      title: language.texts.connection.removeNamed(displayName),
      body: removeView(language, { session, row, displayName, problem }),
      language,
      status: problem === undefined ? 200 : 409,
      self: rowPage(id),
    });
  }

  app.get("/profile/connections/:id", async (c) => {
    const session = await kit.recent(c.req.raw, rowPage(c.req.param("id")));
    return session instanceof Response ? session : showRemove(c, session);
  });

  app.post("/profile/connections/:id", async (c) => {
    const form = await kit.readRecentForm(c, rowPage(c.req.param("id")));
    if (form instanceof Response) return form;
    const outcome = await deps.manageIdentities.remove(form.session.userId, c.req.param("id"));
    if (outcome === "last")
      return showRemove(c, form.session, pickLanguage(c.req.raw).texts.connection.lastWay);
    return redirect("/profile#identities");
  });

  return app as unknown as Hono;
}
