import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type RunningProvider, startProvider } from "@behalf/sandbox";
import { createAudit } from "../audit/index.ts";
import type { ConnectionConfig } from "../config.ts";
import { sha256 } from "../crypto/hash.ts";
import { createKeyring } from "../crypto/keyring.ts";
import { randomBytes, randomToken } from "../crypto/random.ts";
import { createSealer } from "../crypto/seal.ts";
import { createDiscovery } from "../http/discovery.ts";
import { createEgress } from "../http/egress.ts";
import { ApiError, httpError } from "../http/errors.ts";
import { createIds } from "../lib/ids.ts";
import { createLog } from "../lib/log.ts";
import { reveal, secret } from "../lib/secret.ts";
import { createLogin } from "../login/index.ts";
import type { Client, RequireToken, SubjectTokens } from "../oauth/index.ts";
import { endTokensOf } from "../oauth/store.ts";
import { createOutbox } from "../storage/outbox.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { createVault, type ReleasedToken, type Vault, type VaultDeps } from "./index.ts";
import type { AccountRow, VaultTables } from "./store.ts";

/** A vault on a real database, real logins and a real provider, and a clock that moves when it is told to. */
export interface Bench extends AsyncDisposable {
  readonly vault: Vault;
  readonly deps: VaultDeps;
  readonly provider: RunningProvider;
  readonly connection: ConnectionConfig;
  readonly clock: { now(): number; advance(ms: number): void };
  /** The clients there are; replace or delete one to change it. */
  readonly clients: Map<string, Client>;
  readonly anne: Person;
  readonly ben: Person;
  /** One log line a string. */
  readonly logged: string[];
  /** A second process on the same database, with a spool of its own. */
  another(over?: Partial<VaultDeps>): Promise<Vault>;
  /** Calls the My Account API; `scopes` are those of the access token. */
  me(call: MeCall): Promise<Response>;
  /** A page, as a person's browser asks for it. */
  get(path: string, person?: Person): Promise<Response>;
  /** A form, posted from our own page by a person's browser. */
  post(path: string, person: Person, fields: Record<string, string>, over?: HeadersInit): Promise<Response>;
  /** Asks for a token of anne's calendar as the agent. */
  exchange(over?: Partial<Parameters<Vault["exchange"]>[0]>): Promise<ReleasedToken>;
  /** Rows of a table. */
  rows<T extends keyof VaultTables>(table: T): Promise<VaultTables[T][]>;
  /** Changes an account's row behind the slice's back. */
  tamper(id: string, change: Partial<AccountRow>): Promise<void>;
  /** A refresh token of ours that stands for a person towards a client. */
  subjectToken(person: Person, clientId: string): string;
  /** Audit actions of the slice, oldest first. */
  actions(): Promise<string[]>;
  /** Requests to the provider's token endpoint by `refresh_token`. */
  refreshes(): number;
}

/** A user who is logged in, in one browser. */
export interface Person {
  readonly id: string;
  readonly email: string;
  readonly cookie: string;
}

export interface MeCall {
  readonly method?: string;
  readonly path: string;
  readonly person?: Person | undefined;
  readonly clientId?: string;
  readonly body?: unknown;
  readonly scopes?: readonly string[];
}

export const ISSUER = "https://id.example/";
export const APP_CALLBACK = "https://app.example/callback";
const START = Date.UTC(2030, 0, 1, 12);
const ALL_ME_SCOPES = ["create", "read", "delete"].map((verb) => `${verb}:me:connected_accounts`);

export function testClient(id: string, scopes: readonly string[], over: Partial<Client> = {}): Client {
  return {
    id,
    name: id,
    source: "configuration",
    redirectUris: [APP_CALLBACK],
    postLogoutRedirectUris: [],
    webOrigins: [],
    grantTypes: ["authorization_code", "refresh_token", "token_vault"],
    firstParty: true,
    organizations: "none",
    confidential: true,
    agent: {
      owner: "Example Ltd",
      purpose: "Keeps your calendar",
      connections: { calendar: { scopes: [...scopes] } },
    },
    disabledAt: undefined,
    ...over,
  };
}

