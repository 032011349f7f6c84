import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionConfig } from "../config.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids, RandomBytes } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import { reveal, type Secret } from "../lib/secret.ts";
import { vaultError } from "./errors.ts";
import type { Lease, Leases } from "./lease.ts";
import { type IssuedTokens, PROVIDER_TIMEOUT_MS, type Provider, type TokenAnswer } from "./provider.ts";
import type { TokenSealer } from "./seal-tokens.ts";
import type { Spool } from "./spool.ts";
import type { AccountRow, AccountStore } from "./store.ts";

export interface RefreshDeps {
  readonly accounts: AccountStore;
  readonly leases: Leases;
  readonly spool: Spool;
  readonly provider: Provider;
  readonly tokens: TokenSealer;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: RandomBytes;
  readonly log: Log;
}

/** What one kind of refresh does with protocol R. */
export interface RefreshPlan<T> {
  /** The result, when `row` has it already: because another process was faster. */
  done(row: AccountRow): Promise<T | undefined>;
  /** Added to the refresh request. */
  readonly params: Readonly<Record<string, string>>;
  /** Stores what arrived; `undefined` when the lease was lost meanwhile. */
  settle(issued: Issued): Promise<T | undefined>;
  /** The provider does not give what `params` ask for. */
  scopeRefused(lease: Lease): Promise<T>;
  /** There is no refresh token to ask with. */
  impossible(row: AccountRow): Promise<T>;
}

/** An answer with tokens, and what it answers. */
export interface Issued {
  readonly lease: Lease;
  readonly sentAt: number;
  readonly tokens: IssuedTokens;
  /** The refresh token that was sent. */
  readonly spent: Secret;
}

/** Past this a caller is told to come back: another process is at it, or its machine died with the lease. */
const WAIT_FOR_OTHER_MS = 25_000;
const POLL_MS = 50;
/** The same bound where the clock does not move. */
const MAX_LOOKS = WAIT_FOR_OTHER_MS / POLL_MS;
/** A run that is overtaken each time stops here: it must not become the provider's problem. */
const MAX_SENDS = 3;
/** From taking the lease to writing to the socket; the rest of the lease is for the answer and its commit. */
const MAX_STALL_MS = 120_000 - PROVIDER_TIMEOUT_MS - 1_000;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 900_000;
/** A wrong client secret does not mend itself; still somebody may be correcting it right now. */
const MISCONFIGURED_RETRY_MS = 60_000;

/**
 * Protocol R: a refresh token is sent at most once at a time, by the holder of a fenced lease, and what comes
 * back is on disk before it is in the database.
 */
export function createRefreshProtocol(deps: RefreshDeps) {
  const { accounts, leases, clock, log } = deps;

  /** Runs `plan` until it has a result. @throws ApiError of the vault's table, always after re-reading the row. */
  async function run<T>(accountId: string, connection: ConnectionConfig, plan: RefreshPlan<T>): Promise<T> {
    const giveUpAt = clock.now() + WAIT_FOR_OTHER_MS;
    let [looks, sends] = [0, 0];
    for (;;) {
      const row = requireAlive(await accounts.find(accountId));
      const done = await plan.done(row);
      if (done !== undefined) return done;
      if (!row.sealed_refresh) return plan.impossible(row);
      if (row.next_try_at > clock.now()) throw failureOf(row, clock);
      const startedAt = clock.now();
      const lease = await leases.acquire(row, deps.ids.prefixed("att"), connection);
      if (lease) {
        const result = await attempt(lease, startedAt, connection, plan);
        if (result !== undefined) return result;
        if (++sends >= MAX_SENDS) throw busy();
        continue;
      }
      if (isUsable(row, clock.now()) || clock.now() >= giveUpAt || ++looks >= MAX_LOOKS) throw busy();
      await sleep(POLL_MS);
    }
  }

  /** One request under the lease. `undefined`: the row moved on, look again. */
  async function attempt<T>(
    lease: Lease,
    startedAt: number,
    connection: ConnectionConfig,
    plan: RefreshPlan<T>,
  ): Promise<T | undefined> {
    const stored = deps.tokens.openRefresh(lease.account);
    if (!stored) return undefined;
    const own = await send(startedAt, connection, plan, stored);
    if (own.answer.kind !== "grant_refused") return conclude(lease, connection, plan, own);
    // Errors are believed only after looking again: who moved the row has newer tokens.
    const now = await accounts.find(lease.account.id);
    if (now?.version !== lease.version || now.lease_epoch !== lease.epoch) return undefined;
    const spooled = await newestSpooled(lease, stored);
    if (!spooled) return conclude(lease, connection, plan, own);
    return conclude(lease, connection, plan, await send(startedAt, connection, plan, spooled));
  }

  async function send<T>(
    startedAt: number,
    connection: ConnectionConfig,
    plan: RefreshPlan<T>,
    refreshToken: Secret,
  ) {
    const sentAt = clock.now();
    // A process that stood still may have lost its lease by now: nothing is sent, nothing is lost.
    if (sentAt - startedAt > MAX_STALL_MS) return { sentAt, spent: refreshToken, answer: STALLED };
    const params = {
      grant_type: "refresh_token",
      refresh_token: reveal(refreshToken),
      ...plan.params,
    };
    const answer = await deps.provider.requestTokens(connection, params);
    return { sentAt, spent: refreshToken, answer };
  }

  /** An answer that arrived but was never committed may hold the live token. */
  async function newestSpooled(lease: Lease, stored: Secret): Promise<Secret | undefined> {
    const entries = await deps.spool.list(lease.account.id);
    return entries
      .map((entry) => entry.result.tokens.refreshToken)
      .find((token) => token !== undefined && reveal(token) !== reveal(stored));
  }

  async function conclude<T>(
    lease: Lease,
    connection: ConnectionConfig,
    plan: RefreshPlan<T>,
    { sentAt, spent, answer }: { sentAt: number; spent: Secret; answer: TokenAnswer },
  ): Promise<T | undefined> {
    const facts = { account: lease.account.id, connection: connection.name, answer: answer.kind };
    switch (answer.kind) {
      case "tokens":
        return plan.settle({ lease, sentAt, spent, tokens: answer.tokens });
      case "scope_refused":
        return plan.scopeRefused(lease);
      case "grant_refused": {
        log.warn("a refresh was refused", { ...facts, error: answer.error });
        const lost = lease.afterUnknown && connection.rotation !== "none";
        await leases.breakUnder(lease, lost ? "lost_rotation" : "refused_by_provider");
        return undefined; // Read again: it is broken now, or somebody else was faster.
      }
      case "client_refused":
        log.error("a provider refuses our client; correct the connection", { ...facts, error: answer.error });
        await leases.commit(lease, {
          ...attemptAfter(lease, false),
          next_try_at: clock.now() + MISCONFIGURED_RETRY_MS,
          last_failure: "misconfigured",
        });
        return undefined;
      case "unavailable":
        log.warn("a refresh came to nothing", { ...facts, reason: answer.reason });
        await leases.commit(lease, {
          ...attemptAfter(lease, answer.sent),
          next_try_at: clock.now() + backoffMs(lease.account.fail_count, answer, deps.random),
          fail_count: lease.account.fail_count + 1,
          last_failure: "unavailable",
        });
        return undefined;
    }
  }

  return { run };
}

