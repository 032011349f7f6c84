import type { JsonObject } from "../http.ts";
import { NO_STORE } from "./answer.ts";

/** Every answer of the session routes: personal, hence never cached, and without a referrer to leak codes. */
const HEADERS = {
  "cache-control": NO_STORE,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
const PAGE_HEADERS = {
  ...HEADERS,
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
};

export function redirect(location: string, cookies: readonly string[] = []): Response {
  return withCookies(new Response(null, { status: 303, headers: { ...HEADERS, location } }), cookies);
}

/** A page of one sentence and the code of the error. */
export function failure(
  status: number,
  sentence: string,
  code: string,
  cookies: readonly string[] = [],
): Response {
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeHtml(sentence)}</title>
<p>${escapeHtml(sentence)} (${escapeHtml(code)})</p><p><a href="/auth/login">Log in</a></p></html>`;
  return withCookies(new Response(body, { status, headers: PAGE_HEADERS }), cookies);
}

/** A page with one button, which sends an empty form of this app's own. */
export function confirmation(question: string, action: string): Response {
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeHtml(question)}</title>
<form method="post" action="${escapeHtml(action)}"><p>${escapeHtml(question)}</p><button>Log out</button></form></html>`;
  // Without a referrer policy of its own the browser would not say whose form it is.
  return new Response(body, { headers: { ...PAGE_HEADERS, "referrer-policy": "same-origin" } });
}

/** An answer for scripts. */
export function json(status: number, body: JsonObject): Response {
  return Response.json(body, { status, headers: HEADERS });
}

function withCookies(response: Response, cookies: readonly string[]): Response {
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