export async function createBench(
  engine = testEngines()[0],
  over: { connection?: Partial<ConnectionConfig>; deps?: Partial<VaultDeps> } = {},
): Promise<Bench> {
  let now = START;
  const clock = {
    now: () => now,
    advance(ms: number) {
      now += ms;
    },
  };
  const clientSecret = randomToken();
  const provider = await startProvider({
    clients: [{ clientId: "behalf", clientSecret, redirectUris: [`${ISSUER}login/callback`] }],
    clock: clock.now,
  });
  const storage = await openTestStorage(engine?.open);
  const ids = createIds({ clock, random: randomBytes });
  const audit = createAudit({ storage, clock });
  const keyring = createKeyring([randomBytes(32)]);
  const login = await createLogin({
    endTokens: endTokensOf,
    storage,
    audit,
    clock,
    ids,
    keyring,
    sealer: createSealer({ keyring }),
    issuer: ISSUER,
    signUp: false,
  });
  const person = async (name: string): Promise<Person> => {
    const user = await login.accounts.create({ email: `${name}@example.com`, name });
    const cookie = await login.sessions.start(new Request(ISSUER), user, { amr: ["pwd"] });
    return { id: user.id, email: user.email, cookie: cookie.split(";")[0] ?? "" };
  };
  const [anne, ben] = [await person("anne"), await person("ben")];
  const clients = new Map<string, Client>();
  const agent = testClient("agent", ["calendar.read", "calendar.write", "profile", "email"]);
  const reader = testClient("reader", ["calendar.read"]);
  for (const client of [agent, reader]) clients.set(client.id, client);
  const connection = { ...sandboxConnection(provider, clientSecret), ...over.connection };
  const subjects = new Map<string, { userId: string; clientId: string }>();
  const logged: string[] = [];
  const spools: string[] = [];
  const spoolDir = async () => {
    const dir = await mkdtemp(join(tmpdir(), "behalf-spool-"));
    spools.push(dir);
    return dir;
  };
  const egress = createEgress({ allow: [new URL(provider.url).host] });
  const discovery = createDiscovery({ egress, clock });
  const deps: VaultDeps = {
    storage,
    audit,
    clock,
    ids,
    outbox: createOutbox({ storage, clock, ids }),
    sealer: createSealer({ keyring }),
    egress,
    discovery,
    connections: [connection],
    issuer: ISSUER,
    clients: { find: async (id) => clients.get(id), list: async () => [...clients.values()] },
    users: login.accounts,
    sessions: login.sessions,
    requireToken: testTokens,
    subjectTokens: testSubjects(subjects),
    spoolDir: await spoolDir(),
    log: createLog({ write: (line) => void logged.push(line), clock, level: "debug" }),
    ...over.deps,
  };
  const vault = createVault(deps);
  return {
    vault,
    deps,
    provider,
    connection,
    clock,
    clients,
    anne,
    ben,
    logged,
    another: async (change = {}) => createVault({ ...deps, spoolDir: await spoolDir(), ...change }),
    async me({ method = "GET", path, person = anne, clientId = "agent", body, scopes = ALL_ME_SCOPES }) {
      const token = JSON.stringify({ userId: person.id, clientId, scopes });
      return vault.routes.request(`${ISSUER}me/v1/connected-accounts${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    },
    get: async (path, who) =>
      vault.routes.request(new URL(path, ISSUER).href, { headers: who ? { cookie: who.cookie } : {} }),
    async post(path, who, fields, headers = {}) {
      return vault.routes.request(new URL(path, ISSUER).href, {
        method: "POST",
        headers: {
          cookie: who.cookie,
          origin: new URL(ISSUER).origin,
          "content-type": "application/x-www-form-urlencoded",
          ...headers,
        },
        body: new URLSearchParams(fields).toString(),
      });
    },
    exchange: (request = {}) =>
      vault.exchange({ client: agent, subject: { userId: anne.id }, connection: "calendar", ...request }),
    rows: async (table) =>
      // Every table's row type is the one that the view declares.
      (await storage.db<VaultTables>().selectFrom(table).selectAll().execute()) as never,
    async tamper(id, change) {
      const db = storage.db<VaultTables>();
      await db.updateTable("connected_accounts").set(change).where("id", "=", id).execute();
    },
    subjectToken(who, clientId) {
      const value = randomToken();
      subjects.set(value, { userId: who.id, clientId });
      return value;
    },
    async actions() {
      const { events } = await audit.list({ limit: 200 });
      return events
        .map(({ action }) => action)
        .filter((action) => action.startsWith("vault."))
        .reverse();
    },
    refreshes: () => provider.log().filter((entry) => entry["grantType"] === "refresh_token").length,
    async [Symbol.asyncDispose]() {
      await vault.close();
      await provider.close();
      await storage.close();
      for (const dir of spools) await rm(dir, { recursive: true, force: true });
    },
  };
}

function sandboxConnection(provider: RunningProvider, clientSecret: string): ConnectionConfig {
  return {
    name: "calendar",
    displayName: "Sandbox Calendar",
    kind: "oauth2",
    vault: true,
    login: undefined,
    authorizationEndpoint: `${provider.url}/authorize`,
    tokenEndpoint: `${provider.url}/token`,
    revocationEndpoint: `${provider.url}/revoke`,
    userinfoEndpoint: `${provider.url}/userinfo`,
    issuer: provider.issuer,
    clientId: "behalf",
    clientSecret: secret(clientSecret),
    clientAuthMethod: "client_secret_post",
    scopes: {
      "calendar.read": "See your events",
      "calendar.write": "Add events",
      profile: "See your name",
      email: "See your e-mail address",
      offline_access: "Keep this access",
    },
    scopeSeparator: " ",
    authorizationParams: { access_type: "offline" },
    accountIdField: "sub",
    accountLabelField: "email",
    rotation: "none",
    graceSeconds: 0,
  };
}

/** Access tokens that say in clear what they are worth. */
const testTokens: RequireToken = async (request, expected) => {
  const header = request.headers.get("authorization");
  if (!header) throw httpError("auth.token_missing");
  // Written by `me` alone.
  const token = JSON.parse(header.slice("Bearer ".length)) as {
    userId: string;
    clientId: string;
    scopes: string[];
  };
  if (expected.audience !== `${ISSUER}me/`) throw httpError("auth.token_invalid");
  if (!expected.scopes.every((scope) => token.scopes.includes(scope)))
    throw httpError("auth.insufficient_scope");
  return {
    subject: token.userId,
    userId: token.userId,
    clientId: token.clientId,
    scopes: new Set(token.scopes),
    audience: expected.audience,
    jti: "test",
  };
};

function testSubjects(subjects: Map<string, { userId: string; clientId: string }>): SubjectTokens {
  return {
    async fromRefreshToken(value, clientId) {
      const found = subjects.get(reveal(value));
      return found?.clientId === clientId ? found : undefined;
    },
  };
}

/** One connect flow, step by step; each method does what one party would do. */
export function connectFlow(bench: Bench, options: FlowOptions = {}) {
  const { person = bench.anne, clientId = "agent", scopes = ["calendar.read"] } = options;
  const verifier = randomToken();
  const state = "app-state";
  return {
    verifier,
    state,
    startBody: {
      connection: "calendar",
      redirect_uri: APP_CALLBACK,
      state,
      code_challenge: sha256(verifier),
      code_challenge_method: "S256",
      scopes,
      ...options.body,
    },
    async start(): Promise<{ authSession: string; ticket: string }> {
      const response = await bench.me({
        method: "POST",
        path: "/connect",
        person,
        clientId,
        body: this.startBody,
      });
      const answer = await expectJson(response, 201);
      const params = answer["connect_params"] as { ticket: string };
      return { authSession: String(answer["auth_session"]), ticket: params.ticket };
    },
    /** Opens the link; the address at the provider. */
    open: async (ticket: string, who: Person | undefined = person): Promise<Response> =>
      bench.get(`/connect?ticket=${ticket}`, who),
    /** The person answers at the provider; the address of our callback, with what the provider says. */
    async atProvider(address: string, decision: "allow" | "deny" = "allow"): Promise<string> {
      const page = await fetch(address, { redirect: "manual" });
      if (page.status !== 200) return locationOf(page);
      const question = /name="question" value="([^"]+)"/.exec(await page.text())?.[1] ?? "";
      const body = new URLSearchParams({ question, decision, account: options.account ?? "acc_personal" });
      const url = `${bench.provider.url}/authorize/decision`;
      return locationOf(await fetch(url, { method: "POST", body, redirect: "manual" }));
    },
    async confirm(path: string, decision = "confirm", who: Person = person): Promise<Response> {
      const page = await (await bench.get(path, who)).text();
      const field = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? "";
      const fields = { csrf: field("csrf"), transaction: field("transaction"), decision };
      return bench.post("/connect/confirm", who, fields);
    },
    complete: (authSession: string, connectCode: string, change: Record<string, unknown> = {}) =>
      bench.me({
        method: "POST",
        path: "/complete",
        person,
        clientId,
        body: {
          auth_session: authSession,
          connect_code: connectCode,
          redirect_uri: APP_CALLBACK,
          code_verifier: verifier,
          ...change,
        },
      }),
    /** Everything up to the application's callback. */
    async untilCode(): Promise<{ authSession: string; connectCode: string }> {
      const { authSession, ticket } = await this.start();
      const callback = await this.atProvider(locationOf(await this.open(ticket)));
      const parked = locationOf(await bench.get(callback, person));
      const returned = new URL(locationOf(await this.confirm(parked)));
      return { authSession, connectCode: returned.searchParams.get("connect_code") ?? "" };
    },
    async run(): Promise<Record<string, unknown>> {
      const { authSession, connectCode } = await this.untilCode();
      return expectJson(await this.complete(authSession, connectCode), 201);
    },
  };
}

export interface FlowOptions {
  readonly person?: Person;
  readonly clientId?: string;
  readonly scopes?: readonly string[];
  readonly account?: string;
  readonly body?: Record<string, unknown>;
}

/** Connects anne's calendar and returns what `complete` answered. */
export const connect = (bench: Bench, options: FlowOptions = {}) => connectFlow(bench, options).run();

export function locationOf(response: Response): string {
  const location = response.headers.get("location");
  if (!location) throw new Error(`no redirect but status ${response.status}`);
  return location;
}

export async function expectJson(response: Response, status: number): Promise<Record<string, unknown>> {
  const text = await response.text();
  if (response.status !== status) throw new Error(`status ${response.status} instead of ${status}: ${text}`);
  // The endpoints of this slice answer with objects.
  return JSON.parse(text) as Record<string, unknown>;
}

/** Checks that a call is refused with `code`; returns what the refusal carries. */
export async function refusal(
  call: Promise<unknown>,
  code: string,
): Promise<Readonly<Record<string, unknown>>> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!ApiError.is(error)) throw new Error(`expected ${code}`, { cause: error });
  if (error.code !== code) throw new Error(`${error.code} instead of ${code}`, { cause: error });
  return error.members;
}

/** Resolves when a refresh has reached the provider, which has done its work and holds the answer back. */
export async function refreshUnderWay(bench: Bench): Promise<void> {
  const atWork = () =>
    bench.provider.log().some((entry) => entry.path === "/token" && entry.outcome === "received");
  while (!atWork()) await sleep(5);
  // The entry is written before the work, which takes no longer than this.
  await sleep(50);
}
