import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { type RunningProvider, startProvider } from "@behalf/sandbox";
import { type Person, tokenRequest } from "./person.ts";
import { APP_URL, freePort, startTestServer, TEST_SECRET, type TestServer, testConfig } from "./server.ts";
import type { Page, UserAgent } from "./user-agent.ts";

/** The application's page that a person comes back to from connecting; registered for `assistant`. */
export const CONNECT_CALLBACK = `${APP_URL}/auth/callback`;
const VAULT_GRANT = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
const VAULT_TOKEN_TYPE = "http://auth0.com/oauth/token-type/federated-connection-access-token";

/** A connection as in the configuration file. */
export type ConnectionEntry = Record<string, unknown> & { readonly name: string };

/** A server with connections to third parties, and how each of its agents may use them. */
export interface VaultServerOptions {
  /** Default: one in memory. */
  readonly storage?: string;
  readonly clock?: { now(): number };
  /** Files of a certificate for `localhost`; with them the server and its issuer are https. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Issuer of a server that runs already on the same database: this one joins it, on a port of its own. */
  readonly issuer?: string;
  /** The connections; `callback` is the address that is to be registered at each provider. */
  connect(callback: string): Promise<readonly ConnectionEntry[]> | readonly ConnectionEntry[];
  /** Client id, connection, scopes that the client may have of it. */
  readonly policies: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  /** Client secrets that connections refer to with `{ env }`. */
  readonly env?: Record<string, string>;
  /** A last word about the configuration. */
  readonly change?: (config: ReturnType<typeof testConfig>) => void;
}

/** Starts the server on a port that the providers can be told before. */
export async function startVaultServer(options: VaultServerOptions): Promise<TestServer> {
  const port = await freePort();
  const issuer = options.issuer ?? `${options.tls ? "https" : "http"}://localhost:${port}/`;
  const connections = await options.connect(`${issuer}login/callback`);
  const change = (config: ReturnType<typeof testConfig>) => {
    Object.assign(config, testConfig(port), { issuer, connections });
    config["storage"] = options.storage ?? "sqlite::memory:";
    config["listen"] = { host: "127.0.0.1", port, ...(options.tls ? { tls: options.tls } : {}) };
    config["egress"] = { allow: [...new Set(connections.flatMap(hostsOf))] };
    for (const client of config["clients"] as { id: string; agent?: Record<string, unknown> }[])
      if (client.agent) client.agent["connections"] = policyOf(options.policies[client.id] ?? {});
    options.change?.(config);
  };
  return startTestServer(change, {
    ...(options.clock ? { clock: options.clock } : {}),
    ...(options.env ? { env: options.env } : {}),
  });
}

function hostsOf(connection: ConnectionEntry): string[] {
  return ["tokenEndpoint", "revocationEndpoint", "userinfoEndpoint"]
    .map((field) => connection[field])
    .filter((address) => typeof address === "string")
    .map((address) => new URL(address).host);
}

function policyOf(connections: Readonly<Record<string, readonly string[]>>) {
  return Object.fromEntries(Object.entries(connections).map(([name, scopes]) => [name, { scopes }]));
}

/** The sandbox calendar, and the connection entry that goes with it. */
export interface CalendarProvider {
  readonly provider: RunningProvider;
  readonly connection: ConnectionEntry;
  /** For `env` of the server: the secret that the connection refers to. */
  readonly env: Record<string, string>;
}

/** Starts a sandbox provider whose only client is the server at `callback`. */
export async function startCalendar(
  callback: string,
  options: { clock?: () => number; secret?: string } = {},
): Promise<CalendarProvider> {
  const clientSecret = options.secret ?? randomBytes(32).toString("base64url");
  const provider = await startProvider({
    clients: [{ clientId: "behalf", clientSecret, redirectUris: [callback] }],
    ...(options.clock ? { clock: options.clock } : {}),
  });
  return {
    provider,
    env: { CALENDAR_SECRET: clientSecret },
    connection: {
      name: "calendar",
      displayName: "Sandbox Calendar",
      authorizationEndpoint: `${provider.url}/authorize`,
      tokenEndpoint: `${provider.url}/token`,
      revocationEndpoint: `${provider.url}/revoke`,
      userinfoEndpoint: `${provider.url}/userinfo`,
      issuer: provider.issuer,
      clientId: "behalf",
      clientSecret: { env: "CALENDAR_SECRET" },
      scopes: {
        "calendar.read": "See your events",
        "calendar.write": "Add events",
        email: "See your e-mail address",
      },
      authorizationParams: { access_type: "offline" },
      rotation: "strict",
      narrowing: "keeps_grant",
    },
  };
}

