import { html } from "hono/html";
import type { Language } from "../../pages/languages/index.ts";
import type { Html } from "../../pages/layout.ts";
import { codeField } from "../code-views.ts";
import type { BrowserSession } from "../index.ts";
import { csrf } from "../profile/views.ts";
import { alert, problemWith } from "../views.ts";

export function emailView(
  language: Language,
  page: {
    session: BrowserSession;
    email: string;
    verified: boolean;
    /** The address that waits for its code. */
    waiting: string | undefined;
    problem: string | undefined;
  },
): Html {
  const { email: t, profile, common, login, codes } = language.texts;
  const { session } = page;
  return html`<h1>${t.title}</h1>
<p><strong>${page.email}</strong> <span class="soft small">${page.verified ? profile.emailConfirmed : profile.emailUnconfirmed}</span></p>
${alert(page.problem)}
${
  page.waiting === undefined
    ? ""
    : html`<section aria-labelledby="waiting"><h2 id="waiting">${t.waiting(page.waiting)}</h2>
<p>${t.typeCode}</p>
<form method="post" action="/profile/email">${csrf(session)}${codeField(language, page.problem)}
<div class="actions"><button>${t.confirm}</button></div></form>
<form method="post" action="/profile/email/send">${csrf(session)}<input type="hidden" name="email" value="${page.waiting}">
<p class="soft">${codes.nothingCame} <button class="link">${codes.sendAgain}</button></p></form></section>`
}
${
  page.verified || page.waiting !== undefined
    ? ""
    : html`<form method="post" action="/profile/email/send">${csrf(session)}<input type="hidden" name="email" value="${page.email}">
<div class="actions"><button>${t.sendConfirmation}</button></div></form>`
}
<section aria-labelledby="change"><h2 id="change">${t.change}</h2>
<p class="soft">${t.changeLead}</p>
<form method="post" action="/profile/email/send">${csrf(session)}
<label for="email">${login.email}
<input id="email" name="email" type="email" autocomplete="email" maxlength="254" required ${problemWith(page.waiting === undefined ? page.problem : undefined)}></label>
<div class="actions"><button class="plain">${common.continue}</button><a class="button plain" href="/profile">${common.back}</a></div></form></section>`;
}

export function linkView(
  language: Language,
  form: { session: BrowserSession; token: string; email: string },
): Html {
  const t = language.texts.email;
  return html`<h1>${t.title}</h1>
<p>${t.linkLead(form.email)}</p>
<form method="post" action="/profile/email/link">${csrf(form.session)}
<input type="hidden" name="token" value="${form.token}">
<div class="actions"><button>${t.confirm}</button></div></form>`;
}
