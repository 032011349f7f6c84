import { html } from "hono/html";
import type { Language } from "../../pages/languages/index.ts";
import type { Html } from "../../pages/layout.ts";
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from "../accounts.ts";
import type { BrowserSession, SessionSummary, User } from "../index.ts";
import { alert, problemWith } from "../views.ts";
import { deviceName } from "./device-name.ts";

export interface ProfilePage {
  readonly session: BrowserSession;
  readonly user: User;
  readonly hasPassword: boolean;
  /** Whether passwords are on offer. */
  readonly passwords: boolean;
  /** Whether this server sends mail. */
  readonly mail: boolean;
  /** What each way to log in shows. */
  readonly sections: readonly Html[];
  readonly sessions: readonly SessionSummary[];
}

export function profileView(language: Language, page: ProfilePage): Html {
  const t = language.texts.profile;
  const { user, session } = page;
  return html`<h1>${t.title}</h1>
<dl class="facts"><dt>${language.texts.login.email}</dt><dd>${user.email}
<span class="soft small">${user.emailVerified ? t.emailConfirmed : t.emailUnconfirmed}</span>
${page.mail ? html`<a class="small" href="/profile/email">${user.emailVerified ? t.changeEmail : t.confirmEmail}</a>` : ""}</dd></dl>
<form method="post" action="/profile" class="inline">
${csrf(session)}
<label for="name">${language.texts.signUp.name}
<input id="name" name="name" type="text" autocomplete="name" maxlength="200" value="${user.name ?? ""}" required></label>
<button class="plain">${t.save}</button>
</form>
${page.passwords ? passwordSection(language, page.hasPassword) : ""}
${page.sections}
<section aria-labelledby="sessions"><h2 id="sessions">${t.sessions}</h2>
<p class="soft">${t.sessionsLead}</p>
<ul class="plain">${page.sessions.map((item) => sessionRow(language, item, session))}</ul>
${page.sessions.length > 1 ? endForm(session, "others", t.endOthers) : ""}</section>`;
}

function passwordSection(language: Language, has: boolean): Html {
  const t = language.texts.profile;
  return html`<section aria-labelledby="password"><h2 id="password">${language.texts.login.password}</h2>
<p>${has ? t.hasPassword : t.noPassword}</p>
<p><a class="button plain" href="/profile/password">${has ? t.changePassword : t.addPassword}</a></p></section>`;
}

export function passwordFormView(
  language: Language,
  form: { title: string; session: BrowserSession; problem: string | undefined },
): Html {
  const { signUp, login, profile, common } = language.texts;
  return html`<h1>${form.title}</h1>
<p class="soft">${profile.passwordLead}</p>
${alert(form.problem)}
<form method="post" action="/profile/password">
${csrf(form.session)}
<input class="autofill" type="email" name="email" autocomplete="username" value="${form.session.email}" readonly tabindex="-1" aria-hidden="true">
<label for="password">${login.password} <span class="hint">${signUp.passwordHint}</span>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="${MIN_PASSWORD_LENGTH}" maxlength="${MAX_PASSWORD_LENGTH}" autofocus ${problemWith(form.problem)}></label>
<div class="actions"><button>${profile.save}</button><a class="button plain" href="/profile">${common.cancel}</a></div>
</form>`;
}

/** The token that each form of the profile repeats. */
export function csrf(session: BrowserSession): Html {
  return html`<input type="hidden" name="csrf" value="${session.csrf}">`;
}

function sessionRow(language: Language, item: SessionSummary, current: BrowserSession): Html {
  const t = language.texts.profile;
  const when = new Intl.DateTimeFormat(language.tag, {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone: "UTC",
  });
  const isCurrent = item.id === current.id;
  return html`<li class="row"><div><strong>${deviceName(item.userAgent) ?? t.unknownDevice}</strong>
<span class="soft small">${isCurrent ? t.thisSession : t.lastUsed(`${when.format(item.lastSeenAt)} UTC`)}</span></div>
${isCurrent ? html`<a class="button plain" href="/logout">${language.texts.logout.submit}</a>` : endForm(current, item.id, t.end)}</li>`;
}

function endForm(session: BrowserSession, id: string, label: string): Html {
  return html`<form method="post" action="/profile/sessions/end">${csrf(session)}
<input type="hidden" name="session" value="${id}"><button class="plain">${label}</button></form>`;
}
