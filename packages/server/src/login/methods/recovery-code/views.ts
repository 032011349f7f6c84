import { html } from "hono/html";
import type { Language } from "../../../pages/languages/index.ts";
import type { Html } from "../../../pages/layout.ts";
import type { BrowserSession } from "../../index.ts";
import type { Hidden, Way } from "../../kit.ts";
import { csrf } from "../../profile/views.ts";
import { alert, hiddenInputs, otherWays, problemWith } from "../../views.ts";

export function recoveryView(
  language: Language,
  form: { hidden: Hidden; others: readonly Way[]; problem: string | undefined },
): Html {
  const t = language.texts.recoveryCode;
  return html`<h1>${t.title}</h1>
<p>${t.lead}</p>
${alert(form.problem)}
<form method="post" action="/login/recovery-code">
${hiddenInputs(form.hidden)}
<label for="code">${t.code}
<input id="code" name="code" type="text" autocomplete="off" autocapitalize="none" spellcheck="false" required maxlength="40" autofocus ${problemWith(form.problem)}></label>
<div class="actions"><button>${language.texts.common.continue}</button></div>
</form>
${otherWays(language, form.others)}`;
}

/** New codes, told once; `goOn` leads away. */
export function codesView({ texts }: Language, codes: readonly string[], goOn: Html): Html {
  const t = texts.recoveryCode;
  return html`<h1>${t.newTitle}</h1>
<p>${t.newLead}</p>
<ul class="codes">${codes.map((code) => html`<li><code>${code}</code></li>`)}</ul>
${goOn}`;
}

export function backToProfile({ texts }: Language): Html {
  return html`<div class="actions"><a class="button" href="/profile">${texts.recoveryCode.kept}</a></div>`;
}

/** The part of the profile; nothing without a second factor that codes could stand in for. */
export function sectionView({ texts }: Language, session: BrowserSession, left: number): Html {
  const t = texts.recoveryCode;
  if (left === 0 && !session.amr.includes("mfa")) return html``;
  return html`<section aria-labelledby="recovery"><h2 id="recovery">${t.section}</h2>
<p>${t.left(left)}</p>
<form method="post" action="/profile/recovery-codes">${csrf(session)}<button class="plain">${t.make}</button></form></section>`;
}
