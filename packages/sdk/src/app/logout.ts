import type { AppEnvironment } from "./environment.ts";
import { clearSessionCookie, openSession, type SessionRecord } from "./records.ts";
import { redirect } from "./responses.ts";

/**
 * `/auth/logout`: ends the session here, its refresh token, and the login at the server, which sends the
 * browser back to `appBaseUrl`: the one address that has to be registered for that.
 * @see OpenID Connect RP-Initiated Logout 1.0 sections 2 and 3
 */
export async function logout(env: AppEnvironment, request: Request): Promise<Response> {
  const session = await openSession(env, request);
  const cookies = [clearSessionCookie(env)];
  await session?.slot.remove(); // first: whatever the server does, this session is over
  if (!session) return redirect(env.appBaseUrl, cookies);
  await revoke(env, session.record);
  return redirect(await endSessionUrl(env, session.record), cookies);
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
