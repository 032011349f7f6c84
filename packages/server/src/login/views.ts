import { html, raw } from "hono/html";
import type { Client, Interaction } from "../oauth/index.ts";
import type { Organization } from "../organizations/index.ts";
import type { Language, Texts } from "../pages/languages/index.ts";
import type { Html } from "../pages/layout.ts";
import { alert, problemWith } from "../pages/problem.ts";
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from "./accounts.ts";
import type { Hidden, Way } from "./kit.ts";

export { alert, problemWith };

/** What the first page and the sign-up page carry from one to the other. */
export interface StartForm {
  readonly returnTo: string;
  /** The app one is on the way to. */
  readonly client: Client | undefined;
  readonly email: string;
  /** A context that the log-in has to reach; see amr.ts. */
  readonly acr: string;
  /** Whoever is logged in must prove everything again. */
  readonly again: boolean;
  /** The organization one logs in to. */
  readonly organization?: Organization | undefined;
  /** An invitation into it: it was sent to one address, and counts for that alone. */
  readonly invitation?: { readonly token: string; readonly email: string } | undefined;
  readonly problem: string | undefined;
  /** The field that it is about; none when it is about the account as a whole. */
  readonly problemField?: "email" | "password" | undefined;
}

/** Who is it? The password field is for managers that fill in both at once; people meet it on the next page. */
export function identifierView(
  language: Language,
  form: StartForm,
  more: {
    hidden: Hidden;
    signUpAddress: string | undefined;
    passkey: Html;
    /** Whether a telephone number says who one is too. */
    takesPhone: boolean;
    takesPassword: boolean;
  },
): Html {
  const { texts } = language;
  const t = texts.login;
  return html`<h1>${t.title}</h1>
${lead(language, form.client)}${organizationLine(language, form.organization)}
${alert(form.problem)}
<form method="post" action="/login">
${hiddenInputs(more.hidden)}${startInputs(form)}
${more.takesPhone ? identifierField(texts, form) : emailField(texts, form, { focused: true, autocomplete: "username webauthn" })}
${more.takesPassword ? html`<input class="autofill" type="password" name="password" autocomplete="current-password" tabindex="-1" aria-hidden="true" maxlength="${MAX_PASSWORD_LENGTH}">` : ""}
<div class="actions"><button>${texts.common.continue}</button></div>
</form>
${more.passkey}
${more.signUpAddress ? html`<p class="soft">${t.noAccount} <a href="${more.signUpAddress}">${t.signUp}</a></p>` : ""}`;
}

export function signUpView(
  language: Language,
  form: StartForm & { name: string },
  more: { hidden: Hidden; loginAddress: string; passkey: Html; password: boolean; byCode: boolean },
): Html {
  const { texts } = language;
  const t = texts.signUp;
  // A problem with the account as a whole may be one with its address; nothing says more.
  const isWrong = (field: "email" | "password") =>
    form.problem !== undefined && (form.problemField ?? "email") === field;
  return html`<h1>${t.title}</h1>
${lead(language, form.client)}${organizationLine(language, form.organization)}
${alert(form.problem)}
<form method="post" action="/signup" id="sign-up">
${hiddenInputs(more.hidden)}${startInputs(form)}
<label for="name">${t.name}
<input id="name" name="name" type="text" autocomplete="name" maxlength="200" value="${form.name}" required ${form.problem ? "" : "autofocus"}></label>
${emailField(texts, form, { focused: isWrong("email") })}
${more.password ? newPasswordField(texts, isWrong("password") ? form.problem : undefined) : ""}
<div class="actions">${more.password ? html`<button>${t.submit}</button>` : ""}
${more.byCode ? html`<button class="${more.password ? "plain" : ""}" name="with" value="code" formnovalidate>${more.password ? t.withCode : t.submit}</button>` : ""}</div>
</form>
${more.passkey}
<p class="soft">${t.haveAccount} <a href="${more.loginAddress}">${t.logIn}</a></p>`;
}

export function consentView(
  { texts }: Language,
  interaction: Interaction,
  session: { email: string; csrf: string },
  action: string,
): Html {
  const t = texts.consent;
  const { client, asked } = interaction;
  const scopes = asked.oidcScopes.map((scope) => t.scopes[scope] ?? scope);
  const target = t.redirectsTo(hostOf(interaction.redirectUri));
  return html`<h1>${t.title(client.name)}</h1>
<p class="soft">${texts.common.signedInAs(session.email)}</p>
${client.agent ? html`<p>${client.agent.purpose}<br><span class="soft small">${t.runBy(client.agent.owner)}</span></p>` : ""}
<p>${t.lead(client.name)}</p>
<ul class="checks">${scopes.map((scope) => html`<li>${scope}</li>`)}
${asked.apis.map((api) => api.scopes.map((scope) => html`<li>${scope.title} <span class="soft small">${api.name}</span></li>`))}</ul>
${
  client.unverified
    ? html`<p class="alert">${t.unverified(client.name)} <strong>${target}</strong></p>`
    : html`<p class="small soft">${target}</p>`
}
<form method="post" action="${action}">
<input type="hidden" name="csrf" value="${session.csrf}">
<div class="actions">
<button name="decision" value="allow">${t.allow}</button>
<button class="plain" name="decision" value="deny">${t.deny}</button>
</div>
</form>`;
}

