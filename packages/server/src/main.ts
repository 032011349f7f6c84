import "./oauth/runtime-warning.ts";
import { join } from "node:path";
import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { html } from "hono/html";
import { type Admin, createAdmin } from "./admin/index.ts";
import { type Approvals, approvalOAuthErrors, createApprovals } from "./approvals/index.ts";
import { type Audit, createAudit } from "./audit/index.ts";
import { type Config, ConfigError, type MailConfig } from "./config.ts";
import { type Keyring, parseKeys } from "./crypto/keyring.ts";
import { randomBytes } from "./crypto/random.ts";
import { createSealer, type Sealer } from "./crypto/seal.ts";
import { createFga, type Fga } from "./fga/index.ts";
import { createDiscovery, type Discovery } from "./http/discovery.ts";
import { createEgress, type Egress } from "./http/egress.ts";
import { ApiError, httpError, problemResponse } from "./http/errors.ts";
import { hasHungUp, startHttpServer } from "./http/server.ts";
import { type BackgroundJob, startBackground } from "./lib/background.ts";
import { type Clock, systemClock } from "./lib/clock.ts";
import { createIds, type Ids } from "./lib/ids.ts";
import { createLog, type Log } from "./lib/log.ts";
import { reveal } from "./lib/secret.ts";
import { acrOf, breachedFileProblem, createLogin, type Login } from "./login/index.ts";
import { checkMail, createMessages, type Messages } from "./messages/index.ts";
import { createClientDocuments } from "./oauth/client-documents.ts";
import { type ClientRegistry, createClients } from "./oauth/clients.ts";
import { createOAuth, type OAuth } from "./oauth/index.ts";
import { createKeyAdmin, type KeyAdmin } from "./oauth/key-admin.ts";
import { endTokensOf } from "./oauth/store.ts";
import { createSubjectTokens } from "./oauth/tokens.ts";
import { createOrganizations, type OrganizationsSlice } from "./organizations/index.ts";
import { type Brand, withBrand } from "./pages/brand.ts";
import { pickLanguage } from "./pages/languages/index.ts";
import { renderPage } from "./pages/layout.ts";
import { createRoles, type Roles } from "./roles/index.ts";
import { openStorage, type Storage } from "./storage/index.ts";
import { migrate } from "./storage/migrate.ts";
import { createOutbox, type Outbox } from "./storage/outbox.ts";
import { createProvider, createVault, type Provider, type Vault } from "./vault/index.ts";

/** Everything that works without HTTP: what the command line tool uses too. */
export interface Services {
  readonly config: Config;
  readonly storage: Storage;
  readonly keyring: Keyring;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly audit: Audit;
  readonly outbox: Outbox;
  readonly egress: Egress;
  readonly discovery: Discovery;
  readonly provider: Provider;
  readonly login: Login;
  readonly messages: Messages;
  readonly clients: ClientRegistry;
  readonly signingKeys: KeyAdmin;
  readonly admin: Admin;
  readonly organizations: OrganizationsSlice;
  readonly roles: Roles;
  close(): Promise<void>;
}

/** A running server. */
export interface RunningServer {
  /** The issuer. */
  readonly url: string;
  readonly port: number;
  readonly services: Services;
  close(): Promise<void>;
}

export interface StartOptions {
  readonly clock?: Clock;
  /** Where log lines go. Default: standard error. */
  readonly writeLog?: (line: string) => void;
}

/** How often background work looks for something to do. */
const TICK_MS = 1_000;
/** How often rows that ended by themselves are removed. */
const SWEEP_MS = 60_000;
/** How long stopping waits for messages that are under way. */
const SENDING_GRACE_MS = 2_000;

/** How soon a change of the signing keys is seen by every process. */
const KEYS_MS = 5_000;