/** An access token for the My Account API, from a refresh token (`auth0-wire` 3.1). */
export async function accountToken(issuer: string, refreshToken: string): Promise<string> {
  const response = await tokenRequest(issuer, {
    grant_type: "refresh_token",
    refresh_token: refreshToken,
    audience: `${issuer}me/`,
    scope: ["create", "read", "delete"].map((verb) => `${verb}:me:connected_accounts`).join(" "),
    client_id: "assistant",
    client_secret: TEST_SECRET,
  });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body.access_token;
}

/** One request to the My Account API. `body` is sent as JSON. */
export function callAccounts(
  issuer: string,
  token: string,
  request: { method?: string; path: string; body?: unknown },
): Promise<Response> {
  return fetch(`${issuer}me/v1/connected-accounts${request.path}`, {
    method: request.method ?? (request.body === undefined ? "GET" : "POST"),
    headers: {
      authorization: `Bearer ${token}`,
      ...(request.body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
  });
}

/** A connection that an application has started for a person. */
export interface StartedConnect {
  readonly token: string;
  readonly authSession: string;
  /** The link that the application sends the browser to. */
  readonly link: string;
  readonly verifier: string;
}

export async function startConnect(
  issuer: string,
  refreshToken: string,
  request: { connection: string; scopes: readonly string[] },
): Promise<StartedConnect> {
  const token = await accountToken(issuer, refreshToken);
  const verifier = randomBytes(32).toString("base64url");
  const response = await callAccounts(issuer, token, {
    path: "/connect",
    body: {
      ...request,
      redirect_uri: CONNECT_CALLBACK,
      state: "connect-state",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    },
  });
  const body = await response.json();
  assert.equal(response.status, 201, JSON.stringify(body));
  const link = `${body.connect_uri}?ticket=${body.connect_params.ticket}`;
  return { token, authSession: body.auth_session, link, verifier };
}

/** What a person does at a provider, from the page that opened there; ends at whatever comes after. */
export type AtProvider = (agent: UserAgent, page: Page) => Promise<Page>;

const stopAtApp = { stopAt: (address: string) => address.startsWith(APP_URL) };

/** Allows access to an account of the sandbox calendar. */
export function allowCalendar(account = "acc_personal"): AtProvider {
  return (agent, page) => agent.submit(page, { account, decision: "allow" }, stopAtApp);
}

/** Opens the link, answers at the provider and confirms; the address the application is called back at. */
export async function connectInBrowser(agent: UserAgent, link: string, atProvider: AtProvider): Promise<URL> {
  const page = await atProvider(agent, await agent.open(link, stopAtApp));
  assert.match(page.address, /\/connect\/confirm\?/, page.text);
  const done = await agent.submit(page, { decision: "confirm" }, stopAtApp);
  assert.equal(done.status, 0, done.text);
  return new URL(done.address);
}

export function completeConnect(
  issuer: string,
  started: StartedConnect,
  callback: URL,
  change: Record<string, string> = {},
): Promise<Response> {
  return callAccounts(issuer, started.token, {
    path: "/complete",
    body: {
      auth_session: started.authSession,
      connect_code: callback.searchParams.get("connect_code") ?? "",
      redirect_uri: CONNECT_CALLBACK,
      code_verifier: started.verifier,
      ...change,
    },
  });
}

/** The whole way: start, browser, provider, confirmation, completion. Returns the connected account. */
export async function connectAccount(
  issuer: string,
  person: Person,
  refreshToken: string,
  options: { connection: string; scopes: readonly string[]; atProvider: AtProvider },
): Promise<{ id: string; connection: string; scopes: string[] }> {
  const { connection, scopes, atProvider } = options;
  const started = await startConnect(issuer, refreshToken, { connection, scopes });
  const callback = await connectInBrowser(person.agent, started.link, atProvider);
  assert.equal(callback.searchParams.get("state"), "connect-state");
  const response = await completeConnect(issuer, started, callback);
  const account = await response.json();
  assert.equal(response.status, 201, JSON.stringify(account));
  return account;
}

/** An answer to an exchange: the token, or who must act. */
export interface ExchangeAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>> & {
    readonly access_token?: string;
    readonly error?: string;
    readonly code?: string;
  };
}

/** Asks for a third-party access token, as the Auth0 SDKs do (`auth0-wire` 2.1). */
export async function exchange(
  issuer: string,
  refreshToken: string,
  params: Record<string, string> = {},
): Promise<ExchangeAnswer> {
  const response = await tokenRequest(issuer, {
    grant_type: VAULT_GRANT,
    requested_token_type: VAULT_TOKEN_TYPE,
    subject_token_type: "urn:ietf:params:oauth:token-type:refresh_token",
    subject_token: refreshToken,
    connection: "calendar",
    client_id: "assistant",
    client_secret: TEST_SECRET,
    ...params,
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}
