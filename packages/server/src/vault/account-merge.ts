import { sql } from "kysely";
import type { Audit } from "../audit/index.ts";
import { assert } from "../lib/assert.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Storage, Tx } from "../storage/index.ts";
import type { ConnectSealer, ParkedTokens } from "./connect-seal.ts";
import { vaultEvents } from "./events.ts";
import { SETTLED } from "./lease.ts";
import type { TokenSealer } from "./seal-tokens.ts";
import type { AccountRow, ConnectRow, VaultTables } from "./store.ts";

export interface MergeDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly tokens: TokenSealer;
  readonly box: ConnectSealer;
}

/** Two requests that write one account at once: the loser reads again. */
const ATTEMPTS = 4;

/** Makes an account of parked tokens, or brings the user's existing one up to date with them. */
export function createAccountMerger(deps: MergeDeps) {
  const { storage, clock } = deps;

  /**
   * Consumes the transaction by `consume` and stores its account, in one commit. `undefined` when it was
   * consumed before.
   */
  async function merge(
    row: ConnectRow,
    consume: (tx: Tx) => Promise<ConnectRow | undefined>,
  ): Promise<AccountRow | undefined> {
    const parked = deps.box.openTokens(row);
    for (let attempt = 1; ; attempt++) {
      try {
        return await storage.transaction(async (tx) => {
          if (!(await consume(tx))) return undefined;
          const account = await write(tx, row, parked);
          await record(tx, row, account);
          return account;
        });
      } catch (error) {
        if (attempt >= ATTEMPTS || !isConflict(error)) throw error;
      }
    }
  }

  async function write(tx: Tx, row: ConnectRow, parked: ParkedTokens): Promise<AccountRow> {
    assert(row.external_id !== null && row.label !== null, "a confirmed connection names its account");
    const existing = await tx
      .db<VaultTables>()
      .selectFrom("connected_accounts")
      .selectAll()
      .where("user_id", "=", row.user_id)
      .where("connection", "=", row.connection)
      .where("external_id", "=", row.external_id)
      .where("status", "<>", "revoked")
      .executeTakeFirst();
    return existing ? renew(tx, existing, row, parked) : insert(tx, row, parked);
  }

  /** Some providers issue a refresh token at the first consent only: the one that is there stays good. */
  async function renew(tx: Tx, account: AccountRow, row: ConnectRow, parked: ParkedTokens) {
    const { accessToken, refreshToken = deps.tokens.openRefresh(account) } = parked.tokens;
    assert(account.data_key, "an account that is not disconnected has its key");
    const version = account.version + 1;
    const set = { accessToken, refreshToken };
    const renewed = await tx
      .db<VaultTables>()
      .updateTable("connected_accounts")
      .set({
        ...SETTLED,
        ...deps.tokens.sealSet(account.data_key, account, version, set),
        version,
        lease_epoch: sql<number>`lease_epoch + 1`,
        label: row.label ?? account.label,
        scopes: row.granted_scopes ?? account.scopes,
        refresh_at: refreshTimeOf(parked, set.refreshToken !== undefined),
        expires_at: parked.expiresAt,
        updated_at: clock.now(),
      })
      .where("id", "=", account.id)
      .where("version", "=", account.version)
      .where("status", "<>", "revoked")
      .returningAll()
      .executeTakeFirst();
    if (!renewed) throw new AccountMoved();
    await tx.db<VaultTables>().deleteFrom("narrow_tokens").where("account_id", "=", account.id).execute();
    return renewed;
  }

  function insert(tx: Tx, row: ConnectRow, parked: ParkedTokens): Promise<AccountRow> {
    const now = clock.now();
    const identity = {
      id: deps.ids.prefixed("cac"),
      user_id: row.user_id,
      connection: row.connection,
      external_id: row.external_id ?? "",
    };
    const dataKey = deps.tokens.newDataKey(identity);
    return tx
      .db<VaultTables>()
      .insertInto("connected_accounts")
      .values({
        ...identity,
        ...SETTLED,
        ...deps.tokens.sealSet(dataKey, identity, 1, parked.tokens),
        label: row.label ?? "",
        scopes: row.granted_scopes ?? "",
        data_key: dataKey,
        version: 1,
        refresh_at: refreshTimeOf(parked, parked.tokens.refreshToken !== undefined),
        expires_at: parked.expiresAt,
        lease_epoch: 0,
        revocation: null,
        created_at: now,
        updated_at: now,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
  }

  function record(tx: Tx, row: ConnectRow, account: AccountRow): Promise<void> {
    return deps.audit.appendIn(tx, {
      action: vaultEvents.connected,
      outcome: "done",
      userId: account.user_id,
      clientId: row.client_id,
      objectId: account.id,
      details: { connection: account.connection, scopes: account.scopes, renewed: account.version > 1 },
    });
  }

  return { merge };
}

/** @see createAccountMerger */
export type AccountMerger = ReturnType<typeof createAccountMerger>;

/** Without a refresh token there is nothing to do before the end. */
function refreshTimeOf(parked: ParkedTokens, hasRefreshToken: boolean): number | null {
  return hasRefreshToken ? parked.refreshAt : parked.expiresAt;
}

class AccountMoved extends Error {
  override readonly name = "AccountMoved";
}

/** Ours, or either engine's word for a unique index that was hit. */
function isConflict(error: unknown): boolean {
  if (error instanceof AccountMoved) return true;
  if (!(error instanceof Error)) return false;
  return ("code" in error && error.code === "23505") || /UNIQUE constraint failed/.test(error.message);
}
