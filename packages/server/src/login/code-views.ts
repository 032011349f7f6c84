import { html } from "hono/html";
import type { Client } from "../oauth/index.ts";
import type { Language } from "../pages/languages/index.ts";
import type { Html } from "../pages/layout.ts";
import type { Hidden } from "./kit.ts";
import { alert, hiddenInputs, lead, otherWays, problemWith, whoIsThis } from "./views.ts";

export interface CodeForm {
  readonly action: string;
  readonly channel: "mail" | "text";
  readonly hidden: Hidden;
  readonly identifier: string;
  readonly client: Client | undefined;
  readonly others: readonly { path: string; label: string }[];
  readonly startAgain: string;
  readonly problem: string | undefined;
}

/** Before a code was sent: nothing is sent by opening a page. */
export function sendView(language: Language, form: CodeForm): Html {
  const t = language.texts.codes;
  return html`<h1>${t.title}</h1>
${lead(language, form.client)}
${whoIsThis(language, form.identifier, form.startAgain)}
${alert(form.problem)}
<p>${form.channel === "mail" ? t.willMail : t.willText}</p>
<form method="post" action="${form.action}/send">${hiddenInputs(form.hidden)}
<div class="actions"><button>${t.send}</button></div></form>
${otherWays(language, form.others)}`;
}

/** The code is typed here. */
export function codeView(language: Language, form: CodeForm): Html {
  const t = language.texts.codes;
  return html`<h1>${t.title}</h1>
${lead(language, form.client)}
${whoIsThis(language, form.identifier, form.startAgain)}
${alert(form.problem)}
<p>${form.channel === "mail" ? t.mailed : t.texted}</p>
<form method="post" action="${form.action}">${hiddenInputs(form.hidden)}
${codeField(language, form.problem)}
<div class="actions"><button>${language.texts.common.continue}</button></div></form>
<form method="post" action="${form.action}/send">${hiddenInputs(form.hidden)}
<p class="soft">${t.nothingCame} <button class="link">${t.sendAgain}</button></p></form>
${otherWays(language, form.others)}`;
}

/** A link that was opened where the log-in began: one step more, which programs that look at links do not take. */
export function linkView(language: Language, form: { action: string; token: string; hidden: Hidden }): Html {
  const t = language.texts.codes;
  return html`<h1>${t.title}</h1>
<p>${t.linkHere}</p>
<form method="post" action="${form.action}">${hiddenInputs(form.hidden)}
<input type="hidden" name="token" value="${form.token}">
<div class="actions"><button>${language.texts.common.continue}</button></div></form>`;
}

/** A link that was opened elsewhere: what to type, and where. */
export function elsewhereView(language: Language, code: string): Html {
  const t = language.texts.codes;
  return html`<h1>${t.elsewhereTitle}</h1>
<p>${t.elsewhere}</p>
<p class="code" translate="no">${code}</p>
<p class="soft">${t.elsewhereWarning}</p>`;
}

export function codeField({ texts }: Language, problem?: string): Html {
  return html`<label for="code">${texts.codes.code}
<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required maxlength="16" autofocus ${problemWith(problem)}></label>`;
}
