import { type RawBuilder, sql } from "kysely";
import type { Audit, AuditEvent } from "../audit/index.ts";
import type { ConnectionConfig } from "../config.ts";
import type { Clock } from "../lib/clock.ts";
import type { Storage, Tx } from "../storage/index.ts";
import { vaultEvents } from "./events.ts";
import type { AccountRow, BrokenReason, VaultTables } from "./store.ts";

/** The right to send one refresh of an account, and to write what comes of it. */
export interface Lease {
  readonly account: AccountRow;
  readonly attemptId: string;
  readonly epoch: number;
  readonly version: number;
  /** An earlier request was sent and nobody knows what came of it. */
  readonly afterUnknown: boolean;
}

/** Longer than any exchange with a provider, so that a lease that expired had an owner that died or stood still. */
export const LEASE_MS = 120_000;
/** How long the owner of an expired lease may take to come back with what it had spooled. */
const SPOOL_WAIT_MS = 300_000;
/** Safety taken off a provider's grace period: clocks, and the way there. */
const GRACE_MARGIN_MS = 60_000;

/** A change of an account's columns. */
export type AccountChange = Partial<Omit<AccountRow, "id">>;

/** The statements of protocol R: each names the lease it acts under, and changes nothing when that is over. */
export function createLeases(deps: { storage: Storage; clock: Clock; audit: Audit; owner: string }) {
  const { storage, clock, audit, owner } = deps;

  /** Takes the lease by one compare-and-set; `undefined` when somebody else has it or the row moved on. */
  async function acquire(
    row: AccountRow,
    attemptId: string,
    connection: ConnectionConfig,
  ): Promise<Lease | undefined> {
    const now = databaseNow(storage, clock);
    const { rows } = await sql<AccountRow>`
      update connected_accounts set
        lease_epoch = lease_epoch + 1, lease_owner = ${owner}, lease_until = ${now} + ${LEASE_MS},
        attempt_id = ${attemptId}, attempt_at = coalesce(attempt_at, ${now})
      where id = ${row.id} and version = ${row.version} and status in ('active', 'uncertain')
        and attempt_at is not distinct from ${row.attempt_at} and next_try_at <= ${clock.now()} and (lease_until is null or ${mayTakeOver(connection, now)})
      returning *`.execute(storage.db<VaultTables>());
    const account = rows[0];
    if (!account) return undefined;
    return {
      account,
      attemptId,
      epoch: account.lease_epoch,
      version: account.version,
      afterUnknown: row.attempt_at !== null,
    };
  }

  /** Applies `change` under the lease and ends it; the events exist exactly when the change does. */
  function commit(
    lease: Lease,
    change: AccountChange,
    extra: { events?: readonly AuditEvent[]; also?: (tx: Tx) => Promise<void> } = {},
  ): Promise<AccountRow | undefined> {
    return storage.transaction(async (tx) => {
      const row = await tx
        .db<VaultTables>()
        .updateTable("connected_accounts")
        .set({ ...change, lease_owner: null, lease_until: null, attempt_id: null, updated_at: clock.now() })
        .where("id", "=", lease.account.id)
        .where("lease_epoch", "=", lease.epoch)
        .where("version", "=", lease.version)
        .where("status", "in", ["active", "uncertain"])
        .returningAll()
        .executeTakeFirst();
      if (!row) return undefined;
      await extra.also?.(tx);
      for (const event of extra.events ?? []) await audit.appendIn(tx, event);
      return row;
    });
  }

  return {
    acquire,
    commit,

    /** Writes a token set that was found in the spool, if the row is still what it was made from. */
    salvage: (row: AccountRow, change: AccountChange): Promise<AccountRow | undefined> =>
      storage.transaction(async (tx) => {
        const now = databaseNow(storage, clock);
        const written = await tx
          .db<VaultTables>()
          .updateTable("connected_accounts")
          .set({ ...change, ...SETTLED, lease_epoch: sql<number>`lease_epoch + 1`, updated_at: clock.now() })
          .where("id", "=", row.id)
          .where("version", "=", row.version)
          .where("status", "<>", "revoked")
          .where(sql<boolean>`(lease_until is null or lease_until < ${now})`)
          .returningAll()
          .executeTakeFirst();
        if (written) await audit.appendIn(tx, refreshedEvent(row, { salvaged: true }));
        return written;
      }),

    /** Ends an account that only the user can mend: one event, by whoever comes first. */
    breakUnder(lease: Lease, reason: BrokenReason): Promise<AccountRow | undefined> {
      const change = { status: "broken", broken_reason: reason, attempt_at: null } as const;
      return commit(lease, change, { events: [brokenEvent(lease.account, reason)] });
    },

    /** As {@link breakUnder}, for an account that cannot be refreshed at all. */
    breakUnleased: (row: AccountRow, reason: BrokenReason): Promise<void> =>
      storage.transaction(async (tx) => {
        const broken = await tx
          .db<VaultTables>()
          .updateTable("connected_accounts")
          .set({ status: "broken", broken_reason: reason, updated_at: clock.now() })
          .where("id", "=", row.id)
          .where("version", "=", row.version)
          .where("status", "in", ["active", "uncertain"])
          .returning("id")
          .executeTakeFirst();
        if (broken) await audit.appendIn(tx, brokenEvent(row, reason));
      }),

    /**
     * Frees the leases of a process that is gone. Only where one process writes (SQLite), and only after its
     * spool was read: nobody else can come back with an answer.
     */
    async freeAll(): Promise<void> {
      if (storage.engine !== "sqlite") return;
      await storage
        .db<VaultTables>()
        .updateTable("connected_accounts")
        .set({ lease_until: null, lease_owner: null, attempt_id: null, status: "uncertain" })
        .where("lease_until", "is not", null)
        .where("status", "in", ["active", "uncertain"])
        .execute();
    },
  };
}

