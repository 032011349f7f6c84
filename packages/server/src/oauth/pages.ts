import { html, raw } from "hono/html";
import type { KoaContextWithOIDC } from "oidc-provider";
import { currentRequest } from "../http/context.ts";
import { pickLanguage } from "../pages/languages/index.ts";
import { renderPage } from "../pages/layout.ts";
import { toRequest } from "./request.ts";

/** Writes a rendered page into the core's response. */
async function send(ctx: KoaContextWithOIDC, page: Promise<Response>): Promise<void> {
  const response = await page;
  ctx.status = response.status;
  for (const [name, value] of response.headers) ctx.set(name, value);
  ctx.body = await response.text();
}

/** What a person sees when an authorization request cannot go on and there is no safe way back to the app. */
export function errorPage(ctx: KoaContextWithOIDC, out: { error: string }): Promise<void> {
  const language = pickLanguage(toRequest(ctx));
  const { texts } = language;
  const expired = ctx.oidc?.route === "resume" || out.error === "session_not_found";
  const body = html`<h1>${expired ? texts.login.expiredTitle : texts.error.title}</h1>
<p>${expired ? texts.login.expired : texts.error.client}</p>
<p class="small soft"><code>${out.error}</code> · ${texts.error.reference(currentRequest()?.requestId ?? "-")}</p>`;
  return send(ctx, renderPage({ language, title: texts.error.title, body, status: ctx.status }));
}

/** Asks before logging out: a link alone must not end somebody's session. */
export function logoutPage(ctx: KoaContextWithOIDC, form: string): Promise<void> {
  const language = pickLanguage(toRequest(ctx));
  const { texts } = language;
  // Without a client nothing has checked the address, and nobody is sent to it.
  const target = ctx.oidc.client && ctx.oidc.params?.["post_logout_redirect_uri"];
  const body = html`<h1>${texts.logout.title}</h1>
<p>${texts.logout.question}</p>
${raw(form)}
<div class="actions">
<button form="op.logoutForm" name="logout" value="yes">${texts.logout.submit}</button>
<button class="plain" form="op.logoutForm">${texts.logout.stay}</button>
</div>`;
  const formTargets = typeof target === "string" ? [new URL(target).origin] : [];
  return send(ctx, renderPage({ language, title: texts.logout.title, body, formTargets }));
}

export function loggedOutPage(ctx: KoaContextWithOIDC): Promise<void> {
  const language = pickLanguage(toRequest(ctx));
  const { texts } = language;
  const body = html`<h1>${texts.logout.doneTitle}</h1><p>${texts.logout.done}</p>`;
  return send(ctx, renderPage({ language, title: texts.logout.doneTitle, body }));
}
