import type { Audit } from "../audit/index.ts";
import type { ConnectionConfig } from "../config.ts";
import { SealError, type Sealer } from "../crypto/seal.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { Queryable, Storage } from "../storage/index.ts";
import type { Outbox, OutboxHandler } from "../storage/outbox.ts";
import { vaultError } from "./errors.ts";
import { vaultEvents } from "./events.ts";
import type { Provider } from "./provider.ts";
import {
  openParcel,
  packTokens,
  sealParcel,
  type TokenSealer,
  type TokenSet,
  unpackTokens,
} from "./seal-tokens.ts";
import type { AccountRow, AccountStore, RevocationResult, VaultTables } from "./store.ts";

export interface RevokeDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly sealer: Sealer;
  readonly tokens: TokenSealer;
  readonly accounts: AccountStore;
  readonly provider: Provider;
  readonly connection: (name: string) => ConnectionConfig | undefined;
}

/** Topic of the outbox; the payload is an id, never a token. */
export const REVOKE_TOPIC = "vault.revoke";
const PURPOSE = "revocation";
/** After this the key is destroyed though the provider never answered: a token is not kept for ever. */
const GIVE_UP_MS = 24 * 3_600_000;
/** The first attempt is made at once, by whoever asked; the outbox comes after it had its time. */
const OUTBOX_DELAY_MS = 60_000;
const ERASE_ATTEMPTS = 5;

