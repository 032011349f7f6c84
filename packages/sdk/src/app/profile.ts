import { BehalfError } from "../errors.ts";
import { rfc3339 } from "../time.ts";
import type { AnswerHeaders } from "./answer.ts";
import type { AppEnvironment } from "./environment.ts";
import { json } from "./responses.ts";
import { accessTokenOf } from "./tokens.ts";

/** `GET /auth/profile`: who is logged in, for scripts in the browser; 401 when nobody is. */
export async function profile(
  env: AppEnvironment,
  request: Request,
  answer: AnswerHeaders,
): Promise<Response> {
  const session = await env.sessions.open(request, answer);
  return session ? json(200, session.record.claims) : loginRequired();
}

/**
 * `GET /auth/access-token?audience&scope`: an access token for scripts in the browser, for the audiences that
 * the app allows: a script that was smuggled into a page could ask too.
 */
export async function accessToken(
  env: AppEnvironment,
  request: Request,
  answer: AnswerHeaders,
): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const [audience, scope] = [query.get("audience") ?? env.audience, query.get("scope")];
  if (!audience || !env.browserAudiences.includes(audience)) {
    const message = "This app gives no access token of this audience to the browser.";
    return json(403, { code: "session.audience_not_allowed", message });
  }
  const session = await env.sessions.open(request, answer);
  try {
    const token = await accessTokenOf(env, session, { audience, ...(scope ? { scope } : {}) }, answer);
    return json(200, { accessToken: token.accessToken, expiresAt: rfc3339(token.expiresAtMs) });
  } catch (error) {
    if (!BehalfError.is(error)) throw error;
    const status = error.retryable ? 503 : (error.status ?? 400);
    return json(status, { code: error.code, message: error.message });
  }
}

export function loginRequired(): Response {
  return json(401, { code: "session.login_required", message: "Log in to go on." });
}
