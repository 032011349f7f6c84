import { html } from "hono/html";
import type { Language } from "../../../pages/languages/index.ts";
import type { Html } from "../../../pages/layout.ts";
import { codeField } from "../../code-views.ts";
import type { BrowserSession } from "../../index.ts";
import { csrf } from "../../profile/views.ts";
import { alert, problemWith } from "../../views.ts";
import type { Phone } from "./phones.ts";

/** The part of the profile. */
export function sectionView(language: Language, session: BrowserSession, phone: Phone | undefined): Html {
  const t = language.texts.phone;
  if (!phone)
    return html`<section aria-labelledby="phone"><h2 id="phone">${t.section}</h2>
<p class="soft">${t.none}</p>
<p><a class="button plain" href="/profile/phone">${t.add}</a></p></section>`;
  const { isSecondFactor } = phone;
  return html`<section aria-labelledby="phone"><h2 id="phone">${t.section}</h2>
<p><strong>${phone.phone}</strong> <span class="soft small">${isSecondFactor ? t.isSecondFactor : t.isFirstFactor}</span></p>
<form method="post" action="/profile/phone/second-factor">${csrf(session)}
<input type="hidden" name="on" value="${isSecondFactor ? "0" : "1"}">
<button class="plain">${isSecondFactor ? t.dropSecondFactor : t.makeSecondFactor}</button></form>
<p><a class="button plain" href="/profile/phone">${t.change}</a></p>
<form method="post" action="/profile/phone/remove">${csrf(session)}<button class="danger">${t.remove}</button></form></section>`;
}

export function phoneView(
  language: Language,
  page: { session: BrowserSession; waiting: string | undefined; problem: string | undefined },
): Html {
  const { phone: t, common, codes } = language.texts;
  const { session, waiting } = page;
  const back = html`<a class="button plain" href="/profile">${common.cancel}</a>`;
  return html`<h1>${t.title}</h1>
${alert(page.problem)}
${
  waiting === undefined
    ? ""
    : html`<section aria-labelledby="waiting"><h2 id="waiting">${waiting}</h2>
<p>${codes.texted}</p>
<form method="post" action="/profile/phone">${csrf(session)}${codeField(language, page.problem)}
<div class="actions"><button>${common.continue}</button>${back}</div></form></section>`
}
<form method="post" action="/profile/phone/send">${csrf(session)}
<label for="phone">${waiting === undefined ? t.number : t.otherNumber} <span class="hint">${t.hint}</span>
<input id="phone" name="phone" type="tel" autocomplete="tel" maxlength="24" required ${problemWith(waiting === undefined ? page.problem : undefined)}></label>
<div class="actions"><button class="${waiting === undefined ? "" : "plain"}">${codes.send}</button>${waiting === undefined ? back : ""}</div></form>`;
}
