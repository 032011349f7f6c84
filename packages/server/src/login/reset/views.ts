import { html } from "hono/html";
import type { Language } from "../../pages/languages/index.ts";
import type { Html } from "../../pages/layout.ts";
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from "../accounts.ts";
import type { Hidden } from "../kit.ts";
import { alert, hiddenInputs, problemWith, whoIsThis } from "../views.ts";

export function askView(
  language: Language,
  form: { hidden: Hidden; identifier: string; startAgain: string; problem: string | undefined },
): Html {
  const t = language.texts.reset;
  return html`<h1>${t.title}</h1>
${whoIsThis(language, form.identifier, form.startAgain)}
${alert(form.problem)}
<p>${t.lead}</p>
<form method="post" action="/login/reset">${hiddenInputs(form.hidden)}
<div class="actions"><button>${t.send}</button></div></form>`;
}

export function newPasswordView(
  language: Language,
  form: { hidden: Hidden; email: string; problem: string | undefined },
): Html {
  const { reset, login, signUp } = language.texts;
  return html`<h1>${reset.title}</h1>
<p class="soft">${reset.newLead}</p>
${alert(form.problem)}
<form method="post" action="/login/reset/new">${hiddenInputs(form.hidden)}
<input class="autofill" type="email" name="email" autocomplete="username" value="${form.email}" readonly tabindex="-1" aria-hidden="true">
<label for="password">${login.password} <span class="hint">${signUp.passwordHint}</span>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="${MIN_PASSWORD_LENGTH}" maxlength="${MAX_PASSWORD_LENGTH}" autofocus ${problemWith(form.problem)}></label>
<div class="actions"><button>${reset.save}</button></div></form>`;
}

export function doneView(language: Language, loginAddress: string): Html {
  const { reset, login } = language.texts;
  return html`<h1>${reset.doneTitle}</h1>
<p>${reset.done}</p>
<div class="actions"><a class="button" href="${loginAddress}">${login.submit}</a></div>`;
}
