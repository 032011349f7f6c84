import { setTimeout as sleep } from "node:timers/promises";
import type { AuditEvent } from "../audit/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { reveal, type Secret } from "../lib/secret.ts";
import type { Tx } from "../storage/index.ts";
import { type AccountChange, type Lease, type Leases, SETTLED } from "./lease.ts";
import type { Revoker } from "./revoke.ts";
import type { TokenSealer } from "./seal-tokens.ts";
import type { NewTokens, Spool, SpoolEntry } from "./spool.ts";
import type { AccountRow, AccountStore } from "./store.ts";

export interface ArrivalDeps {
  readonly accounts: AccountStore;
  readonly leases: Leases;
  readonly spool: Spool;
  readonly tokens: TokenSealer;
  readonly revoker: Revoker;
  readonly clock: Clock;
  readonly log: Log;
}

const COMMIT_DELAYS_MS = [100, 300, 1_000, 3_000];
const SALVAGE_KEPT_MS = 24 * 3_600_000;

/** Takes in token sets that a provider issued, so that none is lost and none overwrites a newer one. */
export function createArrivals(deps: ArrivalDeps) {
  const { accounts, leases, spool, tokens, clock } = deps;

  /**
   * Spools, then commits under the lease. `undefined` when the commit was fenced off: the account was
   * disconnected meanwhile (then the late tokens are revoked) or somebody else was faster (then they stay).
   */
  async function store(
    lease: Lease,
    arrived: NewTokens,
    spent: Secret,
    extra: { events: readonly AuditEvent[]; also?: (tx: Tx) => Promise<void> },
  ): Promise<AccountRow | undefined> {
    await keep(lease, arrived);
    const change = { ...SETTLED, ...changeOf(lease.account, arrived, spent) };
    const row = await retrying(() => leases.commit(lease, change, extra));
    if (!row) return superseded(lease, arrived, spent);
    await spool.remove(lease.attemptId);
    return row;
  }

  /** On disk before it is in the database. A full disk is no reason to lose what the database may still take. */
  async function keep(lease: Lease, result: NewTokens): Promise<void> {
    const { attemptId, version, account } = lease;
    try {
      const { id: accountId, connection } = account;
      await spool.write({ attemptId, accountId, connection, version, result });
    } catch (error) {
      deps.log.error("the spool cannot be written; make room for it", {
        account: account.id,
        error: error instanceof Error && "code" in error ? String(error.code) : "unknown",
      });
    }
  }

  /** While the database is away the process holds on to the tokens; after that the spool does. */
  async function retrying<T>(work: () => Promise<T>): Promise<T> {
    for (const delayMs of COMMIT_DELAYS_MS) {
      try {
        return await work();
      } catch (error) {
        const kind = error instanceof Error ? error.name : "unknown";
        deps.log.warn("a token set is not stored yet", { error: kind });
        await sleep(delayMs);
      }
    }
    return work();
  }

  async function superseded(lease: Lease, arrived: NewTokens, spent: Secret): Promise<undefined> {
    const row = await accounts.find(lease.account.id);
    if (!row || row.status === "revoked") {
      const { id: accountId, connection } = lease.account;
      await deps.revoker.discard({ connection, accountId, tokens: arrived.tokens });
      await spool.remove(lease.attemptId);
    } else if (row.version === lease.version) {
      // Nobody stored anything newer: a process that took the lease over had no success with the spent token.
      if (await leases.salvage(row, changeOf(row, arrived, spent))) await spool.remove(lease.attemptId);
    }
    return undefined;
  }

  /** The columns of `arrived` as the row's next version. */
  function changeOf(row: AccountRow, arrived: NewTokens, spent: Secret | undefined): AccountChange {
    const version = row.version + 1;
    const { refreshToken } = arrived.tokens;
    const rotated = spent && refreshToken && reveal(spent) !== reveal(refreshToken);
    const set = { ...arrived.tokens, previousRefreshToken: rotated ? spent : undefined };
    // An account that is not disconnected has its key.
    const sealed = row.data_key ? tokens.sealSet(row.data_key, row, version, set) : {};
    const { scopes, refreshAt, expiresAt } = arrived;
    return { ...sealed, version, scopes, refresh_at: refreshAt, expires_at: expiresAt };
  }

  async function takeIn(entry: SpoolEntry): Promise<void> {
    const row = await accounts.find(entry.accountId);
    if (!row || row.status === "revoked") {
      const { connection, accountId, result } = entry;
      await deps.revoker.discard({ connection, accountId, tokens: result.tokens });
      await spool.remove(entry.attemptId);
    } else if (row.version === entry.version) {
      const change = changeOf(row, entry.result, tokens.openRefresh(row));
      if (await leases.salvage(row, change)) await spool.remove(entry.attemptId);
    } else if (entry.receivedAt < clock.now() - SALVAGE_KEPT_MS) await spool.remove(entry.attemptId);
  }

  return {
    store,

    /**
     * Goes through the spool: what fits its row is stored, what belongs to a disconnected account is revoked,
     * what was overtaken is kept for a day and then removed. Safe to run at any time and in every process.
     */
    async reconcile(): Promise<void> {
      for (const entry of await spool.list()) {
        try {
          await takeIn(entry);
        } catch (error) {
          // One account's trouble is not the others'; the entry stays for the next time.
          deps.log.error("a spool entry cannot be taken in", {
            account: entry.accountId,
            error: error instanceof Error ? error.name : "unknown",
          });
        }
      }
    },
  };
}

/** @see createArrivals */
export type Arrivals = ReturnType<typeof createArrivals>;
