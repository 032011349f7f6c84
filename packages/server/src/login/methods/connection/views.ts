import { html } from "hono/html";
import type { Client } from "../../../oauth/index.ts";
import type { Language } from "../../../pages/languages/index.ts";
import type { Html } from "../../../pages/layout.ts";
import type { BrowserSession } from "../../index.ts";
import type { Hidden, Way } from "../../kit.ts";
import { csrf } from "../../profile/views.ts";
import { alert, hiddenInputs, lead, otherWays, type StartForm, startInputs } from "../../views.ts";
import type { IdentityRow } from "./store.ts";
import type { LoginConnection } from "./upstream.ts";

/** Buttons of the first page: one for each provider that people may log in with. */
export function startView(
  { texts }: Language,
  connections: readonly LoginConnection[],
  form: StartForm,
  hidden: Hidden,
): Html {
  if (connections.length === 0) return html``;
  return html`<p class="divider"><span>${texts.login.or}</span></p><ul class="ways">${connections.map(
    (connection) => html`<li><form method="post" action="/login/connection/${connection.name}">
${hiddenInputs(hidden)}${startInputs(form)}<input type="hidden" name="email" value="${form.email}">
<button class="plain">${texts.connection.continueWith(connection.displayName)}</button></form></li>`,
  )}</ul>`;
}

/** An account has this address: whoever it belongs to proves it by another way, and only then the two are linked. */
export function proveView(
  language: Language,
  page: { email: string; provider: string; label: string; client: Client | undefined; ways: readonly Way[] },
): Html {
  const t = language.texts.connection;
  return html`<h1>${t.proveTitle}</h1>
${lead(language, page.client)}
<p>${t.proveLead(page.email)}</p>
<p class="soft">${t.proveThen(page.provider, page.label)}</p>
${otherWays(language, page.ways, { divider: false })}`;
}

/** Why a log-in at a provider led nowhere, with the way back to the others. */
export function stoppedView({ texts }: Language, page: { text: string; back: string }): Html {
  return html`<h1>${texts.connection.stoppedTitle}</h1>
<p>${page.text}</p>
<div class="actions"><a class="button" href="${page.back}">${texts.connection.otherWays}</a></div>`;
}

/** The part of the profile that lists accounts elsewhere which log this person in. */
export function profileSection(
  language: Language,
  rows: readonly IdentityRow[],
  connections: readonly LoginConnection[],
): Html {
  const t = language.texts.connection;
  const shown = (name: string) => connections.find((one) => one.name === name)?.displayName ?? name;
  return html`<section aria-labelledby="identities"><h2 id="identities">${t.title}</h2>
<p class="soft">${t.profileLead}</p>
<ul class="plain">${rows.map(
    (row) => html`<li class="row"><div><strong>${shown(row.connection)}</strong>
<span class="soft small">${row.label}</span></div>
<a class="button plain" href="/profile/connections/${row.id}" aria-label="${t.removeNamed(shown(row.connection))}">${t.remove}</a></li>`,
  )}</ul>
${connections.map(
  ({ name, displayName }) =>
    html`<p><a class="button plain" href="/profile/connections/add/${name}">${t.add(displayName)}</a></p>`,
)}</section>`;
}

export function addView(
  language: Language,
  page: { session: BrowserSession; connection: LoginConnection; problem: string | undefined },
): Html {
  const { connection: t, common } = language.texts;
  const { displayName, name } = page.connection;
  return html`<h1>${t.add(displayName)}</h1>
${alert(page.problem)}
<p>${t.addLead(displayName)}</p>
<form method="post" action="/profile/connections/add/${name}">
${csrf(page.session)}
<div class="actions"><button>${t.continueWith(displayName)}</button><a class="button plain" href="/profile">${common.back}</a></div>
</form>`;
}

export function removeView(
  language: Language,
  page: { session: BrowserSession; row: IdentityRow; displayName: string; problem: string | undefined },
): Html {
  const { connection: t, common } = language.texts;
  return html`<h1>${t.removeNamed(page.displayName)}</h1>
${alert(page.problem)}
<p>${t.removeLead(page.displayName, page.row.label)}</p>
<form method="post" action="/profile/connections/${page.row.id}">
${csrf(page.session)}
<div class="actions"><button>${t.remove}</button><a class="button plain" href="/profile">${common.back}</a></div>
</form>`;
}
