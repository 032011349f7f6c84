import { html } from "hono/html";
import type { Client, Interaction } from "../oauth/index.ts";
import type { Language, Texts } from "../pages/languages/index.ts";
import type { Html } from "../pages/layout.ts";
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from "./accounts.ts";

/** What the log-in and sign-up forms carry. */
export interface LoginForm {
  readonly returnTo: string;
  readonly formToken: string;
  /** The app one is on the way to. */
  readonly client: Client | undefined;
  readonly email: string;
  readonly problem: string | undefined;
}

export function loginView({ texts }: Language, form: LoginForm, signUpAddress: string | undefined): Html {
  const t = texts.login;
  return html`<h1>${t.title}</h1>
${form.client ? html`<p class="soft">${t.toContinue(form.client.name)}</p>` : ""}
${alert(form.problem)}
<form method="post" action="/login">
${hidden(form)}
${emailField(texts, form.email, form.email === "")}
<label for="password">${t.password}
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="${MAX_PASSWORD_LENGTH}" ${form.email ? "autofocus" : ""}></label>
<div class="actions"><button>${t.submit}</button></div>
</form>
${signUpAddress ? html`<p class="soft">${t.noAccount} <a href="${signUpAddress}">${t.signUp}</a></p>` : ""}`;
}

export function signUpView(
  { texts }: Language,
  form: LoginForm & { name: string },
  loginAddress: string,
): Html {
  const t = texts.signUp;
  return html`<h1>${t.title}</h1>
${form.client ? html`<p class="soft">${texts.login.toContinue(form.client.name)}</p>` : ""}
${alert(form.problem)}
<form method="post" action="/signup">
${hidden(form)}
<label for="name">${t.name}
<input id="name" name="name" type="text" autocomplete="name" maxlength="200" value="${form.name}" required ${form.name ? "" : "autofocus"}></label>
${emailField(texts, form.email, form.name !== "" && form.email === "")}
<label for="password">${texts.login.password} <span class="hint">${t.passwordHint}</span>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="${MIN_PASSWORD_LENGTH}" maxlength="${MAX_PASSWORD_LENGTH}"></label>
<div class="actions"><button>${t.submit}</button></div>
</form>
<p class="soft">${t.haveAccount} <a href="${loginAddress}">${t.logIn}</a></p>`;
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

function hidden(form: LoginForm): Html {
  return html`<input type="hidden" name="return_to" value="${form.returnTo}">
<input type="hidden" name="form_token" value="${form.formToken}">
<input type="hidden" name="client_id" value="${form.client?.id ?? ""}">`;
}

function emailField(texts: Texts, value: string, focused: boolean): Html {
  return html`<label for="email">${texts.login.email}
<input id="email" name="email" type="email" autocomplete="username" required maxlength="254" value="${value}" ${focused ? "autofocus" : ""}></label>`;
}

function alert(problem: string | undefined): Html {
  return problem ? html`<p class="alert" role="alert">${problem}</p>` : html``;
}

function hostOf(address: string): string {
  return URL.parse(address)?.host ?? "";
}
