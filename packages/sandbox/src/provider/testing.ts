import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { challengeOf, newSecret } from "../support/secrets.ts";
import type { Client } from "./clients.ts";
import { type ProviderOptions, type RunningProvider, startProvider } from "./provider.ts";

export const REDIRECT_URI = "http://127.0.0.1:9/callback?tenant=1";

/** A confidential client, another one, and a public one. */
export const CLIENTS: readonly Client[] = [
  { clientId: "app", clientSecret: "app secret", redirectUris: [REDIRECT_URI], name: "The <b>App</b>" },
  { clientId: "other", clientSecret: "other-secret", redirectUris: [REDIRECT_URI] },
  { clientId: "public", clientSecret: null, redirectUris: [REDIRECT_URI] },
];

/** A provider for one test, closed after it. */
export async function provider(
  t: TestContext,
  options: Partial<ProviderOptions> = {},
): Promise<RunningProvider> {
  const started = await startProvider({ clients: CLIENTS, ...options });
  t.after(() => started.close());
  return started;
}

/** A folder for one test, removed after it. */
export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "behalf-sandbox-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A clock that stands still until it is moved. */
export function movableClock(start = Date.parse("2026-05-04T10:00:00Z")) {
  let now = start;
  return { clock: () => now, move: (ms: number) => (now += ms) };
}

export type Pkce = { verifier: string; challenge: string };

export function pkce(): Pkce {
  const verifier = newSecret("");
  return { verifier, challenge: challengeOf(verifier) };
}

type Overrides = Record<string, string | undefined>;

/** Opens the account page; what is undefined in `overrides` is left out. */
export function openPage(at: RunningProvider, overrides: Overrides = {}): Promise<Response> {
  const query = present({
    client_id: "app",
    redirect_uri: REDIRECT_URI,
    response_type: "code",
    scope: "calendar.read calendar.write offline_access",
    state: "the state",
    ...overrides,
  });
  return fetch(`${at.url}/authorize?${query}`, { redirect: "manual" });
}

/** Presses a button of a page that `openPage` answered. */
export async function answerPage(
  at: RunningProvider,
  page: string,
  answer: Overrides = {},
): Promise<Response> {
  const question = /name="question" value="([^"]+)"/.exec(page)?.[1];
  const form = present({ question, account: "acc_personal", decision: "allow", ...answer });
  return fetch(`${at.url}/authorize/decision`, { method: "POST", body: form, redirect: "manual" });
}

/** Allows the request; answers the code that comes back. */
export async function getCode(at: RunningProvider, overrides: Overrides = {}, account = "acc_personal") {
  const page = await (await openPage(at, overrides)).text();
  const answer = await answerPage(at, page, { account });
  const code = new URL(answer.headers.get("location") ?? "about:blank").searchParams.get("code");
  if (code === null) throw new Error(`no code came back: ${answer.status} ${await answer.text()}`);
  return code;
}

/** A request to `/token` or `/revoke` as the client `app`, unless the form or the headers say otherwise. */
export function post(
  at: RunningProvider,
  path: string,
  form: Overrides,
  headers: Record<string, string> = {},
) {
  const who = "authorization" in headers ? {} : { client_id: "app", client_secret: "app secret" };
  return fetch(`${at.url}${path}`, {
    method: "POST",
    body: present({ ...who, ...form }),
    headers,
    redirect: "manual",
  });
}

export const redeem = (at: RunningProvider, code: string, form: Overrides = {}) =>
  post(at, "/token", { grant_type: "authorization_code", code, redirect_uri: REDIRECT_URI, ...form });

export const refresh = (at: RunningProvider, refreshToken: string, form: Overrides = {}) =>
  post(at, "/token", { grant_type: "refresh_token", refresh_token: refreshToken, ...form });

export type Tokens = { access_token: string; refresh_token: string; scope: string; expires_in: number };

/** The whole way from page to tokens. */
export async function connect(
  at: RunningProvider,
  overrides: Overrides = {},
  account?: string,
): Promise<Tokens> {
  return tokensOf(await redeem(at, await getCode(at, overrides, account)));
}

/** The tokens of a successful answer. */
export async function tokensOf(response: Response): Promise<Tokens> {
  if (response.status !== 200) throw new Error(`no tokens: ${response.status} ${await response.text()}`);
  // Written by the provider under test; the tests look at each member.
  return (await response.json()) as Tokens;
}

/** Status and error code of a refused request. */
export async function refusalOf(response: Response): Promise<{ status: number; error: unknown }> {
  // As above.
  const { error } = (await response.json()) as { error?: unknown };
  return { status: response.status, error };
}

export function callApi(at: RunningProvider, path: string, accessToken: string, init: RequestInit = {}) {
  return fetch(`${at.url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${accessToken}`, ...init.headers },
  });
}

function present(values: Overrides): URLSearchParams {
  const sent = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return new URLSearchParams(sent);
}