/** Opens storage and keys and brings the schema up to date. */
export async function openServices(config: Config, options: StartOptions = {}): Promise<Services> {
  const source = "env" in config.rootKeySource ? config.rootKeySource.env : config.rootKeySource.file;
  const keyring = parseKeys(reveal(config.rootKey), source);
  const storage = await openStorage(config.storage);
  return closingOnFailure(storage, () => createServices(config, options, keyring, storage));
}

/** What could not be started holds no file lock and no connection. */
async function closingOnFailure<T>(open: { close(): Promise<void> }, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await open.close();
    throw error;
  }
}

async function createServices(
  config: Config,
  options: StartOptions,
  keyring: Keyring,
  storage: Storage,
): Promise<Services> {
  const clock = options.clock ?? systemClock;
  const writeLog = options.writeLog ?? ((line: string) => void process.stderr.write(line));
  const log = createLog({ write: writeLog, clock, level: config.log.level });
  const applied = await migrate(storage, clock);
  if (applied.length > 0) log.info("migrated", { steps: applied.join(" ") });
  const ids = createIds({ clock, random: randomBytes });
  const audit = createAudit({ storage, clock });
  const egress = createEgress({ allow: config.egress.allow });
  const { issuer } = config;
  const sealer = createSealer({ keyring });
  checkBreachedPasswords(config.login.breachedPasswordsFile);
  const outbox = createOutbox({ storage, clock, ids });
  const messages = createMessages({ outbox, sealer, egress, clock, ids, log, issuer, config });
  const discovery = createDiscovery({ egress, clock });
  const provider = createProvider({ egress, clock, discovery });
  const login = await createLogin({
    connections: { all: config.connections, provider, discovery, egress, log },
    storage,
    sealer,
    audit,
    clock,
    ids,
    keyring,
    issuer,
    signUp: config.login.signUp,
    endTokens: endTokensOf,
    session: config.login.session,
    limits: config.login.limits,
    messages,
    methods: enabledMethods(config),
    confirmEmail: config.login.confirmEmail,
    breachedPasswordsFile: config.login.breachedPasswordsFile,
    sending: {
      perNetwork: config.login.limits.messages,
      textsPerDay: config.sms?.perDay ?? 0,
      countries: config.sms?.countries,
    },
    requireSecondFactor: config.login.secondFactor === "required",
  });
  const clients = createClients({
    storage,
    config,
    clock,
    secretKeys: keyring.deriveAll("client-secret"),
    documents: config.registration.clientIdDocuments
      ? createClientDocuments({ egress, clock, log })
      : undefined,
  });
  const { accounts } = login;
  const roles = createRoles({ storage, audit, clock, config });
  const organizations = createOrganizations({
    ...{ storage, audit, clock, ids, issuer },
    unknownRoles: roles.unknown,
    loginConnections: new Set(["password", "passkey", "code", ...config.connections.map(({ name }) => name)]),
    clientExists: async (id) => (await clients.find(id)) !== undefined,
    mail: messages.channels.mail ? messages.mail : undefined,
  });
  return {
    config,
    storage,
    keyring,
    sealer,
    clock,
    ids,
    log,
    audit,
    outbox,
    messages,
    login,
    egress,
    discovery,
    provider,
    clients,
    roles,
    organizations,
    signingKeys: createKeyAdmin({ storage, sealer, clock, audit }),
    admin: createAdmin({
      storage,
      audit,
      clock,
      ids,
      keyring,
      config,
      random: randomBytes,
      users: accounts,
      createUser: accounts.create,
      endTokens: endTokensOf,
      clientChanged: clients.changed,
    }),
    close: async () => {
      messages.close();
      await storage.close();
    },
  };
}

/** Asks the mail server what it would say to our mail; for `behalf doctor`. @throws as `checkMail` */
export function checkMailOf(
  config: Config & { readonly mail: MailConfig },
  to: string | undefined,
): Promise<void> {
  const ids = createIds({ clock: systemClock, random: randomBytes });
  return checkMail(config, { to, id: ids.prefixed("out") });
}

