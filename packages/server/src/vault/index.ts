import { Hono } from "hono";
import type { Audit } from "../audit/index.ts";
import type { ConnectionConfig } from "../config.ts";
import { randomBytes, randomToken } from "../crypto/random.ts";
import type { Sealer } from "../crypto/seal.ts";
import type { Discovery } from "../http/discovery.ts";
import type { Egress } from "../http/egress.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { BrowserSessions, Users } from "../login/index.ts";
import type { OwnGrant, RequireToken, SubjectTokens } from "../oauth/index.ts";
import type { Storage } from "../storage/index.ts";
import type { Outbox, OutboxHandler } from "../storage/outbox.ts";
import { createAccess } from "./access.ts";
import { createAccountMerger } from "./account-merge.ts";
import { createArrivals } from "./arrivals.ts";
import { createBrowserFlow } from "./browser.ts";
import { createConnect } from "./connect.ts";
import { createConnectSealer } from "./connect-seal.ts";
import { createConnectStore } from "./connect-store.ts";
import { createExchange, type ExchangeRequest, type ReleasedToken } from "./exchange.ts";
import { createFlights } from "./flights.ts";
import { createVaultGrant } from "./grant.ts";
import { createLeases } from "./lease.ts";
import { createNarrowAccess } from "./narrow.ts";
import { type AgentDirectory, createPageRoutes } from "./page-routes.ts";
import { createProvider } from "./provider.ts";
import { createRefreshProtocol } from "./refresh.ts";
import { createRevoker, REVOKE_TOPIC } from "./revoke.ts";
import { createMeRoutes } from "./routes.ts";
import { createTokenSealer } from "./seal-tokens.ts";
import { createSpool } from "./spool.ts";
import { createAccountStore } from "./store.ts";

export { type VaultErrorCode, vaultErrors } from "./errors.ts";
export { vaultEvents } from "./events.ts";
export type { ExchangeRequest, ReleasedToken } from "./exchange.ts";
export type { AgentDirectory } from "./page-routes.ts";
export { createProvider, type Provider } from "./provider.ts";

/** What the vault is made of. */
export interface VaultDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly sealer: Sealer;
  readonly egress: Egress;
  readonly discovery: Discovery;
  readonly connections: readonly ConnectionConfig[];
  /** Ends in `/`. */
  readonly issuer: string;
  readonly clients: AgentDirectory;
  readonly users: Users;
  readonly sessions: BrowserSessions;
  readonly requireToken: RequireToken;
  readonly subjectTokens: SubjectTokens;
  /** Folder of this process for tokens that are not committed yet; made when it is missing. */
  readonly spoolDir: string;
  readonly log: Log;
}

/** Users' accounts at third parties: connected, refreshed, handed out, disconnected. */
export interface Vault {
  /**
   * A fresh access token of the user's account, recorded before it is returned. Safe to call concurrently:
   * any number of callers make at most one request to the provider.
   * @throws ApiError with a code of {@link vaultErrors}
   */
  exchange(request: ExchangeRequest): Promise<ReleasedToken>;
  /** The same at the token endpoint. */
  readonly grant: OwnGrant;
  /** Disconnects an account. @throws ApiError `vault.account_unknown` */
  disconnect(userId: string, accountId: string): Promise<void>;
  /** `/me/v1/connected-accounts/*`, `/connect`, `/connect/confirm`, `/login/callback`, `/accounts`. */
  readonly routes: Hono;
  /** Takes in what an earlier process left in the spool. Call once, before requests are served. */
  start(): Promise<void>;
  /** Background work: revocations, the spool, what expired. Call every few seconds; safe in every process. */
  tick(): Promise<void>;
  /** Handlers of the outbox topics that this slice writes; `tick` delivers them too. */
  readonly outboxHandlers: Readonly<Record<string, OutboxHandler>>;
  /** Resolves when refreshes that are under way have ended; call it after the last request. */
  close(): Promise<void>;
}

/** Puts the vault together. Starts nothing: see `start` and `tick`. */
export function createVault(deps: VaultDeps): Vault {
  const byName = new Map(deps.connections.map((connection) => [connection.name, connection]));
  const connection = (name: string) => byName.get(name);
  const base = { ...deps, connection, random: randomBytes };

  const accounts = createAccountStore(base);
  const tokens = createTokenSealer(base);
  const provider = createProvider(base);
  const leases = createLeases({ ...base, owner: randomToken() });
  const spool = createSpool({ ...base, dir: deps.spoolDir });
  const flights = createFlights();
  const revoker = createRevoker({ ...base, tokens, accounts, provider });
  const arrivals = createArrivals({ ...base, accounts, leases, spool, tokens, revoker });
  const protocol = createRefreshProtocol({ ...base, accounts, leases, spool, provider, tokens });
  const parts = { ...base, accounts, leases, arrivals, tokens, protocol, flights };
  const exchange = createExchange({
    ...base,
    accounts,
    access: createAccess(parts),
    narrow: createNarrowAccess(parts),
  });

  const transactions = createConnectStore(base);
  const box = createConnectSealer(base);
  const merger = createAccountMerger({ ...base, tokens, box });
  const connect = createConnect({ ...base, transactions, box, merger });
  const browser = createBrowserFlow({ ...base, transactions, accounts, box, provider, revoker });
  const outboxHandlers = { [REVOKE_TOPIC]: revoker.deliver };

  const routes = new Hono();
  routes.route("/", createMeRoutes({ ...base, connect, revoker, accounts }));
  routes.route("/", createPageRoutes({ ...base, browser, revoker, accounts }));

  return {
    exchange,
    grant: createVaultGrant({ exchange, subjectTokens: deps.subjectTokens }),
    disconnect: (userId, accountId) => revoker.disconnect(userId, accountId, { clientId: undefined }),
    routes,
    async start() {
      await arrivals.reconcile();
      await leases.freeAll();
      await arrivals.reconcile(); // What waited for a lease of the process before.
    },
    async tick() {
      await arrivals.reconcile();
      await deps.outbox.deliver(outboxHandlers);
      await revoker.giveUpOld();
      await browser.sweep();
    },
    outboxHandlers,
    close: flights.idle,
  };
}