/** @see createLeases */
export type Leases = ReturnType<typeof createLeases>;

/** Columns of an account about which nothing is open any more. */
export const SETTLED = {
  status: "active",
  broken_reason: null,
  lease_owner: null,
  lease_until: null,
  attempt_id: null,
  attempt_at: null,
  fail_count: 0,
  next_try_at: 0,
  last_failure: null,
} as const satisfies AccountChange;

/**
 * When an expired lease may be taken although nobody knows what its owner did. A provider that keeps refresh
 * tokens: at once. One with a grace period: within it. Any other: after the owner had time to come back.
 */
function mayTakeOver(connection: ConnectionConfig, now: RawBuilder<number>): RawBuilder<boolean> {
  if (connection.rotation === "none") return sql`lease_until < ${now}`;
  const afterWait = sql<boolean>`lease_until + ${SPOOL_WAIT_MS} < ${now}`;
  if (connection.rotation !== "grace") return afterWait;
  const graceMs = connection.graceSeconds * 1_000 - GRACE_MARGIN_MS;
  return sql`(${afterWait} or (lease_until < ${now} and ${now} - attempt_at < ${graceMs}))`;
}

/** Leases are measured by one clock, whichever process looks: the database's. SQLite has one process. */
function databaseNow(storage: Storage, clock: Clock): RawBuilder<number> {
  if (storage.engine === "sqlite") return sql`${clock.now()}`;
  return sql`cast(extract(epoch from now()) * 1000 as bigint)`;
}

/** The event of a token set that was stored. */
export function refreshedEvent(
  row: AccountRow,
  details: Readonly<Record<string, string | number | boolean>> = {},
): AuditEvent {
  return {
    action: vaultEvents.refreshed,
    outcome: "done",
    userId: row.user_id,
    objectId: row.id,
    details: { connection: row.connection, ...details },
  };
}

function brokenEvent(row: AccountRow, reason: BrokenReason): AuditEvent {
  return {
    action: vaultEvents.broken,
    outcome: "failed",
    userId: row.user_id,
    objectId: row.id,
    details: { connection: row.connection, reason },
  };
}
