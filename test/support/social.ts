import { randomBytes } from "node:crypto";
import { type RunningProvider, startProvider } from "@behalf/sandbox";
import { freePort, startTestServer, type TestServer, testConfig } from "./server.ts";
import type { Page, UserAgent } from "./user-agent.ts";

/** A server on which people may log in with accounts at sandbox providers. */
export interface SocialServer extends AsyncDisposable {
  readonly server: TestServer;
  /** By the name of their connection. */
  readonly providers: Readonly<Record<string, RunningProvider>>;
}

export interface SocialOptions {
  readonly storage?: string;
  readonly clock?: { now(): number };
  /** The `login` of each connection. */
  readonly connections?: Readonly<Record<string, Record<string, unknown>>>;
  readonly change?: (config: ReturnType<typeof testConfig>) => void;
}

/** Default: one connection, `sandbox`, whose word about addresses counts. */
export async function startSocialServer(options: SocialOptions = {}): Promise<SocialServer> {
  const port = await freePort();
  const issuer = `http://localhost:${port}/`;
  const providers: Record<string, RunningProvider> = {};
  const env: Record<string, string> = {};
  const connections: Record<string, unknown>[] = [];
  const wanted = options.connections ?? { sandbox: { login: { trustEmail: true } } };
  for (const [name, entry] of Object.entries(wanted)) {
    const clientSecret = randomBytes(32).toString("base64url");
    const provider = await startProvider({
      clients: [{ clientId: "behalf", clientSecret, redirectUris: [`${issuer}login/callback/${name}`] }],
      ...(options.clock ? { clock: options.clock.now } : {}),
    });
    providers[name] = provider;
    env[`SECRET_OF_${name}`] = clientSecret;
    connections.push({
      name,
      displayName: `The ${name} provider`,
      kind: "oidc",
      issuer: provider.issuer,
      clientId: "behalf",
      clientSecret: { env: `SECRET_OF_${name}` },
      ...entry,
    });
  }
  const server = await startTestServer(
    (config) => {
      Object.assign(config, testConfig(port), { issuer, connections });
      if (options.storage) config["storage"] = options.storage;
      config["egress"] = { allow: Object.values(providers).map((one) => new URL(one.url).host) };
      options.change?.(config);
    },
    { env, ...(options.clock ? { clock: options.clock } : {}) },
  );
  return {
    server,
    providers,
    async [Symbol.asyncDispose]() {
      await server.close();
      for (const provider of Object.values(providers)) await provider.close();
    },
  };
}

/** Presses the first page's button for a connection; the page on which the provider asks. */
export async function pressButton(
  server: TestServer,
  agent: UserAgent,
  name = "sandbox",
  query = "",
): Promise<Page> {
  const page = await agent.open(`${server.url}login${query}`);
  return agent.submit(page, {}, { form: buttonOf(page, `/login/connection/${name}`) });
}

/** The form of a page that is sent to `action`. */
export function buttonOf(page: Page, action: string): number {
  const found = page.forms.findIndex((form) => form.action === action);
  if (found < 0) throw new Error(`${page.address} has no form for ${action}:\n${page.text}`);
  return found;
}

/** Says yes at the provider and stops before the callback: its address. */
export async function callbackOf(
  agent: UserAgent,
  atProvider: Page,
  account = "acc_personal",
): Promise<string> {
  const page = await agent.submit(
    atProvider,
    { account, decision: "allow" },
    { stopAt: (address) => address.includes("/login/callback/") },
  );
  return page.address;
}

/** Logs in with an account at a provider, from the first page; whatever page comes then. */
export async function logInWith(
  server: TestServer,
  agent: UserAgent,
  options: { name?: string; account?: string; query?: string } = {},
): Promise<Page> {
  const at = await pressButton(server, agent, options.name, options.query);
  return agent.open(await callbackOf(agent, at, options.account));
}

/** Whose session the browser has; `undefined` for nobody's. */
export async function whoIs(server: TestServer, agent: UserAgent): Promise<string | undefined> {
  const page = await agent.open(`${server.url}profile`);
  return new URL(page.address).pathname === "/profile" && page.status === 200
    ? /<dd>([^\n<]+)/.exec(page.text)?.[1]
    : undefined;
}
