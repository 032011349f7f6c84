import { html } from "hono/html";
import type { ConnectionConfig } from "../config.ts";
import type { BrowserSession } from "../login/index.ts";
import type { Client } from "../oauth/index.ts";
import type { Language } from "../pages/languages/index.ts";
import { type Html, pageHeaders, renderPage } from "../pages/layout.ts";
import { policyFor } from "./exchange.ts";
import { OFFLINE_SCOPES } from "./narrow.ts";
import { type AccountRow, type ConnectRow, splitScopes } from "./store.ts";

/** What an account grants, as a person reads it; that a refresh token comes along is no right of its own. */
const shownScopes = (scopes: readonly string[]) => scopes.filter((scope) => !OFFLINE_SCOPES.includes(scope));

/** Redirects the browser; the address may hold a code, so nobody keeps or forwards it. */
export function redirectPage(to: string): Response {
  return new Response(null, { status: 303, headers: { ...pageHeaders(), location: to } });
}

/** The question whether an account is to be connected. */
export function confirmPage(of: {
  language: Language;
  session: BrowserSession;
  row: ConnectRow;
  connection: ConnectionConfig;
  agent: Client;
}): Promise<Response> {
  const { language, session, row, connection, agent } = of;
  const { vault, common } = language.texts;
  const allowed = policyFor(agent, connection.name)?.scopes ?? [];
  const granted = shownScopes(splitScopes(row.granted_scopes ?? ""));
  const may = granted.filter((scope) => allowed.includes(scope)).map((scope) => wordsFor(scope, connection));
  return renderPage({
    language,
    title: vault.connectTitle(connection.displayName),
    formTargets: [new URL(row.redirect_uri).origin],
    body: html`<h1>${vault.connectTitle(connection.displayName)}</h1>
<p>${vault.connectLead(connection.displayName, row.label ?? "", agent.name)}</p>
${agent.agent ? html`<p class="soft small">${vault.runBy(agent.agent.owner)} · ${agent.agent.purpose}</p>` : ""}
${
  may.length > 0
    ? html`<h2>${vault.agentMay(agent.name)}</h2><ul class="checks">${may.map((words) => html`<li>${words}</li>`)}</ul>`
    : html`<p>${vault.agentMayNothing(agent.name)}</p>`
}
<form method="post" action="/connect/confirm">
<input type="hidden" name="csrf" value="${session.csrf}">
<input type="hidden" name="transaction" value="${row.id}">
<div class="actions">
<button class="plain" name="decision" value="cancel">${common.cancel}</button>
<button name="decision" value="confirm">${vault.confirm}</button>
</div>
</form>
<p class="soft small">${common.signedInAs(session.email)}</p>`,
  });
}

/** Why a step in the browser cannot go on. */
export function stoppedPage(
  language: Language,
  page: "expired" | "other_user" | "other_browser",
  session: BrowserSession | undefined,
): Promise<Response> {
  const { vault } = language.texts;
  const contents: Record<typeof page, { title: string; status: number; body: Html }> = {
    expired: { title: vault.expiredTitle, status: 400, body: html`<p>${vault.expired}</p>` },
    other_user: {
      title: vault.otherUserTitle,
      status: 403,
      body: html`<p>${vault.otherUser(session?.email ?? "")}</p>
<form method="post" action="/logout">
<input type="hidden" name="csrf" value="${session?.csrf ?? ""}">
<div class="actions"><button>${vault.logOut}</button></div>
</form>`,
    },
    other_browser: { title: vault.otherBrowserTitle, status: 403, body: html`<p>${vault.otherBrowser}</p>` },
  };
  const { title, status, body } = contents[page];
  return renderPage({ language, title, status, body: html`<h1>${title}</h1>${body}` });
}

/** One account on the user's page. */
export interface AccountView {
  readonly account: AccountRow;
  readonly connection: ConnectionConfig | undefined;
  readonly agents: readonly Client[];
}

/** The user's connected accounts, each with what it may be used for, by whom, and a way to end it. */
export function accountsPage(of: {
  language: Language;
  session: BrowserSession;
  accounts: readonly AccountView[];
  disconnected: boolean;
}): Promise<Response> {
  const { language, session } = of;
  const { vault, common } = language.texts;
  return renderPage({
    language,
    title: vault.accountsTitle,
    wide: true,
    self: "/accounts",
    account: { current: "accounts" },
    body: html`<h1>${vault.accountsTitle}</h1>
<p class="soft">${vault.accountsLead}</p>
${of.disconnected ? html`<p class="notice" role="status">${vault.disconnected}</p>` : ""}
${
  of.accounts.length > 0
    ? html`<ul class="plain">${of.accounts.map((view) => html`<li>${accountItem(view, language, session)}</li>`)}</ul>`
    : html`<p>${vault.noAccounts}</p>`
}
<p class="soft small">${common.signedInAs(session.email)}</p>`,
  });
}

function accountItem(
  { account, connection, agents }: AccountView,
  language: Language,
  session: BrowserSession,
): Html {
  const { vault } = language.texts;
  const provider = connection?.displayName ?? account.connection;
  const scopes = shownScopes(splitScopes(account.scopes)).map((scope) => wordsFor(scope, connection));
  return html`<h2>${provider}: ${account.label}</h2>
${account.status === "broken" ? html`<p class="alert">${vault.broken}</p>` : ""}
${scopes.length > 0 ? html`<p class="soft small">${vault.mayDo}</p><ul class="checks">${scopes.map((words) => html`<li>${words}</li>`)}</ul>` : ""}
<p class="soft small">${vault.usedBy}</p>
${
  agents.length > 0
    ? html`<ul>${agents.map((agent) => html`<li>${agent.name}${agent.agent ? html` <span class="soft small">(${agent.agent.owner})</span>` : ""}</li>`)}</ul>`
    : html`<p>${vault.noAgents}</p>`
}
<form method="post" action="/accounts/disconnect">
<input type="hidden" name="csrf" value="${session.csrf}">
<input type="hidden" name="account" value="${account.id}">
<button class="danger" aria-label="${vault.disconnectLabel(provider, account.label)}">${vault.disconnect}</button>
</form>`;
}

/** What a scope lets one do, as the operator worded it; its name when nobody did. */
function wordsFor(scope: string, connection: ConnectionConfig | undefined): string {
  const words = connection?.scopes ?? {};
  return (Object.hasOwn(words, scope) ? words[scope] : undefined) ?? scope;
}
