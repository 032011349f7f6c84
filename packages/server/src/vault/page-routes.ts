import { type Context, Hono } from "hono";
import { html } from "hono/html";
import type { ConnectionConfig } from "../config.ts";
import { ApiError, httpError } from "../http/errors.ts";
import { readText } from "../http/limits.ts";
import type { BrowserSession, BrowserSessions } from "../login/index.ts";
import type { Client, Clients } from "../oauth/index.ts";
import { pickLanguage } from "../pages/languages/index.ts";
import { renderPage } from "../pages/layout.ts";
import type { BrowserFlow, BrowserStep } from "./browser.ts";
import { policyFor } from "./exchange.ts";
import type { Revoker } from "./revoke.ts";
import type { AccountStore } from "./store.ts";
import { accountsPage, confirmPage, redirectPage, stoppedPage } from "./views.ts";

export interface PageRouteDeps {
  readonly browser: BrowserFlow;
  readonly revoker: Revoker;
  readonly accounts: AccountStore;
  readonly sessions: BrowserSessions;
  readonly clients: AgentDirectory;
  readonly connection: (name: string) => ConnectionConfig | undefined;
}

/** Clients, and all of them: a person is told who may use an account. */
export interface AgentDirectory extends Clients {
  list(): Promise<readonly Client[]>;
}

const MAX_FORM_BYTES = 8_192;
const MAX_TICKET_LENGTH = 64;
/** More accounts than a page can show are beyond anybody's use. */
const MAX_ACCOUNTS_SHOWN = 100;

/** The pages on which a person connects an account and looks after connected ones. */
export function createPageRoutes(deps: PageRouteDeps): Hono {
  const { browser, sessions } = deps;
  const app = new Hono();
  app.onError((error, c) => {
    if (!ApiError.is(error)) throw error;
    return errorPage(c, error);
  });

  app.get("/connect", async (c) => {
    const tickets = c.req.queries("ticket") ?? [];
    const ticket = tickets.length === 1 ? tickets[0] : undefined;
    if (!ticket || ticket.length > MAX_TICKET_LENGTH) return show(c, { page: "expired" }, undefined);
    const session = await sessions.current(c.req.raw);
    // Nothing is consumed: after the login the link is opened again.
    if (!session) return redirectPage(sessions.loginAddress(`/connect?ticket=${encodeURIComponent(ticket)}`));
    return show(c, await browser.open(ticket, session), session);
  });

  app.get("/login/callback", async (c) => {
    const session = await sessions.current(c.req.raw);
    const step = await browser.callback(new URL(c.req.url).searchParams, session);
    return show(c, step, session);
  });

  app.get("/connect/confirm", async (c) => {
    const session = await sessions.current(c.req.raw);
    const row = session && (await browser.findParked(c.req.query("transaction") ?? "", session));
    const connection = row && deps.connection(row.connection);
    const agent = row && (await deps.clients.find(row.client_id));
    // An agent that lost the connection meanwhile is not offered any more.
    if (!session || !row || !connection || !agent || !policyFor(agent, connection.name))
      return show(c, { page: "expired" }, session);
    return confirmPage({ language: pickLanguage(c.req.raw), session, row, connection, agent });
  });

  app.post("/connect/confirm", async (c) => {
    const { session, form } = await checkedForm(c);
    const decision = form.get("decision");
    if (decision !== "confirm" && decision !== "cancel")
      throw httpError("request.invalid", { detail: "decision must be confirm or cancel." });
    const step = await browser.decide(text(form, "transaction"), session, decision === "confirm");
    return show(c, step, session);
  });

  app.get("/accounts", async (c) => {
    const session = await sessions.current(c.req.raw);
    if (!session) return redirectPage(sessions.loginAddress("/accounts"));
    const rows = await deps.accounts.listLive(session.userId, { limit: MAX_ACCOUNTS_SHOWN });
    const clients = await deps.clients.list();
    const accounts = rows.map((account) => ({
      account,
      connection: deps.connection(account.connection),
      agents: clients.filter((client) => policyFor(client, account.connection) !== undefined),
    }));
    const disconnected = c.req.query("disconnected") !== undefined;
    return accountsPage({ language: pickLanguage(c.req.raw), session, accounts, disconnected });
  });

  app.post("/accounts/disconnect", async (c) => {
    const { session, form } = await checkedForm(c);
    await deps.revoker.disconnect(session.userId, text(form, "account"), { clientId: undefined });
    return redirectPage("/accounts?disconnected");
  });

  /** A form of this login, sent from our own page. @throws ApiError `request.forbidden` */
  async function checkedForm(c: Context): Promise<{ session: BrowserSession; form: FormData }> {
    const type = c.req.header("content-type") ?? "";
    if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type))
      throw httpError("request.unsupported_media_type");
    const form = new FormData();
    for (const [name, value] of new URLSearchParams(await readText(c.req.raw, MAX_FORM_BYTES)))
      form.append(name, value);
    const session = await sessions.current(c.req.raw);
    if (!session)
      throw httpError("request.invalid", { detail: "You are logged out. Log in and start again." });
    sessions.checkForm(c.req.raw, session, form);
    return { session, form };
  }

  return app;
}

function text(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}

function show(
  c: Context,
  step: BrowserStep,
  session: BrowserSession | undefined,
): Response | Promise<Response> {
  if ("go" in step) return redirectPage(step.go);
  return stoppedPage(pickLanguage(c.req.raw), step.page, session);
}

function errorPage(c: Context, error: ApiError): Promise<Response> {
  const language = pickLanguage(c.req.raw);
  const { error: texts } = language.texts;
  const messages: Record<number, string> = { 403: texts.forbidden, 404: texts.notFound };
  return renderPage({
    language,
    title: texts.title,
    status: error.status,
    body: html`<h1>${texts.title}</h1><p>${messages[error.status] ?? texts.client}</p>`,
  });
}