/** Ends accounts and tokens: erased here at once, revoked at the provider as soon as it answers. */
export function createRevoker(deps: RevokeDeps) {
  const { storage, audit, clock, accounts } = deps;
  const table = (on: Queryable = storage) => on.db<VaultTables>();

  /** Adds tokens to what must be revoked. Runs inside the caller's transaction. */
  async function enqueue(
    on: Queryable,
    item: { connection: string; accountId?: string; tokens: TokenSet },
  ): Promise<string> {
    const id = deps.ids.prefixed("rev");
    const now = clock.now();
    const parcel = sealParcel(deps.sealer, PURPOSE, id, packTokens(item.tokens));
    const row = { id, account_id: item.accountId ?? null, connection: item.connection, created_at: now };
    await table(on)
      .insertInto("token_revocations")
      .values({ ...row, ...parcel, result: "pending", done_at: null })
      .execute();
    await deps.outbox.add(on, { topic: REVOKE_TOPIC, payload: { id }, dueAt: now + OUTBOX_DELAY_MS });
    return id;
  }

  /** One attempt at the provider. Safe to call again and at once: revoking twice is revoking. */
  async function attempt(id: string): Promise<RevocationResult | "pending"> {
    const row = await table()
      .selectFrom("token_revocations")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirst();
    if (!row?.data_key || !row.sealed) return "revoked"; // Settled before.
    const connection = deps.connection(row.connection);
    if (!connection) return settle(id, "unsupported");
    let tokens: TokenSet;
    try {
      const parcel = { data_key: row.data_key, sealed: row.sealed };
      tokens = unpackTokens(openParcel(deps.sealer, PURPOSE, id, parcel));
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      return settle(id, "failed");
    }
    const result = await revokeAtProvider(connection, tokens);
    return result === "failed" ? "pending" : settle(id, result);
  }

  /** RFC 7009 section 2.1: a refresh token takes its access tokens along. Both are sent, for those that do not. */
  async function revokeAtProvider(connection: ConnectionConfig, tokens: TokenSet): Promise<RevocationResult> {
    const { accessToken, refreshToken } = tokens;
    const first = refreshToken
      ? await deps.provider.revoke(connection, refreshToken, "refresh_token")
      : "unsupported";
    if (first === "failed") return first;
    const second = await deps.provider.revoke(connection, accessToken, "access_token");
    return first === "revoked" ? first : second;
  }

  /** Writes the result once and destroys the key. */
  async function settle(id: string, result: RevocationResult): Promise<RevocationResult> {
    await storage.transaction(async (tx) => {
      const row = await table(tx)
        .updateTable("token_revocations")
        .set({ result, data_key: null, sealed: null, done_at: clock.now() })
        .where("id", "=", id)
        .where("done_at", "is", null)
        .returning(["account_id", "connection"])
        .executeTakeFirst();
      if (!row) return;
      if (row.account_id !== null)
        await table(tx)
          .updateTable("connected_accounts")
          .set({ revocation: result })
          .where("id", "=", row.account_id)
          .execute();
      await audit.appendIn(tx, {
        action: vaultEvents.revocation,
        outcome: result === "failed" ? "failed" : "done",
        objectId: row.account_id ?? id,
        details: { connection: row.connection, result },
      });
    });
    return result;
  }

  /** Like {@link attempt}; whatever goes wrong is left to the outbox. */
  async function attemptNow(id: string): Promise<void> {
    try {
      await attempt(id);
    } catch (error) {
      deps.log.warn("revocation is left to the outbox", {
        revocation: id,
        error: error instanceof Error ? error.name : "unknown",
      });
    }
  }

  /** The tokens of a row; `undefined` when they cannot be opened any more, so that erasing goes on. */
  function openTokens(row: AccountRow): TokenSet | undefined {
    try {
      return { accessToken: deps.tokens.openAccess(row), refreshToken: deps.tokens.openRefresh(row) };
    } catch (error) {
      if (error instanceof SealError) return undefined;
      throw error;
    }
  }

  async function eraseOnce(row: AccountRow, by: { clientId: string | undefined }) {
    const tokens = openTokens(row);
    return storage.transaction(async (tx) => {
      const erased = await accounts.erase(tx, row, tokens ? "pending" : "failed");
      if (!erased) return undefined;
      await audit.appendIn(tx, {
        action: vaultEvents.disconnected,
        outcome: "done",
        userId: row.user_id,
        clientId: by.clientId,
        objectId: row.id,
        details: { connection: row.connection },
      });
      const item = tokens && { connection: row.connection, accountId: row.id, tokens };
      return { revocation: item && (await enqueue(tx, item)) };
    });
  }

  return {
    enqueue,
    attemptNow,

    /**
     * Disconnects an account of `userId`. When it resolves the tokens are gone here, and the provider was
     * asked once to revoke them; what it did not take is tried again for a day. Safe to call twice.
     * @throws ApiError `vault.account_unknown`
     */
    async disconnect(userId: string, accountId: string, by: { clientId: string | undefined }): Promise<void> {
      for (let attempts = 0; attempts < ERASE_ATTEMPTS; attempts++) {
        const row = await accounts.find(accountId);
        if (row?.user_id !== userId) throw vaultError("vault.account_unknown");
        if (row.status === "revoked") return;
        const erased = await eraseOnce(row, by);
        if (!erased) continue; // A refresh was stored meanwhile: its tokens are the ones to revoke.
        if (erased.revocation !== undefined) await attemptNow(erased.revocation);
        return;
      }
      throw vaultError("vault.provider_unavailable", { reason: "the account kept changing" });
    },

    /** Hands tokens that belong to no account to the provider for revocation. */
    async discard(item: { connection: string; accountId?: string; tokens: TokenSet }): Promise<void> {
      const id = await storage.transaction((tx) => enqueue(tx, item));
      await attemptNow(id);
    },

    /** For the outbox: throws while the provider does not take it, so that it is tried again later. */
    deliver: (async ({ payload }) => {
      // Written by enqueue alone.
      const { id } = payload as { id: string };
      if ((await attempt(id)) === "pending") throw new RevocationPending();
    }) satisfies OutboxHandler,

    /** Destroys the keys of revocations that no provider took within a day. */
    async giveUpOld(): Promise<void> {
      const old = await table()
        .selectFrom("token_revocations")
        .select("id")
        .where("done_at", "is", null)
        .where("created_at", "<", clock.now() - GIVE_UP_MS)
        .limit(100)
        .execute();
      for (const { id } of old) await settle(id, "failed");
    },
  };
}

/** @see createRevoker */
export type Revoker = ReturnType<typeof createRevoker>;

/** Tells the outbox to come again. */
class RevocationPending extends Error {
  override readonly name = "RevocationPending";
}
