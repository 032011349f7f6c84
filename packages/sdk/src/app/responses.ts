/** Every answer of the session routes: personal, hence never cached, and without a referrer to leak codes. */
const HEADERS = {
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
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
  const headers = {
    ...HEADERS,
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'",
  };
  return withCookies(new Response(body, { status, headers }), cookies);
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
