import assert from "node:assert/strict";
import * as client from "openid-client";
import { APP_URL, TEST_SECRET } from "./server.ts";
import { createUserAgent, type Page, type UserAgent } from "./user-agent.ts";

export const PASSWORD = "correct horse battery staple";
export const CALLBACK = `${APP_URL}/auth/callback`;

/** A person with a browser and an account at the server. */
export interface Person {
  readonly agent: UserAgent;
  readonly email: string;
  readonly userId: string;
}

let people = 0;

/** Signs a new person up. The address is unique in this process. */
export async function signUp(
  issuer: string,
  email = `person-${++people}@example.com`,
  agent = createUserAgent(),
): Promise<Person> {
  const form = await agent.open(`${issuer}signup`);
  const page = await agent.submit(form, { name: "Test Person", email, password: PASSWORD });
  assert.equal(page.status, 200, `sign-up failed: ${page.text.slice(0, 300)}`);
  const tokens = await logIn(issuer, agent, { scope: "openid" });
  return { agent, email, userId: tokens.claims()?.sub ?? "" };
}

/** A relying party of the test server. */
export function relyingParty(issuer: string, id = "assistant", secret: string | null = TEST_SECRET) {
  const auth = secret === null ? client.None() : client.ClientSecretPost(secret);
  return client.discovery(new URL(issuer), id, undefined, auth, { execute: [client.allowInsecureRequests] });
}

/** One run through `/authorize`, up to the redirect to the app or the page that stands in between. */
export async function authorize(
  party: client.Configuration,
  agent: UserAgent,
  params: Record<string, string> = {},
): Promise<{ page: Page; verifier: string }> {
  const verifier = client.randomPKCECodeVerifier();
  const address = client.buildAuthorizationUrl(party, {
    redirect_uri: CALLBACK,
    scope: "openid profile email offline_access",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state: "the-state",
    nonce: "the-nonce",
    ...params,
  });
  const page = await agent.open(address.href, { stopAt: (target) => target.startsWith(APP_URL) });
  return { page, verifier };
}

/** Redeems the code of a callback address. */
export function redeem(party: client.Configuration, callback: string, verifier: string) {
  return client.authorizationCodeGrant(party, new URL(callback), {
    pkceCodeVerifier: verifier,
    expectedState: "the-state",
    expectedNonce: "the-nonce",
  });
}

/** Tokens for somebody whose browser is logged in. */
export async function logIn(
  issuer: string,
  agent: UserAgent,
  params: Record<string, string> = {},
  id = "assistant",
) {
  const party = await relyingParty(issuer, id);
  let { page, verifier } = await authorize(party, agent, params);
  if (page.status !== 0)
    page = await agent.submit(
      page,
      { decision: "allow" },
      { stopAt: (target) => target.startsWith(APP_URL) },
    );
  return redeem(party, page.address, verifier);
}

/** One request to the token endpoint, as a form. */
export function tokenRequest(issuer: string, params: Record<string, string>): Promise<Response> {
  return fetch(`${issuer}oauth/token`, { method: "POST", body: new URLSearchParams(params) });
}
