import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionConfig } from "../config.ts";
import { ApiError } from "../http/errors.ts";
import type { Clock } from "../lib/clock.ts";
import type { Secret } from "../lib/secret.ts";
import type { Arrivals } from "./arrivals.ts";
import { vaultError } from "./errors.ts";
import { vaultEvents } from "./events.ts";
import type { Flights } from "./flights.ts";
import { type Lease, type Leases, refreshedEvent } from "./lease.ts";
import { attemptAfter, type Issued, isDue, isUsable, type RefreshProtocol, requireAlive } from "./refresh.ts";
import type { TokenSealer } from "./seal-tokens.ts";
import { type AccountRow, joinScopes, splitScopes } from "./store.ts";

/** An access token that may be handed out. */
export interface FreshToken {
  readonly accessToken: Secret;
  readonly scopes: readonly string[];
  /** Milliseconds; null when the provider names no end. */
  readonly expiresAt: number | null;
}

export interface AccessDeps {
  readonly leases: Leases;
  readonly arrivals: Arrivals;
  readonly tokens: TokenSealer;
  readonly protocol: RefreshProtocol;
  readonly flights: Flights;
  readonly clock: Clock;
}

/** When a provider names no life, or one that cannot be: short, because the price is one refresh. */
export const ASSUMED_LIFE_SECONDS = 600;
/** Part of a token's life after which it is refreshed, while the old one still works. */
const REFRESH_AT = 0.8;
/** How long a caller with a usable token waits for a better one. */
const EARLY_WAIT_MS = 3_000;
const MISCONFIGURED_RETRY_MS = 60_000;

/** When a token set is to be refreshed and when it ends. Without a refresh token it may live for ever. */
export function lifeOf(
  tokens: { readonly expiresInSeconds: number | undefined; readonly hasRefreshToken: boolean },
  sentAt: number,
): { refreshAt: number | null; expiresAt: number | null } {
  if (tokens.expiresInSeconds === undefined && !tokens.hasRefreshToken)
    return { refreshAt: null, expiresAt: null };
  const lifeMs = (tokens.expiresInSeconds ?? ASSUMED_LIFE_SECONDS) * 1_000;
  return { refreshAt: Math.floor(sentAt + lifeMs * REFRESH_AT), expiresAt: sentAt + lifeMs };
}

/** Gives the access tokens of accounts, with all scopes that the user granted. */
export function createAccess(deps: AccessDeps) {
  const { leases, tokens, protocol, flights, clock } = deps;
  const plan = {
    params: {},
    done: async (row: AccountRow) => (isDue(row, clock.now()) ? undefined : row),
    settle,
    async scopeRefused(lease: Lease): Promise<AccountRow> {
      // No scope was asked for, so this answers a question that nobody asked.
      await leases.commit(lease, {
        ...attemptAfter(lease, false),
        next_try_at: clock.now() + MISCONFIGURED_RETRY_MS,
        last_failure: "misconfigured",
      });
      throw vaultError("vault.connection_misconfigured");
    },
    async impossible(row: AccountRow): Promise<AccountRow> {
      if (isUsable(row, clock.now())) return row;
      await leases.breakUnleased(row, "no_refresh_token");
      throw vaultError("vault.account_broken", { members: { reason: "no_refresh_token" } });
    },
  };

  async function settle(issued: Issued): Promise<AccountRow | undefined> {
    const { lease, sentAt, spent } = issued;
    const before = splitScopes(lease.account.scopes);
    const scopes = issued.tokens.scopes ?? before;
    const { accessToken, refreshToken = spent, expiresInSeconds } = issued.tokens;
    const missing = before.filter((scope) => !scopes.includes(scope));
    const events = [refreshedEvent(lease.account)];
    if (missing.length > 0) {
      const event = refreshedEvent(lease.account, { missing: missing.join(" ") });
      events.push({ ...event, action: vaultEvents.scopeShrunk });
    }
    return deps.arrivals.store(
      lease,
      {
        tokens: { accessToken, refreshToken },
        scopes: joinScopes(scopes),
        ...lifeOf({ expiresInSeconds, hasRefreshToken: true }, sentAt),
      },
      spent,
      { events },
    );
  }

  function open(row: AccountRow): FreshToken {
    return {
      accessToken: tokens.openAccess(row),
      scopes: splitScopes(row.scopes),
      expiresAt: row.expires_at,
    };
  }

  return {
    /**
     * The account's own access token, refreshed when it is time.
     * @throws ApiError `vault.not_connected`, `vault.account_broken`, `vault.provider_unavailable`,
     *   `vault.connection_misconfigured`
     */
    async whole(row: AccountRow, connection: ConnectionConfig): Promise<FreshToken> {
      requireAlive(row);
      if (!isDue(row, clock.now())) return open(row);
      const fresh = flights.join(row.id, "whole", () => protocol.run(row.id, connection, plan));
      if (!isUsable(row, clock.now())) return open(await fresh);
      return (await early(fresh.then(open))) ?? open(row);
    },
  };
}

/** @see createAccess */
export type Access = ReturnType<typeof createAccess>;

/**
 * A better token if it comes soon; `undefined` to go on with the old one, which still works: a provider's
 * trouble is no trouble yet. That the account ended is passed on.
 */
export async function early<T>(fresh: Promise<T>): Promise<T | undefined> {
  const waiting = new AbortController();
  const patience = sleep(EARLY_WAIT_MS, undefined, { signal: waiting.signal }).catch(() => undefined);
  const outcome = fresh.catch((error: unknown) => {
    if (ApiError.is(error) && error.status >= 500) return undefined;
    throw error;
  });
  outcome.catch(() => undefined); // When patience ends first: the next caller hears of it from the row.
  try {
    return await Promise.race([outcome, patience]);
  } finally {
    waiting.abort();
  }
}
