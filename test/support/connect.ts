import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { CALLBACK } from "./person.ts";
import { APP_URL, TEST_SECRET } from "./server.ts";
import type { UserAgent } from "./user-agent.ts";

/** Connects the sandbox calendar the way an app does: My Account API, browser, provider, confirmation, completion. */
export async function connectCalendar(
  issuer: string,
  agent: UserAgent,
  refreshToken: string,
  scopes: readonly string[] = ["calendar.read"],
): Promise<{ id: string; connection: string; scopes: string[] }> {
  const token = await myAccountToken(issuer, refreshToken);
  const verifier = randomBytes(32).toString("base64url");
  const started = await call(`${issuer}me/v1/connected-accounts/connect`, token, {
    connection: "calendar",
    redirect_uri: CALLBACK,
    state: "connect-state",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    scopes,
  });
  const address = `${started.connect_uri}?ticket=${encodeURIComponent(started.connect_params.ticket)}`;
  const stopAt = (target: string) => target.startsWith(APP_URL);
  const provider = await agent.open(address, { stopAt });
  const confirm = await agent.submit(provider, { decision: "allow" }, { stopAt });
  const back = await agent.submit(confirm, { decision: "confirm" }, { stopAt });
  const code = new URL(back.address).searchParams.get("connect_code");
  assert.ok(code, `no connect_code in ${back.address}: ${back.text.slice(0, 500)}`);
  return call(`${issuer}me/v1/connected-accounts/complete`, token, {
    auth_session: started.auth_session,
    connect_code: code,
    redirect_uri: CALLBACK,
    code_verifier: verifier,
  });
}

/** An access token for the My Account API, by refresh. */
export async function myAccountToken(issuer: string, refreshToken: string): Promise<string> {
  const response = await fetch(`${issuer}oauth/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: refreshToken,
      audience: `${issuer}me/`,
      scope: "create:me:connected_accounts read:me:connected_accounts delete:me:connected_accounts",
      client_id: "assistant",
      client_secret: TEST_SECRET,
    }),
  });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body.access_token;
}

async function call(url: string, token: string, body: object) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  assert.equal(response.status, 201, JSON.stringify(answer));
  return answer;
}
