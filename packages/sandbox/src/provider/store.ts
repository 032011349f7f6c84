import type { Database } from "../support/database.ts";
import { REQUEST_LOG_TABLE } from "../support/request-log.ts";

/** The tables of the provider's file. Codes and tokens are kept as digests only. Times are epoch milliseconds. */
export const PROVIDER_SCHEMA = {
  version: 2,
  tables: `${REQUEST_LOG_TABLE};
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE questions (id TEXT PRIMARY KEY, request TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT;
  CREATE TABLE grants (id TEXT PRIMARY KEY, client_id TEXT NOT NULL, account_id TEXT NOT NULL, scope TEXT NOT NULL,
    created_at INTEGER NOT NULL, generation INTEGER NOT NULL DEFAULT 0, revoked_at INTEGER,
    revoked_because TEXT) STRICT;
  CREATE TABLE codes (hash TEXT PRIMARY KEY, client_id TEXT NOT NULL, account_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL, code_challenge TEXT, scope TEXT NOT NULL, offline TEXT NOT NULL, nonce TEXT,
    expires_at INTEGER NOT NULL, spent_at INTEGER, grant_id TEXT REFERENCES grants) STRICT;
  CREATE TABLE refresh_tokens (hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL REFERENCES grants,
    generation INTEGER NOT NULL, spent_at INTEGER) STRICT;
  CREATE TABLE access_tokens (hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL REFERENCES grants, scope TEXT NOT NULL,
    expires_at INTEGER NOT NULL, revoked_at INTEGER) STRICT;
  CREATE TABLE events (id TEXT PRIMARY KEY, account_id TEXT NOT NULL, title TEXT NOT NULL, starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL, location TEXT) STRICT`,
};

/** Whether a code is worth a refresh token: not asked for, asked for, or asked for with `prompt=consent`. */
export type Offline = "no" | "asked" | "forced";

/** A code as it was issued. */
export type CodeRow = {
  client_id: string;
  account_id: string;
  redirect_uri: string;
  code_challenge: string | null;
  scope: string;
  offline: Offline;
  /** For the ID token (OpenID Connect Core section 3.1.2.1). */
  nonce: string | null;
  expires_at: number;
  grant_id: string | null;
};

/** What a person allowed one client to do, with everything that was issued on it. */
export type GrantRow = {
  id: string;
  client_id: string;
  account_id: string;
  scope: string;
  created_at: number;
  generation: number;
  revoked_at: number | null;
  revoked_because: string | null;
};

export type RefreshTokenRow = { grant_id: string; generation: number; spent_at: number | null };
export type AccessTokenRow = {
  grant_id: string;
  scope: string;
  expires_at: number;
  revoked_at: number | null;
};

/** The statements over codes, grants and tokens. Each `hash` is the digest of the secret, never the secret. */
export type GrantStore = ReturnType<typeof createGrantStore>;

/** @see GrantStore */
export function createGrantStore(db: Database) {
  return {
    saveCode(hash: string, code: Omit<CodeRow, "grant_id">): void {
      db.run(
        `INSERT INTO codes (hash, client_id, account_id, redirect_uri, code_challenge, scope, offline, nonce, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        hash,
        code.client_id,
        code.account_id,
        code.redirect_uri,
        code.code_challenge,
        code.scope,
        code.offline,
        code.nonce,
        code.expires_at,
      );
    },

    /** The code, for exactly one caller; undefined when it is unknown or was spent before. */
    spendCode(hash: string, now: number): CodeRow | undefined {
      return db.first<CodeRow>(
        "UPDATE codes SET spent_at = ? WHERE hash = ? AND spent_at IS NULL RETURNING *",
        now,
        hash,
      );
    },

    /** The grant that was made with this code, if any. */
    grantOfCode(hash: string): string | undefined {
      const row = db.first<{ grant_id: string | null }>("SELECT grant_id FROM codes WHERE hash = ?", hash);
      return row?.grant_id ?? undefined;
    },

    bindCode(hash: string, grantId: string): void {
      db.run("UPDATE codes SET grant_id = ? WHERE hash = ?", grantId, hash);
    },

    createGrant(grant: Pick<GrantRow, "id" | "client_id" | "account_id" | "scope" | "created_at">): void {
      db.run(
        "INSERT INTO grants (id, client_id, account_id, scope, created_at) VALUES (?, ?, ?, ?, ?)",
        grant.id,
        grant.client_id,
        grant.account_id,
        grant.scope,
        grant.created_at,
      );
    },

    grant(id: string): GrantRow | undefined {
      return db.first<GrantRow>("SELECT * FROM grants WHERE id = ?", id);
    },

    grants(): GrantRow[] {
      return db.all<GrantRow>("SELECT * FROM grants ORDER BY created_at, rowid");
    },

    /** True when this account has a live grant for the client. */
    hasConsented(clientId: string, accountId: string): boolean {
      const sql =
        "SELECT 1 FROM grants WHERE client_id = ? AND account_id = ? AND revoked_at IS NULL LIMIT 1";
      return db.first(sql, clientId, accountId) !== undefined;
    },

    /** Ends a grant and with it every token issued on it. The first reason stays. */
    revokeGrant(id: string, because: string, now: number): void {
      const sql = "UPDATE grants SET revoked_at = ?, revoked_because = ? WHERE id = ? AND revoked_at IS NULL";
      db.run(sql, now, because, id);
    },

    /** Ends every live grant of an account; answers how many. */
    revokeAccount(accountId: string, because: string, now: number): number {
      const sql =
        "UPDATE grants SET revoked_at = ?, revoked_because = ? WHERE account_id = ? AND revoked_at IS NULL";
      return db.run(sql, now, because, accountId);
    },

    addRefreshToken(hash: string, grantId: string, generation: number): void {
      db.run(
        "INSERT INTO refresh_tokens (hash, grant_id, generation) VALUES (?, ?, ?)",
        hash,
        grantId,
        generation,
      );
      db.run("UPDATE grants SET generation = max(generation, ?) WHERE id = ?", generation, grantId);
    },

    refreshToken(hash: string): RefreshTokenRow | undefined {
      return db.first<RefreshTokenRow>("SELECT * FROM refresh_tokens WHERE hash = ?", hash);
    },

    /** True for exactly one caller. */
    spendRefreshToken(hash: string, now: number): boolean {
      const sql = "UPDATE refresh_tokens SET spent_at = ? WHERE hash = ? AND spent_at IS NULL";
      return db.run(sql, now, hash) === 1;
    },

    addAccessToken(hash: string, token: Omit<AccessTokenRow, "revoked_at">): void {
      db.run(
        "INSERT INTO access_tokens (hash, grant_id, scope, expires_at) VALUES (?, ?, ?, ?)",
        hash,
        token.grant_id,
        token.scope,
        token.expires_at,
      );
    },

    accessToken(hash: string): AccessTokenRow | undefined {
      return db.first<AccessTokenRow>("SELECT * FROM access_tokens WHERE hash = ?", hash);
    },

    revokeAccessToken(hash: string, now: number): void {
      db.run("UPDATE access_tokens SET revoked_at = ? WHERE hash = ? AND revoked_at IS NULL", now, hash);
    },
  };
}
