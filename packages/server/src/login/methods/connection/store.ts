import { sql } from "kysely";
import { tokenHash } from "../../../crypto/hash.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { Ids } from "../../../lib/ids.ts";
import type { Queryable, Storage } from "../../../storage/index.ts";

/** Tables of the connection method. */
export interface IdentityTables {
  identities: IdentityRow;
  pending_identities: {
    flow_hash: string;
    user_id: string;
    connection: string;
    external_id: string;
    label: string;
    expires_at: number;
  };
  connection_states: {
    state_hash: string;
    connection: string;
    browser_hash: string;
    user_id: string | null;
    session_id: string | null;
    data_key: Uint8Array;
    sealed: Uint8Array;
    expires_at: number;
  };
}

export interface IdentityRow {
  id: string;
  connection: string;
  external_id: string;
  user_id: string;
  label: string;
  created_at: number;
  last_used_at: number | null;
}

/** An account at a provider, as it names it. */
export interface ExternalName {
  readonly connection: string;
  readonly externalId: string;
  /** What its owner recognises; untrusted text. */
  readonly label: string;
}

/** As long as a flow waits. */
const PENDING_MS = 30 * 60_000;
const SWEEP_ROWS = 1_000;

/** Which account of which provider is which user. */
export function createIdentityStore(deps: { storage: Storage; clock: Clock; ids: Ids }) {
  const { storage, clock, ids } = deps;
  const table = (on: Queryable = storage) => on.db<IdentityTables>();

  return {
    find: (connection: string, externalId: string): Promise<IdentityRow | undefined> =>
      table()
        .selectFrom("identities")
        .selectAll()
        .where("connection", "=", connection)
        .where("external_id", "=", externalId)
        .executeTakeFirst(),

    list: (userId: string, on: Queryable = storage): Promise<IdentityRow[]> =>
      table(on)
        .selectFrom("identities")
        .selectAll()
        .where("user_id", "=", userId)
        .orderBy("created_at")
        .orderBy("id")
        .execute(),

    /** False when it is somebody's already; of any number of callers one gets true. */
    async add(on: Queryable, userId: string, name: ExternalName): Promise<boolean> {
      const now = clock.now();
      const row = await table(on)
        .insertInto("identities")
        .values({
          id: ids.prefixed("idn"),
          connection: name.connection,
          external_id: name.externalId,
          user_id: userId,
          label: name.label,
          created_at: now,
          last_used_at: now,
        })
        .onConflict((conflict) => conflict.columns(["connection", "external_id"]).doNothing())
        .returning("id")
        .executeTakeFirst();
      return row !== undefined;
    },

    async markUsed(id: string, label: string): Promise<void> {
      await table()
        .updateTable("identities")
        .set({ last_used_at: clock.now(), label })
        .where("id", "=", id)
        .execute();
    },

    async remove(on: Queryable, userId: string, id: string): Promise<void> {
      await table(on).deleteFrom("identities").where("id", "=", id).where("user_id", "=", userId).execute();
    },

    /** Keeps it for whoever proves to be `userId` in the flow. */
    async park(flowId: string, userId: string, name: ExternalName): Promise<void> {
      await table()
        .insertInto("pending_identities")
        .values({
          flow_hash: tokenHash(flowId),
          user_id: userId,
          connection: name.connection,
          external_id: name.externalId,
          label: name.label,
          expires_at: clock.now() + PENDING_MS,
        })
        .execute();
    },

    async findParked(flowId: string): Promise<ExternalName | undefined> {
      const row = await table()
        .selectFrom("pending_identities")
        .selectAll()
        .where("flow_hash", "=", tokenHash(flowId))
        .where("expires_at", ">", clock.now())
        .executeTakeFirst();
      return row && { connection: row.connection, externalId: row.external_id, label: row.label };
    },

    /** Takes it out, once, for the user it was parked for. */
    async takeParked(on: Queryable, flowId: string, userId: string): Promise<ExternalName | undefined> {
      const row = await table(on)
        .deleteFrom("pending_identities")
        .where("flow_hash", "=", tokenHash(flowId))
        .where("user_id", "=", userId)
        .where("expires_at", ">", clock.now())
        .returningAll()
        .executeTakeFirst();
      return row && { connection: row.connection, externalId: row.external_id, label: row.label };
    },

    async sweep(): Promise<void> {
      const now = clock.now();
      await sql`delete from pending_identities where flow_hash in (
        select flow_hash from pending_identities where expires_at < ${now} limit ${SWEEP_ROWS})`.execute(
        storage.db(),
      );
      await sql`delete from connection_states where state_hash in (
        select state_hash from connection_states where expires_at < ${now} limit ${SWEEP_ROWS})`.execute(
        storage.db(),
      );
    },
  };
}

/** @see createIdentityStore */
export type IdentityStore = ReturnType<typeof createIdentityStore>;
