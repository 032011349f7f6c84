import { html } from "hono/html";
import type { ApiConfig } from "../config.ts";
import type { BrowserSession } from "../login/index.ts";
import type { Client } from "../oauth/index.ts";
import type { Language } from "../pages/languages/index.ts";
import { type Html, renderPage } from "../pages/layout.ts";
import { alert } from "../pages/problem.ts";
import type { Approval } from "./index.ts";
import { type DetailTitles, renderDetail } from "./render.ts";
import type { StoredApproval } from "./store.ts";
import { duration, pointInTime } from "./time.ts";
import { visible, visibleShort, visibleText } from "./visible.ts";

/** What every page of the slice is made with. */
export interface PageContext {
  readonly language: Language;
  readonly session: BrowserSession;
  readonly now: number;
  /** Address of the page, for the language links. */
  readonly self: string;
  /** Adds the chosen language to a path of ours. */
  readonly link: (path: string) => string;
}

/** An approval with what is known of the agent and the API. */
export interface Shown {
  readonly approval: StoredApproval;
  readonly client: Client | undefined;
  readonly api: ApiConfig | undefined;
}

/** Digits of the digest that a person can compare with what the agent's host shows: 64 bits. */
const REFERENCE_DIGITS = 16;

type State = "pending" | "approved" | "denied" | "redeemed" | "expired";

function stateOf(approval: Approval, now: number): State {
  return approval.status === "pending" && approval.expiresAt <= now ? "expired" : approval.status;
}

/** What the pages of the slice share around their content. */
function frame({ language, self }: PageContext) {
  return { language, self, wide: true, account: { current: "approvals" as const } };
}

/** The inbox: what waits first, earlier requests below. */
export function inboxPage(page: PageContext, pending: readonly Shown[], settled: readonly Shown[]) {
  const { texts } = page.language;
  const t = texts.approvals;
  const waiting = html`<h2>${t.waiting}</h2><ul class="plain">${pending.map((shown) => pendingItem(page, shown))}</ul>`;
  const nothing = html`<p><strong>${t.emptyTitle}</strong></p><p class="soft">${t.empty}</p>`;
  const earlier = html`<h2>${t.recent}</h2><ul class="plain">${settled.map((shown) => settledItem(page, shown))}</ul>`;
  const body = html`<h1>${t.title}</h1><p class="soft">${t.lead}</p>
${pending.length > 0 ? waiting : nothing}
${settled.length > 0 ? earlier : ""}
<p class="soft small">${texts.common.signedInAs(page.session.email)}</p>`;
  return renderPage({ ...frame(page), title: t.title, body });
}

function pendingItem(page: PageContext, shown: Shown): Html {
  const t = page.language.texts.approvals;
  const { approval } = shown;
  const left = t.validFor(duration(approval.expiresAt - page.now, page.language.tag));
  const label = `${t.review}: ${visibleText(agentTitle(shown))}`;
  return html`<li><strong>${agentName(shown)}</strong><br>${summaryOf(page, shown)}<br>
<span class="soft small">${t.valid} ${left}</span>
<div class="actions"><a class="button plain" aria-label="${label}" href="${page.link(`/approvals/${approval.id}`)}">${t.review}</a></div></li>`;
}

function settledItem(page: PageContext, shown: Shown): Html {
  const { approval } = shown;
  const state = stateOf(approval, page.now);
  const label = state === "pending" ? "" : page.language.texts.approvals.short[state];
  const point = pointInTime(approval.answeredAt ?? approval.expiresAt, page.language.tag);
  return html`<li><a href="${page.link(`/approvals/${approval.id}`)}">${agentName(shown)}: ${summaryOf(page, shown)}</a><br>
<span class="soft small">${label} · ${point}</span></li>`;
}

/** What is asked, in one line: the kinds of action as fact; without any, where the agent would act. */
function summaryOf(page: PageContext, { approval, api }: Shown): Html {
  const t = page.language.texts.approvals;
  const kinds = approval.details.map((detail) => {
    if (detail.type !== "tool_call") return html`${visible(titleOfType(detail.type, api))}`;
    return html`${t.toolCall} <code>${visible(String(detail["tool"]))}</code>`;
  });
  if (kinds.length > 0) return html`${kinds.map((kind, i) => html`${i > 0 ? ", " : ""}${kind}`)}`;
  return html`${t.api}: ${apiName(page.language, approval, api)}`;
}

function titleOfType(type: string, api: ApiConfig | undefined): string {
  const types = api?.detailTypes ?? {};
  return Object.hasOwn(types, type) ? (types[type]?.title ?? type) : type;
}

/** One request with everything that is known of it, and the two answers while it waits. */
export function approvalPage(
  page: PageContext,
  shown: Shown,
  problem?: { readonly message: string; readonly status: number },
) {
  const { language } = page;
  const t = language.texts.approvals;
  const titles: DetailTitles = shown.api?.detailTypes ?? {};
  const { approval } = shown;
  const body = html`<h1>${question(language, shown)}</h1>
${alert(problem?.message)}
${stateNotice(page, shown)}
<h2>${t.action}</h2>
${approval.details.length > 0 ? approval.details.map((detail) => renderDetail(detail, language, titles)) : html`<p>${t.noDetails}</p>`}
${quotation(page, approval)}
${facts(page, shown)}
${answerForm(page, shown)}
<p class="small"><a href="${page.link("/approvals")}">${t.all}</a></p>
<p class="soft small">${language.texts.common.signedInAs(page.session.email)}</p>`;
  const title = visibleText(t.asks(agentTitle(shown)));
  return renderPage({
    ...frame(page),
    title,
    problem: problem?.message,
    body,
    status: problem?.status ?? 200,
  });
}

