import type { Clock } from "../lib/clock.ts";
import type { Queryable, Storage } from "../storage/index.ts";
import type { ConnectRow, VaultTables } from "./store.ts";

/** Statements over connect transactions. Each step is one conditional update: it happens once, or not at all. */
export function createConnectStore(deps: { storage: Storage; clock: Clock }) {
  const { clock } = deps;
  const table = (on: Queryable = deps.storage) => on.db<VaultTables>();

  /** Rows that are at `status` and not expired. */
  const at = (status: ConnectRow["status"]) =>
    table()
      .selectFrom("connect_transactions")
      .selectAll()
      .where("status", "=", status)
      .where("expires_at", ">", clock.now());

  return {
    insert: (row: ConnectRow): Promise<unknown> =>
      table().insertInto("connect_transactions").values(row).execute(),

    /** Started and not expired, or whatever became of it since: only `started` may go on. */
    findByTicket: (ticketHash: string) =>
      at("started")
        .where("ticket_hash", "=", ticketHash)
        .where("ticket_expires_at", ">", clock.now())
        .executeTakeFirst(),
    findByState: (stateHash: string) => at("sent").where("state_hash", "=", stateHash).executeTakeFirst(),
    findParked: (id: string) => at("parked").where("id", "=", id).executeTakeFirst(),
    findConfirmed: (authSessionHash: string) =>
      at("confirmed").where("auth_session_hash", "=", authSessionHash).executeTakeFirst(),

    /** Moves a row one step on; `undefined` when another request did, or it expired. */
    async step(
      row: ConnectRow,
      change: Partial<Omit<ConnectRow, "id">> & { status: ConnectRow["status"] },
      on?: Queryable,
    ): Promise<ConnectRow | undefined> {
      return table(on)
        .updateTable("connect_transactions")
        .set(change)
        .where("id", "=", row.id)
        .where("status", "=", row.status)
        .where("expires_at", ">", clock.now())
        .returningAll()
        .executeTakeFirst();
    },

    async countOpen(userId: string): Promise<number> {
      const row = await table()
        .selectFrom("connect_transactions")
        .select((eb) => eb.fn.countAll<number>().as("open"))
        .where("user_id", "=", userId)
        .where("expires_at", ">", clock.now())
        .where("status", "not in", ["completed", "ended"])
        .executeTakeFirst();
      return Number(row?.open ?? 0);
    },

    /** Transactions that expired at least `keptMs` ago, at most 100. */
    listExpired: (keptMs: number): Promise<ConnectRow[]> =>
      table()
        .selectFrom("connect_transactions")
        .selectAll()
        .where("expires_at", "<", clock.now() - keptMs)
        .limit(100)
        .execute(),

    /** Whether this call removed it. */
    async remove(on: Queryable, id: string): Promise<boolean> {
      const row = await table(on)
        .deleteFrom("connect_transactions")
        .where("id", "=", id)
        .returning("id")
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}

/** @see createConnectStore */
export type ConnectStore = ReturnType<typeof createConnectStore>;

/** What a transaction no longer needs once it is over. */
export const EMPTIED = {
  data_key: null,
  sealed_request: null,
  sealed_verifier: null,
  sealed_tokens: null,
} as const;