/** Asks whether to log out of this browser; a link alone must not end a session. */
export function logoutView({ texts }: Language, session: { email: string; csrf: string }): Html {
  const t = texts.logout;
  return html`<h1>${t.title}</h1>
<p>${t.question}</p>
<p class="soft">${texts.common.signedInAs(session.email)}</p>
<form method="post" action="/logout">
<input type="hidden" name="csrf" value="${session.csrf}">
<div class="actions"><button>${t.submit}</button><a class="button plain" href="/approvals">${t.stay}</a></div>
</form>`;
}

/** A page that says one thing. */
export function messageView(title: string, text: string): Html {
  return html`<h1>${title}</h1><p>${text}</p>`;
}

/** Where the person goes on to. */
export function lead({ texts }: Language, client: Client | undefined): Html {
  return client ? html`<p class="soft">${texts.login.toContinue(client.name)}</p>` : html``;
}

/** For which organization one logs in. */
export function organizationLine({ texts }: Language, organization: Organization | undefined): Html {
  return organization
    ? html`<p class="organization">${texts.organization.loginFor(organization.displayName)}</p>`
    : html``;
}

/** Who is logging in, with a way back for somebody else. */
export function whoIsThis({ texts }: Language, identifier: string, startAgain: string): Html {
  return html`<p class="who"><strong>${identifier}</strong> <a href="${startAgain}">${texts.login.notYou}</a></p>`;
}

/** Links to the other ways of proving it. */
export function otherWays({ texts }: Language, others: readonly Way[], options = { divider: true }): Html {
  if (others.length === 0) return html``;
  const links = others.map(
    ({ path, label }) => html`<li><a class="button plain" href="${path}">${label}</a></li>`,
  );
  const divider = options.divider ? html`<p class="divider"><span>${texts.login.or}</span></p>` : "";
  return html`${divider}<ul class="ways">${links}</ul>`;
}

/** What each form of a log-in repeats. */
export function hiddenInputs(hidden: Hidden): Html {
  return html`<input type="hidden" name="form_token" value="${hidden.formToken}">
${hidden.flow ? html`<input type="hidden" name="flow" value="${hidden.flow}">` : ""}`;
}

/** Where the log-in leads, as fields that its first forms repeat. */
export function startInputs(form: StartForm): Html {
  return html`<input type="hidden" name="return_to" value="${form.returnTo}">
<input type="hidden" name="client_id" value="${form.client?.id ?? ""}">
<input type="hidden" name="acr" value="${form.acr}">
<input type="hidden" name="organization" value="${form.organization?.id ?? ""}">
<input type="hidden" name="invitation" value="${form.invitation?.token ?? ""}">
${form.again ? html`<input type="hidden" name="again" value="1">` : ""}`;
}

function emailField(
  texts: Texts,
  form: StartForm,
  { focused, autocomplete = "username" }: { focused: boolean; autocomplete?: string },
): Html {
  const problem = form.problemField === "password" ? undefined : form.problem;
  return html`<label for="email">${texts.login.email}
<input id="email" name="email" type="email" autocomplete="${autocomplete}" required maxlength="254" value="${form.invitation?.email ?? form.email}" ${form.invitation ? raw("readonly") : ""} ${focused ? "autofocus" : ""} ${problemWith(problem)}></label>`;
}

function newPasswordField({ login, signUp }: Texts, problem: string | undefined): Html {
  return html`<label for="password">${login.password} <span class="hint">${signUp.passwordHint}</span>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="${MIN_PASSWORD_LENGTH}" maxlength="${MAX_PASSWORD_LENGTH}" ${problem ? raw("autofocus") : ""} ${problemWith(problem)}></label>`;
}

function identifierField(texts: Texts, form: StartForm): Html {
  return html`<label for="email">${texts.login.emailOrPhone}
<input id="email" name="email" type="text" inputmode="email" autocapitalize="none" autocomplete="username webauthn" required maxlength="254" value="${form.email}" autofocus ${problemWith(form.problem)}></label>`;
}

function hostOf(address: string): string {
  return URL.parse(address)?.host ?? "";
}
