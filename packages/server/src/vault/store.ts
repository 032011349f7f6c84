import { sql } from "kysely";
import type { Clock } from "../lib/clock.ts";
import { hotQuery } from "../storage/hot.ts";
import type { Queryable, Storage } from "../storage/index.ts";

/** Bytes as either engine returns them. */
export type Bytes = Uint8Array;

/** `uncertain`: a refresh was sent and its outcome is not known; the tokens are used on. */
export type AccountStatus = "active" | "uncertain" | "broken" | "revoked";

/** Why only the user can mend an account. */
export type BrokenReason =
  /** The provider says that the grant ended: revoked by the user there, or expired. */
  | "refused_by_provider"
  /** An answer with a rotated token never reached us, and the provider takes no second request. */
  | "lost_rotation"
  /** The access token expired and the provider gave no refresh token. */
  | "no_refresh_token";

/** One user's account at one connection. Times are milliseconds. */
export interface AccountRow {
  id: string;
  user_id: string;
  connection: string;
  external_id: string;
  label: string;
  /** Scopes of the current access token, separated by spaces. */
  scopes: string;
  status: AccountStatus;
  broken_reason: BrokenReason | null;
  data_key: Bytes | null;
  sealed_access: Bytes | null;
  sealed_refresh: Bytes | null;
  sealed_previous: Bytes | null;
  /** Counts the token sets; part of what each sealed value is bound to. */
  version: number;
  refresh_at: number | null;
  /** Null: the provider names no end and gives no refresh token. */
  expires_at: number | null;
  /** Counts the leases; a commit names the one it holds. */
  lease_epoch: number;
  lease_owner: string | null;
  /** By the database's clock. */
  lease_until: number | null;
  attempt_id: string | null;
  /** When the first request whose outcome is unknown was sent, by the database's clock. */
  attempt_at: number | null;
  next_try_at: number;
  fail_count: number;
  last_failure: "unavailable" | "misconfigured" | null;
  revocation: "pending" | RevocationResult | null;
  created_at: number;
  updated_at: number;
}

/** What the provider did with tokens that we asked it to revoke. */
export type RevocationResult = "revoked" | "unsupported" | "failed";

/** Tables of the vault. */
export interface VaultTables {
  connected_accounts: AccountRow;
  narrow_tokens: {
    account_id: string;
    scopes: string;
    sealed: Bytes | null;
    refresh_at: number;
    expires_at: number;
  };
  connect_transactions: ConnectRow;
  token_revocations: RevocationRow;
}

/** One run through the connect flow; each step is one conditional update of `status`. */
export interface ConnectRow {
  id: string;
  auth_session_hash: string;
  ticket_hash: string;
  user_id: string;
  client_id: string;
  connection: string;
  scopes: string;
  redirect_uri: string;
  code_challenge: string;
  status: "started" | "sent" | "returned" | "parked" | "confirmed" | "completed" | "ended";
  data_key: Bytes | null;
  sealed_request: Bytes | null;
  session_id: string | null;
  state_hash: string | null;
  sealed_verifier: Bytes | null;
  sealed_tokens: Bytes | null;
  external_id: string | null;
  label: string | null;
  granted_scopes: string | null;
  connect_code_hash: string | null;
  created_at: number;
  ticket_expires_at: number;
  expires_at: number;
  consumed_at: number | null;
}

/** Tokens that are to be revoked at their provider, sealed under a key that dies with them. */
export interface RevocationRow {
  id: string;
  account_id: string | null;
  connection: string;
  data_key: Bytes | null;
  sealed: Bytes | null;
  result: "pending" | RevocationResult;
  created_at: number;
  done_at: number | null;
}

/** Reads and erases accounts. What a refresh writes is in `lease.ts`. */
const liveOf = hotQuery<AccountRow>(
  `select * from connected_accounts where user_id = ? and connection = ? and status <> 'revoked'
   order by id limit ?`,
);

export function createAccountStore(deps: { storage: Storage; clock: Clock }) {
  const accounts = (on: Queryable = deps.storage) => on.db<VaultTables>();
  return {
    find: (id: string, on?: Queryable): Promise<AccountRow | undefined> =>
      accounts(on).selectFrom("connected_accounts").selectAll().where("id", "=", id).executeTakeFirst(),

    /** Accounts of a user that are not disconnected, oldest first. */
    listLive(
      userId: string,
      filter: { connection?: string | undefined; after?: string | undefined; limit: number },
      on?: Queryable,
    ): Promise<AccountRow[]> {
      if (filter.connection !== undefined && filter.after === undefined)
        return liveOf(on ?? deps.storage, [userId, filter.connection, filter.limit]);
      let query = accounts(on)
        .selectFrom("connected_accounts")
        .selectAll()
        .where("user_id", "=", userId)
        .where("status", "<>", "revoked");
      if (filter.connection !== undefined) query = query.where("connection", "=", filter.connection);
      if (filter.after !== undefined) query = query.where("id", ">", filter.after);
      return query.orderBy("id").limit(filter.limit).execute();
    },

    /** Whether any user has this third-party account connected: revoking a token would end theirs too. */
    async isInUse(connection: string, externalId: string): Promise<boolean> {
      const row = await accounts()
        .selectFrom("connected_accounts")
        .select("id")
        .where("connection", "=", connection)
        .where("external_id", "=", externalId)
        .where("status", "<>", "revoked")
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },

    /**
     * Empties an account for good: key, tokens, label. Nothing when it changed since `row` was read.
     * Moving epoch and version makes a refresh that is under way fail its commit.
     */
    async erase(on: Queryable, row: AccountRow, revocation: "pending" | RevocationResult): Promise<boolean> {
      const erased = await accounts(on)
        .updateTable("connected_accounts")
        .set({
          status: "revoked",
          revocation,
          label: "",
          external_id: "",
          data_key: null,
          sealed_access: null,
          sealed_refresh: null,
          sealed_previous: null,
          version: row.version + 1,
          lease_epoch: sql<number>`lease_epoch + 1`,
          lease_until: null,
          attempt_id: null,
          attempt_at: null,
          updated_at: deps.clock.now(),
        })
        .where("id", "=", row.id)
        .where("version", "=", row.version)
        .where("status", "<>", "revoked")
        .returning("id")
        .executeTakeFirst();
      if (!erased) return false;
      await accounts(on).deleteFrom("narrow_tokens").where("account_id", "=", row.id).execute();
      return true;
    },

    narrowToken: (accountId: string, scopes: string) =>
      accounts()
        .selectFrom("narrow_tokens")
        .selectAll()
        .where("account_id", "=", accountId)
        .where("scopes", "=", scopes)
        .executeTakeFirst(),
  };
}

/** @see createAccountStore */
export type AccountStore = ReturnType<typeof createAccountStore>;

/** Scopes as stored: each once, sorted, separated by spaces. */
export function joinScopes(scopes: Iterable<string>): string {
  return [...new Set(scopes)].sort().join(" ");
}

/** The scopes of a stored or received string. Providers separate by spaces or commas. */
export function splitScopes(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((scope) => scope !== ""))];
}