/** What is not said follows from what can be sent. */
function enabledMethods({ login, mail, sms }: Config) {
  const { emailCode = mail !== undefined, smsCode = sms !== undefined, ...rest } = login.methods;
  return { ...rest, emailCode, smsCode };
}

function checkBreachedPasswords(file: string | undefined): void {
  const problem = file === undefined ? undefined : breachedFileProblem(file);
  if (problem) throw new ConfigError([`login.breachedPasswordsFile: ${file} ${problem}`]);
}

/** Starts the server; resolves when it accepts requests. What cannot be started leaves nothing open. */
export async function startServer(config: Config, options: StartOptions = {}): Promise<RunningServer> {
  const services = await openServices(config, options);
  return closingOnFailure(services, async () => {
    if (!services.storage.claim())
      throw new ConfigError([
        "storage: another server runs on this SQLite file; stop it, or use PostgreSQL for several servers",
      ]);
    if (config.egress.allow.length > 0)
      services.log.warn("egress to private addresses is allowed", {
        addresses: config.egress.allow.join(" "),
      });
    await services.admin.refuseClientsInBoth();
    await services.roles.refuseRolesInBoth();
    const slices = await createSlices(services);
    return closingOnFailure(slices.vault, () => listen(services, slices));
  });
}

async function listen(services: Services, slices: Slices): Promise<RunningServer> {
  const { config, log, clock, ids } = services;
  await slices.vault.start();
  const app = composeApp(services, slices);
  const oauth = slices.oauth.handler;
  const nodeHandlers = [slices.fga.handler, { ...oauth, handle: branded(config.branding, oauth.handle) }];
  const server = await startHttpServer(
    { app: { fetch: branded(config.branding, app.fetch) }, nodeHandlers, log, ids, clock },
    { ...config.listen, trustedProxies: config.trustedProxies, strictTransport: config.production },
  );
  const background = startBackground(backgroundJobs(services, slices), log);
  void warmProviders(services);
  log.info("ready", { issuer: config.issuer, port: server.port });
  return {
    url: config.issuer,
    port: server.port,
    services,
    async close() {
      await stopSending(background, services.messages);
      await server.close();
      await slices.vault.close();
      await services.close();
    },
  };
}

/** What is being sent gets a moment to end well; after that it is left to the outbox of the next start. */
async function stopSending(background: { stop(): Promise<void> }, messages: Messages): Promise<void> {
  const timer = setTimeout(() => messages.close(), SENDING_GRACE_MS);
  await background.stop();
  clearTimeout(timer);
}

/** The parts that answer requests. */
interface Slices {
  readonly approvals: Approvals;
  readonly oauth: OAuth;
  readonly vault: Vault;
  readonly fga: Fga;
}

async function createSlices(services: Services): Promise<Slices> {
  const { config, storage, clock } = services;
  const { accounts: users, sessions } = services.login;
  const approvals = createApprovals({ ...services, users, sessions, apis: config.apis });
  const oauth = await createOAuth({
    ...services,
    secondFactors: services.login.secondFactors,
    ...{ approvals, approvalOAuthErrors, users, sessions, acrOf },
  });
  const vault = createVault({
    ...services,
    users,
    sessions,
    requireToken: oauth.requireToken,
    issuer: config.issuer,
    connections: config.connections.filter(({ vault }) => vault),
    subjectTokens: createSubjectTokens({ storage, clock }),
    spoolDir: join(config.dataDir, "spool"),
  });
  oauth.addGrants([vault.grant]);
  oauth.addDirectGrants(services.login.grants);
  const fga = createFga({
    ...services,
    presharedKeys: config.fga.presharedKeys,
    requireToken: oauth.requireToken,
    issuer: config.issuer,
    cursorKey: services.keyring.derive("fga-cursor"),
  });
  return { approvals, oauth, vault, fga };
}

