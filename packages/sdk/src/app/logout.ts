import type { AppEnvironment } from "./environment.ts";
import { confirmation, failure, redirect } from "./responses.ts";
import type { SessionRecord } from "./session-record.ts";

/**
 * `/auth/logout`: ends the session here, its refresh token, and the login at the server, which sends the
 * browser back to `appBaseUrl`: the one address that has to be registered for that. Another site can only
 * make the browser ask the user.
 * @see OpenID Connect RP-Initiated Logout 1.0 sections 2 and 3
 */
export async function logout(env: AppEnvironment, request: Request): Promise<Response> {
  if (request.method === "POST" && !isOwn(env, request)) {
    return failure(403, "This logout came from another site.", "session.cross_site");
  }
  if (request.method === "GET" && isOfOthers(request)) return confirmation("Log out?", "/auth/logout");
  const session = await env.sessions.open(request);
  const cookies = env.sessions.clear(request);
  if (!session) return redirect(env.appBaseUrl, cookies);
  await env.sessions.end(session); // first: whatever the server does, this session is over
  await revoke(env, session.record);
  return redirect(await endSessionUrl(env, session.record), cookies);
}

/** A page of this app sent the form: browsers say so in one of these headers, and no page can change them. */
function isOwn({ appOrigin }: AppEnvironment, request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  return site === null ? request.headers.get("origin") === appOrigin : site === "same-origin";
}

/** Links of other sites, and whatever else they make the browser load. Typed addresses are `none`. */
function isOfOthers(request: Request): boolean {
  return ["cross-site", "same-site"].includes(request.headers.get("sec-fetch-site") ?? "");
}

/** RFC 7009. A server that cannot be reached must not keep anybody logged in. */
async function revoke({ behalf }: AppEnvironment, { refreshToken }: SessionRecord): Promise<void> {
  if (!refreshToken) return;
  const { oauth } = behalf.runtime;
  try {
    const { revocationEndpoint } = await oauth.metadata();
    if (revocationEndpoint) {
      await oauth.post(revocationEndpoint, { token: refreshToken, token_type_hint: "refresh_token" });
    }
  } catch {
    // The token ends with the login at the server, where the browser goes next.
  }
}

async function endSessionUrl(
  { behalf, appBaseUrl }: AppEnvironment,
  { idToken, serverSessionId }: SessionRecord,
): Promise<string> {
  const { oauth, config } = behalf.runtime;
  const metadata = await oauth.metadata().catch(() => undefined); // see `revoke`
  if (!metadata?.endSessionEndpoint) return appBaseUrl;
  const url = new URL(metadata.endSessionEndpoint);
  url.searchParams.set("client_id", config.clientId);
  url.searchParams.set("id_token_hint", idToken);
  if (serverSessionId) url.searchParams.set("logout_hint", serverSessionId);
  url.searchParams.set("post_logout_redirect_uri", appBaseUrl);
  return url.href;
}
