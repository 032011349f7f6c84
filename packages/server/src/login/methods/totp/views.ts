import { html, raw } from "hono/html";
import type { Language } from "../../../pages/languages/index.ts";
import type { Html } from "../../../pages/layout.ts";
import type { BrowserSession } from "../../index.ts";
import type { Hidden, Way } from "../../kit.ts";
import { csrf } from "../../profile/views.ts";
import { alert, hiddenInputs, otherWays, problemWith } from "../../views.ts";
import type { TotpFactor } from "./factors.ts";

/** Asks for a code. */
export function codeView(
  language: Language,
  form: { hidden: Hidden; others: readonly Way[]; problem: string | undefined },
): Html {
  const t = language.texts.totp;
  return html`<h1>${t.title}</h1>
<p>${t.lead}</p>
${alert(form.problem)}
<form method="post" action="/login/totp">
${hiddenInputs(form.hidden)}
${codeField(language, form.problem)}
<div class="actions"><button>${language.texts.common.continue}</button></div>
</form>
${otherWays(language, form.others)}`;
}

/** The beginning of setting one up, in the middle of a log-in. */
export function startView(language: Language, hidden: Hidden): Html {
  const t = language.texts.totp;
  return html`<h1>${t.setUp}</h1>
<p>${t.setUpLead}</p>
<form method="post" action="/login/enroll/totp/start">${hiddenInputs(hidden)}
<div class="actions"><button>${language.texts.common.continue}</button></div></form>`;
}

export interface SetUpForm {
  /** SVG. */
  readonly qr: string;
  readonly typed: string;
  readonly factor: string;
  readonly action: string;
  readonly problem: string | undefined;
  readonly hidden?: Hidden;
  readonly csrf?: string;
}

/** The secret, as a picture and as text, and the field for the app's first code. */
export function setUpView(language: Language, form: SetUpForm): Html {
  const t = language.texts.totp;
  return html`<h1>${t.setUp}</h1>
<p>${t.scan}</p>
<div class="qr" role="img" aria-label="${t.qr}">${raw(form.qr)}</div>
<p class="small soft">${t.typeInstead}<br><code>${form.typed}</code></p>
${alert(form.problem)}
<form method="post" action="${form.action}">
${form.hidden ? hiddenInputs(form.hidden) : ""}
${form.csrf ? html`<input type="hidden" name="csrf" value="${form.csrf}">` : ""}
<input type="hidden" name="factor" value="${form.factor}">
${codeField(language, form.problem)}
<div class="actions"><button>${language.texts.common.continue}</button></div>
</form>`;
}

/** The part of the profile. */
export function sectionView(
  language: Language,
  session: BrowserSession,
  factors: readonly TotpFactor[],
): Html {
  const t = language.texts.totp;
  const added = new Intl.DateTimeFormat(language.tag, { dateStyle: "medium", timeZone: "UTC" });
  return html`<section aria-labelledby="totp"><h2 id="totp">${t.section}</h2>
<p class="soft">${t.sectionLead}</p>
<ul class="plain">${factors.map(
    (factor) => html`<li class="row"><div><strong>${t.name}</strong>
<span class="soft small">${t.added(added.format(factor.createdAt))}</span></div>
<form method="post" action="/profile/totp/remove">${csrf(session)}
<input type="hidden" name="factor" value="${factor.id}"><button class="danger">${t.remove}</button></form></li>`,
  )}</ul>
<form method="post" action="/profile/totp/start">${csrf(session)}<button class="plain">${t.setUp}</button></form></section>`;
}

function codeField({ texts }: Language, problem: string | undefined): Html {
  return html`<label for="code">${texts.totp.code}
<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required maxlength="16" autofocus ${problemWith(problem)}></label>`;
}
