import { Hono } from "hono";
import { html } from "hono/html";
import { ApiError } from "../http/errors.ts";
import { readText } from "../http/limits.ts";
import type { BrowserSession, BrowserSessions } from "../login/index.ts";
import { type Language, pickLanguage } from "../pages/languages/index.ts";
import { type Html, renderPage } from "../pages/layout.ts";
import { alert, problemWith } from "../pages/problem.ts";
import type { DeviceFlow, DeviceRequest } from "./device.ts";

/** The forms have three short fields. */
const MAX_FORM_BYTES = 4 * 1024;

/**
 * Where a person logs a device in: `/device`. They enter its code, or follow a link that has it, and always confirm.
 * @see RFC 8628 section 3.3
 */
export function deviceRoutes(deps: { device: DeviceFlow; sessions: BrowserSessions }): Hono {
  const { device, sessions } = deps;
  const app = new Hono();

  app.get("/device", async ({ req }) => {
    const code = req.query("user_code") ?? "";
    const session = await sessions.current(req.raw);
    if (!session)
      return seeOther(
        sessions.loginAddress(code ? `/device?user_code=${encodeURIComponent(code)}` : "/device"),
      );
    return code ? openCode(req.raw, session, code) : enterPage(pickLanguage(req.raw), session, {});
  });

  app.post("/device", async ({ req }) => {
    const session = await sessions.current(req.raw);
    if (!session) return seeOther(sessions.loginAddress("/device"));
    const form = await readForm(req.raw, session);
    if (!form) return forged(pickLanguage(req.raw));
    return openCode(req.raw, session, String(form.get("user_code") ?? ""));
  });

  app.post("/device/answer", async ({ req }) => {
    const language = pickLanguage(req.raw);
    const t = language.texts.device;
    const session = await sessions.current(req.raw);
    if (!session) return seeOther(sessions.loginAddress("/device"));
    const form = await readForm(req.raw, session);
    if (!form) return forged(language);
    const decision = form.get("decision");
    if (decision !== "allow" && decision !== "deny") return forged(language);
    const decided = await device.decide(String(form.get("user_code") ?? ""), session, decision === "allow");
    if (!decided) return message(language, t.goneTitle, t.gone, 400);
    return decision === "allow"
      ? message(language, t.allowedTitle, t.allowed)
      : message(language, t.deniedTitle, t.denied);
  });

  async function openCode(request: Request, session: BrowserSession, code: string): Promise<Response> {
    const language = pickLanguage(request);
    const result = await device.open(code, session);
    if (result.outcome === "found") return confirmPage(language, session, result.request);
    if (result.outcome === "no_organization") {
      const { refusedTitle, refused } = language.texts.organization;
      return message(language, refusedTitle, refused(result.client.name), 403);
    }
    const { wrong, tooMany } = language.texts.device;
    return result.outcome === "too_many"
      ? enterPage(language, session, { problem: tooMany, status: 429 })
      : enterPage(language, session, { problem: wrong, status: 400 });
  }

  /** The fields of a form of this session; `undefined` for one of somebody else's making. */
  async function readForm(request: Request, session: BrowserSession): Promise<FormData | undefined> {
    if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(request.headers.get("content-type") ?? ""))
      return undefined;
    const form = new FormData();
    try {
      for (const [name, value] of new URLSearchParams(await readText(request, MAX_FORM_BYTES))) {
        if (form.has(name)) return undefined;
        form.append(name, value);
      }
      sessions.checkForm(request, session, form);
      return form;
    } catch (error) {
      if (ApiError.is(error)) return undefined;
      throw error;
    }
  }

  return app;
}

function enterPage(
  language: Language,
  session: BrowserSession,
  options: { problem?: string; status?: number },
): Promise<Response> {
  const { texts } = language;
  const t = texts.device;
  const body = html`<h1>${t.title}</h1>
<p class="soft">${texts.common.signedInAs(session.email)}</p>
${alert(options.problem)}
<p>${t.lead}</p>
<form method="post" action="/device">
<input type="hidden" name="csrf" value="${session.csrf}">
<label for="user_code">${t.code}
<input id="user_code" name="user_code" type="text" autocomplete="off" autocapitalize="characters" spellcheck="false" required maxlength="20" autofocus ${problemWith(options.problem)}></label>
<div class="actions"><button>${t.next}</button></div>
</form>`;
  const { problem, status = 200 } = options;
  return renderPage({ language, title: t.title, problem, body, status, self: "/device" });
}

function confirmPage(language: Language, session: BrowserSession, request: DeviceRequest): Promise<Response> {
  const { texts } = language;
  const t = texts.device;
  const { client, api } = request;
  const title = t.confirmTitle(client.name);
  const body = html`<h1>${title}</h1>
<p class="soft">${texts.common.signedInAs(session.email)}</p>
${request.organization ? html`<p><strong>${request.organization.displayName}</strong></p>` : ""}
${client.agent ? html`<p>${client.agent.purpose}<br><span class="soft small">${texts.consent.runBy(client.agent.owner)}</span></p>` : ""}
<p>${t.check} <strong><code>${request.userCode}</code></strong></p>
<p>${t.asks(client.name)}</p>
<ul class="checks">${request.oidcScopes.map((scope) => html`<li>${texts.consent.scopes[scope] ?? scope}</li>`)}
${api?.scopes.map((scope) => html`<li>${scope.title} <span class="soft small">${api.name}</span></li>`) ?? ""}</ul>
<p class="alert">${t.warning(client.name)}</p>
<form method="post" action="/device/answer">
<input type="hidden" name="csrf" value="${session.csrf}">
<input type="hidden" name="user_code" value="${request.userCode}">
<div class="actions">
<button name="decision" value="allow">${t.allow}</button>
<button class="plain" name="decision" value="deny">${t.deny}</button>
</div>
</form>`;
  return renderPage({ language, title, body });
}

function message(language: Language, title: string, text: string, status = 200): Promise<Response> {
  const body: Html = html`<h1>${title}</h1><p>${text}</p>`;
  return renderPage({ language, title, body, status });
}

function forged(language: Language): Promise<Response> {
  const { title, forbidden } = language.texts.error;
  return message(language, title, forbidden, 403);
}

const seeOther = (location: string) =>
  new Response(null, { status: 303, headers: { location, "cache-control": "no-store" } });
