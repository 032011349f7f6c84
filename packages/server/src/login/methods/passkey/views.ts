import { html } from "hono/html";
import type { Client } from "../../../oauth/index.ts";
import type { Language } from "../../../pages/languages/index.ts";
import type { Html } from "../../../pages/layout.ts";
import type { BrowserSession } from "../../index.ts";
import type { Hidden } from "../../kit.ts";
import { csrf } from "../../profile/views.ts";
import { alert, hiddenInputs, lead, otherWays, type StartForm, startInputs, whoIsThis } from "../../views.ts";
import type { PasskeyRow } from "./store.ts";

/** A form that the script shows where passkeys work, and fills in. */
export interface PasskeyForm {
  readonly kind: "get" | "create";
  readonly action: string;
  /** Where the options come from. */
  readonly options: string;
  readonly label: string;
  /** Fields that go with it. */
  readonly fields: Html;
  /** Offers passkeys in the list under the e-mail field as well. */
  readonly conditional?: boolean;
  /** Id of another form that `data-copy` fields are copied from. */
  readonly from?: string;
  readonly plain?: boolean;
}

export function passkeyForm({ texts }: Language, form: PasskeyForm): Html {
  const t = texts.passkey;
  return html`<form method="post" action="${form.action}" hidden data-passkey="${form.kind}" data-options="${form.options}"
${form.conditional ? "data-conditional" : ""} data-from="${form.from ?? ""}"
data-cancelled="${t.cancelled}" data-late="${t.late}" data-known="${t.known}" data-unfit="${t.unfit}" data-failed="${t.failedHere}">
<p class="alert" role="alert" data-problem hidden></p>
${form.fields}<input type="hidden" name="answer" value="">
<div class="actions"><button class="${form.plain ? "plain" : ""}">${form.label}</button></div>
</form>`;
}

/** On the first page: the person need not say who they are. */
export function startView(language: Language, form: StartForm, hidden: Hidden): Html {
  return passkeyForm(language, {
    kind: "get",
    action: "/login/passkey/start",
    options: "/login/passkey/options",
    label: language.texts.passkey.use,
    fields: html`${hiddenInputs(hidden)}${startInputs(form)}`,
    conditional: true,
    plain: true,
  });
}

/** On the sign-up page: name and e-mail address are those of the form above. */
export function signUpWithPasskeyView(language: Language, form: StartForm, hidden: Hidden): Html {
  return passkeyForm(language, {
    kind: "create",
    action: "/signup/passkey",
    options: "/signup/passkey/options",
    label: language.texts.passkey.signUp,
    fields: html`${hiddenInputs(hidden)}${startInputs(form)}
<input type="hidden" name="name" value="" data-copy><input type="hidden" name="email" value="" data-copy>`,
    from: "sign-up",
    plain: true,
  });
}

/** The page of a log-in on which a passkey is asked for. */
export function loginView(
  language: Language,
  page: {
    hidden: Hidden;
    identifier: string;
    client: Client | undefined;
    others: readonly { path: string; label: string }[];
    problem: string | undefined;
    startAgain: string;
    isSecond: boolean;
  },
): Html {
  const t = language.texts.passkey;
  return html`<h1>${page.isSecond ? language.texts.secondFactor.title : language.texts.login.title}</h1>
${lead(language, page.client)}
${page.identifier === "" ? "" : whoIsThis(language, page.identifier, page.startAgain)}
${alert(page.problem)}
<p>${t.lead}</p>
<p class="alert" data-without-passkeys>${t.unsupported}</p>
${passkeyForm(language, {
  kind: "get",
  action: "/login/passkey",
  options: `/login/passkey/options?flow=${page.hidden.flow}`,
  label: t.use,
  fields: hiddenInputs(page.hidden),
})}
${otherWays(language, page.others)}
${page.identifier === "" && !page.isSecond ? html`<p class="soft"><a href="${page.startAgain}">${language.texts.common.back}</a></p>` : ""}`;
}

/** The part of the profile that lists passkeys. */
export function profileSection(language: Language, rows: readonly PasskeyRow[]): Html {
  const t = language.texts.passkey;
  return html`<section aria-labelledby="passkeys"><h2 id="passkeys">${t.title}</h2>
<p class="soft">${t.profileLead}</p>
<ul class="plain">${rows.map((row) => passkeyRow(language, row))}</ul>
<p><a class="button plain" href="/profile/passkeys/add">${t.add}</a></p></section>`;
}

function passkeyRow({ texts, tag }: Language, row: PasskeyRow): Html {
  const t = texts.passkey;
  const date = new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeZone: "UTC" });
  const used = row.last_used_at === null ? t.neverUsed : t.lastUsed(date.format(row.last_used_at));
  return html`<li class="row"><div><strong>${row.name}</strong>
<span class="soft small">${t.created(date.format(row.created_at))} · ${used}</span></div>
<a class="button plain" href="/profile/passkeys/${row.id}" aria-label="${t.changeNamed(row.name)}">${t.change}</a></li>`;
}

export function addView(language: Language, session: BrowserSession, problem: string | undefined): Html {
  const { passkey: t, common } = language.texts;
  return html`<h1>${t.add}</h1>
<p>${t.addLead}</p>
${alert(problem)}
<p class="alert" data-without-passkeys>${t.unsupported}</p>
${passkeyForm(language, {
  kind: "create",
  action: "/profile/passkeys/add",
  options: "/profile/passkeys/options",
  label: t.create,
  fields: csrf(session),
})}
<p><a href="/profile">${common.back}</a></p>`;
}

export function changeView(
  language: Language,
  page: { session: BrowserSession; row: PasskeyRow; problem: string | undefined },
): Html {
  const { passkey: t, profile, common } = language.texts;
  const { row } = page;
  return html`<h1>${row.name}</h1>
${alert(page.problem)}
<form method="post" action="/profile/passkeys/${row.id}/name" class="inline">
${csrf(page.session)}
<label for="name">${t.name}
<input id="name" name="name" type="text" maxlength="60" value="${row.name}" required></label>
<button class="plain">${profile.save}</button>
</form>
<p class="soft">${t.removeLead}</p>
<form method="post" action="/profile/passkeys/${row.id}/remove">
${csrf(page.session)}
<div class="actions"><button class="danger">${t.remove}</button><a class="button plain" href="/profile">${common.back}</a></div>
</form>`;
}