/** The sentence of the language with the agent's name isolated in it. */
function question({ texts }: Language, shown: Shown): Html {
  const [before = "", after = ""] = texts.approvals.asks("\n").split("\n");
  return html`${before}${agentName(shown)}${after}`;
}

function agentTitle({ approval, client }: Shown): string {
  return client?.name ?? approval.clientId;
}

function agentName(shown: Shown): Html {
  return visible(agentTitle(shown), { oneLine: true });
}

function stateNotice(page: PageContext, { approval, client }: Shown): Html {
  const t = page.language.texts.approvals;
  const state = stateOf(approval, page.now);
  const answered =
    approval.answeredAt === undefined
      ? ""
      : html` ${t.answeredOn(pointInTime(approval.answeredAt, page.language.tag))}`;
  if (state === "approved" || state === "redeemed")
    return html`<p class="notice" role="status">${t.states[state]}${answered}</p>`;
  if (state !== "pending") return html`<p class="alert" role="status">${t.states[state]}${answered}</p>`;
  if (!approval.intact) return html`<p class="alert" role="alert">${t.changed}</p>`;
  if (!client) return html`<p class="alert" role="alert">${t.unknownAgent}</p>`;
  if (client.disabledAt !== undefined) return html`<p class="alert" role="alert">${t.switchedOff}</p>`;
  return html``;
}

function facts(page: PageContext, shown: Shown): Html {
  const { language } = page;
  const t = language.texts.approvals;
  const { approval, client, api } = shown;
  const left = approval.expiresAt - page.now;
  const until = t.validUntil(pointInTime(approval.expiresAt, language.tag));
  const validity = left > 0 ? html`${t.validFor(duration(left, language.tag))} (${until})` : html`${until}`;
  const agent = client?.agent;
  return html`<dl class="facts">
<dt>${t.agent}</dt><dd>${agentName(shown)}</dd>
${agent ? html`<dt>${t.owner}</dt><dd>${visible(agent.owner)}</dd><dt>${t.purpose}</dt><dd>${visibleShort(agent.purpose, language.texts)}</dd>` : ""}
${client?.source === "runtime" ? html`<dt></dt><dd>${t.unverified}</dd>` : ""}
<dt>${t.api}</dt><dd>${apiName(language, approval, api)}</dd>
<dt>${t.may}</dt><dd>${approval.scopes.map((scope) => html`<div>${scopeText(language, scope, api)}</div>`)}</dd>
${approval.answeredAt === undefined ? html`<dt>${t.valid}</dt><dd><time datetime="${new Date(approval.expiresAt).toISOString()}">${validity}</time></dd>` : ""}
<dt>${t.reference}</dt><dd><code>${approval.digest.slice(0, REFERENCE_DIGITS)}</code></dd>
</dl>`;
}

function apiName({ texts }: Language, approval: Approval, api: ApiConfig | undefined): Html {
  if (api) return visible(api.name);
  return approval.audience === undefined ? html`${texts.approvals.noApi}` : visible(approval.audience);
}

/** The API's own words for a scope, ours for the scopes of OpenID Connect, else the bare name. */
function scopeText({ texts }: Language, scope: string, api: ApiConfig | undefined): Html {
  const scopes = { ...texts.consent.scopes, ...api?.scopes };
  const words = Object.hasOwn(scopes, scope) ? scopes[scope] : undefined;
  return words === undefined ? html`<code>${visible(scope)}</code>` : visible(words);
}

function quotation(page: PageContext, approval: Approval): Html {
  const t = page.language.texts.approvals;
  if (approval.bindingMessage === undefined) return html``;
  return html`<h2>${t.quote}</h2><blockquote><q>${visibleShort(approval.bindingMessage, page.language.texts)}</q></blockquote>
<p class="soft small">${t.quoteHint}</p>`;
}

/**
 * Two buttons of one look and size, no default: the form has no field, so the Enter key sends nothing before
 * one of them is chosen.
 */
function answerForm(page: PageContext, { approval, client }: Shown): Html {
  if (stateOf(approval, page.now) !== "pending") return html``;
  const t = page.language.texts.approvals;
  const approvable = approval.intact && client !== undefined && client.disabledAt === undefined;
  return html`<form method="post" action="${page.link(`/approvals/${approval.id}`)}">
<input type="hidden" name="csrf" value="${page.session.csrf}">
<input type="hidden" name="digest" value="${approval.digest}">
<p class="soft small">${t.once}</p>
<div class="actions"><button class="deny" name="decision" value="deny">${t.deny}</button>${approvable ? html`<button name="decision" value="approve">${t.approve}</button>` : ""}</div>
</form>`;
}

/** The same for a missing approval and for another user's. */
export function missingPage(language: Language) {
  const { error } = language.texts;
  const body = html`<h1>${error.title}</h1><p>${error.notFound}</p>`;
  return renderPage({ language, title: error.title, body, status: 404 });
}

/** A form that was not sent from our page, or cannot be read. */
export function refusedPage(language: Language, status: number, message: string) {
  const { error } = language.texts;
  const body = html`<h1>${error.title}</h1><p class="alert" role="alert">${message}</p>`;
  return renderPage({ language, title: error.title, body, status });
}
