import { html } from "hono/html";
import type { Client } from "../../../oauth/index.ts";
import type { Language } from "../../../pages/languages/index.ts";
import type { Html } from "../../../pages/layout.ts";
import { MAX_PASSWORD_LENGTH } from "../../accounts.ts";
import type { Hidden, Way } from "../../kit.ts";
import { alert, hiddenInputs, lead, otherWays, problemWith, whoIsThis } from "../../views.ts";

export interface PasswordForm {
  readonly hidden: Hidden;
  readonly identifier: string;
  readonly client: Client | undefined;
  readonly others: readonly Way[];
  readonly problem: string | undefined;
  readonly startAgain: string;
  /** Where to get a new password; `undefined` when it cannot be mailed. */
  readonly resetAddress: string | undefined;
}

export function passwordView(language: Language, form: PasswordForm): Html {
  const t = language.texts.login;
  return html`<h1>${t.title}</h1>
${lead(language, form.client)}
${whoIsThis(language, form.identifier, form.startAgain)}
${alert(form.problem)}
<form method="post" action="/login/password">
${hiddenInputs(form.hidden)}
<input class="autofill" type="email" name="email" autocomplete="username" value="${form.identifier}" readonly tabindex="-1" aria-hidden="true">
<label for="password">${t.password}
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="${MAX_PASSWORD_LENGTH}" autofocus ${problemWith(form.problem)}></label>
<div class="actions"><button>${t.submit}</button></div>
</form>
${form.resetAddress ? html`<p class="soft"><a href="${form.resetAddress}">${language.texts.reset.forgot}</a></p>` : ""}
${otherWays(language, form.others)}`;
}
