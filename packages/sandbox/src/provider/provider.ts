import { createBaseApp } from "../support/base-app.ts";
import { type Clock, systemClock } from "../support/clock.ts";
import { type Database, openDatabase } from "../support/database.ts";
import { listen } from "../support/listen.ts";
import { createRequestLog, type RequestEntry, type RequestLog } from "../support/request-log.ts";
import { SCOPES } from "./accounts.ts";
import { handleAuthorize, handleDecision } from "./authorize-routes.ts";
import { handleAddEvent, handleListEvents, handleMe, handleUserinfo } from "./calendar.ts";
import { type Client, registerClients } from "./clients.ts";
import { createEventStore } from "./events.ts";
import { createFaults, type ProviderEnv } from "./faults.ts";
import { createIdTokenSigner } from "./id-token.ts";
import { handleRevoke } from "./revoke.ts";
import { addSandboxRoutes, resetProvider } from "./sandbox-routes.ts";
import { createGrantStore, type GrantRow, PROVIDER_SCHEMA } from "./store.ts";
import { createSwitchboard, type Switchboard } from "./switchboard.ts";
import type { Switches } from "./switches.ts";
import { handleToken } from "./token.ts";

/** How a provider is started. */
export type ProviderOptions = {
  clients: readonly Client[];
  /** Default: 0, a free port. */
  port?: number;
  /** A SQLite file, made when it is missing. Default: `:memory:`, gone when the provider is closed. */
  dataFile?: string;
  /** The issuer identifier (RFC 8414 section 2). Default: the address, such as `http://127.0.0.1:4410`. */
  issuer?: string;
  /** Default: the machine's. */
  clock?: Clock;
};

/** A provider that accepts requests. */
export type RunningProvider = {
  /** Address without a trailing slash. */
  url: string;
  issuer: string;
  switches: {
    get(): Switches;
    /** As `PUT /_sandbox/switches`: what is not named is off. @throws TypeError naming every problem. */
    set(switches: Partial<Switches> | Record<string, unknown>): void;
  };
  /** Requests with a number above `after` (default 0), oldest first. */
  log(after?: number): RequestEntry[];
  grants(): GrantRow[];
  /** Forgets every grant, token, added event, switch and log entry. */
  reset(): void;
  /** Safe to call twice. */
  close(): Promise<void>;
};

/**
 * Starts an OAuth 2 provider in front of a calendar, on the loopback interface.
 *
 * @throws StartError when the port, the data file or a redirect URI cannot be used.
 */
export async function startProvider(options: ProviderOptions): Promise<RunningProvider> {
  const clients = registerClients(options.clients);
  const clock = options.clock ?? systemClock;
  const db = openDatabase(options.dataFile ?? ":memory:", PROVIDER_SCHEMA);
  const stopping = new AbortController();
  const log = createRequestLog(db, clock);
  const switchboard = createSwitchboard(db);
  const parts = { db, log, switchboard, clock, clients, stopping: stopping.signal };
  let issuer = options.issuer;
  try {
    const server = await listen(options.port ?? 0, (url) => {
      issuer ??= url;
      const app = createProviderApp({ ...parts, issuer });
      return (request, env) => app.fetch(request, env);
    });
    let closing: Promise<void> | undefined;
    return {
      url: server.url,
      issuer: issuer ?? server.url,
      switches: { get: switchboard.get, set: (switches) => setOrThrow(switchboard, switches) },
      log: (after = 0) => log.list(after),
      grants: () => createGrantStore(db).grants(),
      reset: () => resetProvider(db),
      close() {
        stopping.abort();
        closing ??= server.close().then(() => db.close());
        return closing;
      },
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

type AppDeps = {
  db: Database;
  log: RequestLog;
  switchboard: Switchboard;
  clock: Clock;
  clients: ReadonlyMap<string, Client>;
  stopping: AbortSignal;
  issuer: string;
};

function createProviderApp(deps: AppDeps) {
  const app = createBaseApp<ProviderEnv>(deps.log);
  const grants = createGrantStore(deps.db);
  const events = createEventStore(deps.db, deps.clock);
  const faults = createFaults(deps);
  const idTokens = createIdTokenSigner(deps);
  const all = { ...deps, grants, events, idTokens };
  app.get("/.well-known/oauth-authorization-server", faults("metadata"), (c) => c.json(metadata(deps)));
  app.get("/.well-known/openid-configuration", faults("metadata"), (c) => c.json(metadata(deps)));
  app.get("/jwks", faults("metadata"), async (c) => c.json(await idTokens.jwks()));
  app.get("/authorize", faults("authorize"), (c) => handleAuthorize(all, c));
  app.post("/authorize/decision", faults("authorize"), (c) => handleDecision(all, c));
  app.post("/token", faults("token"), (c) => handleToken(all, c));
  app.post("/revoke", faults("revoke"), (c) => handleRevoke(all, c));
  app.get("/userinfo", faults("userinfo"), (c) => handleUserinfo(all, c));
  app.use("/calendar/v1/*", faults("calendar"));
  app.get("/calendar/v1/me", (c) => handleMe(all, c));
  app.get("/calendar/v1/events", (c) => handleListEvents(all, c));
  app.post("/calendar/v1/events", (c) => handleAddEvent(all, c));
  addSandboxRoutes(app, all);
  return app;
}

/** RFC 8414 section 2, RFC 9207 section 3 and OpenID Connect Discovery section 3. */
function metadata({ issuer }: AppDeps) {
  const base = issuer.replace(/\/$/, "");
  return {
    issuer,
    authorization_endpoint: `${base}/authorize`,
    token_endpoint: `${base}/token`,
    revocation_endpoint: `${base}/revoke`,
    userinfo_endpoint: `${base}/userinfo`,
    jwks_uri: `${base}/jwks`,
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
    scopes_supported: SCOPES.map((scope) => scope.name),
    response_types_supported: ["code"],
    response_modes_supported: ["query"],
    grant_types_supported: ["authorization_code", "refresh_token"],
    token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
    revocation_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
  };
}

function setOrThrow(switchboard: Switchboard, switches: Partial<Switches> | Record<string, unknown>): void {
  const problems = switchboard.set(switches);
  if (problems.length > 0) throw new TypeError(`The switches are refused: ${problems.join("; ")}.`);
}