/** @see createRefreshProtocol */
export type RefreshProtocol = ReturnType<typeof createRefreshProtocol>;

const STALLED: TokenAnswer = {
  kind: "unavailable",
  reason: "stalled",
  sent: false,
  retryAfterSeconds: undefined,
};

/** What stays open after an attempt: a rotating provider may have spent the token although no answer came. */
export function attemptAfter(lease: Lease, outcomeUnknown: boolean) {
  if (outcomeUnknown) return { status: "uncertain" } as const;
  return lease.afterUnknown ? {} : { attempt_at: null };
}

/** The account, unless only the user can go on. @throws ApiError `vault.not_connected`, `vault.account_broken` */
export function requireAlive(row: AccountRow | undefined): AccountRow {
  if (!row || row.status === "revoked") throw vaultError("vault.not_connected");
  if (row.status === "broken")
    throw vaultError("vault.account_broken", { members: { reason: row.broken_reason ?? "unknown" } });
  return row;
}

/** How much of an access token's life must be left for it to be of use. */
const MIN_LIFE_LEFT_MS = 5_000;

/** Whether the stored access token can still be handed out. */
export function isUsable(row: Pick<AccountRow, "expires_at">, now: number): boolean {
  return row.expires_at === null || now < row.expires_at - MIN_LIFE_LEFT_MS;
}

/** Whether it is time to refresh: 80% of the token's life are over. */
export function isDue(row: Pick<AccountRow, "refresh_at">, now: number): boolean {
  return row.refresh_at !== null && now >= row.refresh_at;
}

/** What the last attempt said, for those who ask before the next one is due. */
function failureOf(row: AccountRow, clock: Clock) {
  const seconds = Math.max(1, Math.ceil((row.next_try_at - clock.now()) / 1_000));
  if (row.last_failure === "misconfigured") return vaultError("vault.connection_misconfigured");
  return vaultError("vault.provider_unavailable", { members: { retry_after: seconds } });
}

function busy() {
  return vaultError("vault.provider_unavailable", {
    members: { retry_after: 5 },
    reason: "another process holds the lease",
  });
}

/** Full jitter between half and all of 1 s, 2 s, 4 s … 15 min; never before the provider's `Retry-After`. */
function backoffMs(
  failures: number,
  answer: { readonly retryAfterSeconds: number | undefined },
  random: RandomBytes,
): number {
  const most = Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(failures, 20), MAX_BACKOFF_MS);
  const fraction = (random(1)[0] ?? 0) / 255;
  const jittered = Math.round(most / 2 + (most / 2) * fraction);
  return Math.max(jittered, (answer.retryAfterSeconds ?? 0) * 1_000);
}