/** Every slice's routes on one application. */
function composeApp(services: Services, slices: Slices): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const { config, log } = services;
  app.onError((error, c) => {
    if (ApiError.is(error)) {
      if (error.reason) log.info("refused", { code: error.code, reason: error.reason });
      return problemResponse(c, error);
    }
    // Whoever hangs up in the middle of a request waits for no answer, and nothing of ours is broken.
    if (!hasHungUp(c.env.incoming)) log.error("unhandled", { error: error.stack ?? error.message });
    return problemResponse(c, httpError("server.error"));
  });
  app.notFound((c) =>
    c.req.header("accept")?.includes("text/html")
      ? notFoundPage(c.req.raw)
      : problemResponse(c, httpError("request.not_found")),
  );
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.route("/", slices.approvals.routes);
  app.route("/", slices.oauth.routes);
  app.route("/", slices.vault.routes);
  app.route("/", slices.fga.routes);
  app.route(
    "/",
    services.admin.routes({
      requireToken: slices.oauth.requireToken,
      extensions: [services.organizations.adminRoutes, services.roles.adminRoutes],
    }),
  );
  app.route(
    "/",
    services.login.routes({
      organizations: services.organizations,
      interactions: slices.oauth.interactions,
      clients: services.clients,
      cors: slices.oauth.cors,
      formTargets: () => providerOrigins(config, services.discovery),
    }),
  );
  const { accounts: users, sessions } = services.login;
  app.route("/", services.organizations.pages({ interactions: slices.oauth.interactions, sessions, users }));
  app.get("/", (c) => c.redirect("/approvals"));
  return app;
}

/** Where a log-in may lead beside the app: on to a provider that is being connected. */
function providerOrigins(config: Config, discovery: Discovery): readonly string[] {
  const addresses = config.connections.flatMap((connection) => {
    const known = discovery.known(connection)?.authorizationEndpoint;
    return [known ?? connection.issuer].filter((address) => address !== undefined);
  });
  return [...new Set(addresses.map((address) => new URL(address).origin))];
}

/** Knows before anybody asks where providers are that say so themselves: pages name them as targets of forms. */
async function warmProviders({ config, discovery, log }: Services): Promise<void> {
  for (const connection of config.connections) {
    if (discovery.known(connection)) continue;
    await discovery.endpointsOf(connection).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : "unknown";
      log.warn("a provider's metadata cannot be had", { connection: connection.name, reason });
    });
  }
}

function backgroundJobs(services: Services, { approvals, vault, oauth }: Slices): readonly BackgroundJob[] {
  const { outbox, login, messages } = services;
  const handlers = { ...approvals.outboxHandlers, ...oauth.outboxHandlers, ...messages.outboxHandlers };
  return [
    { name: "outbox", everyMs: TICK_MS, run: () => outbox.deliver(handlers) },
    { name: "ended sessions", everyMs: TICK_MS, run: () => oauth.tellEndedSessions() },
    { name: "vault", everyMs: TICK_MS, run: () => vault.tick() },
    { name: "providers", everyMs: SWEEP_MS, run: () => warmProviders(services) },
    { name: "signing keys", everyMs: KEYS_MS, run: () => oauth.maintainKeys() },
    {
      name: "sweep",
      everyMs: SWEEP_MS,
      run: () => Promise.all([oauth.sweep(), login.sweep()]),
    },
  ];
}

/** The same handler, whose pages are the deployment's. */
const branded =
  <A extends unknown[], R>(brand: Brand, handle: (...values: A) => R) =>
  (...values: A): R =>
    withBrand(brand, () => handle(...values));

/** What a person sees who opens an address that does not exist. */
function notFoundPage(request: Request): Promise<Response> {
  const language = pickLanguage(request);
  const { title, notFound } = language.texts.error;
  const body = html`<h1>${title}</h1><p>${notFound}</p>`;
  return renderPage({ language, title, body, status: 404 });
}
