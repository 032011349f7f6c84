import { sql } from "kysely";
import { hotQuery } from "../storage/hot.ts";
import type { Queryable, Storage } from "../storage/index.ts";

/** Tables of the OAuth slice. */
export interface OAuthTables {
  oauth_models: OAuthModelRow;
  clients: {
    id: string;
    metadata: string;
    secret_hash: string | null;
    disabled_at: number | null;
    created_at: number;
    updated_at: number;
  };
  client_switches: { id: string; disabled_at: number | null };
  signing_keys: {
    kid: string;
    algorithm: string;
    public_jwk: string;
    data_key: Uint8Array;
    private_jwk: Uint8Array;
    created_at: number;
    retired_at: number | null;
  };
  revoked_tokens: { jti: string; expires_at: number };
  device_requests: DeviceRequestRow;
  session_clients: { sid: string; client_id: string; user_id: string; created_at: number };
}

/** A stored model of the OAuth core. `id_hash` is the SHA-256 of its id, which for tokens is the token. */
export interface OAuthModelRow {
  model: string;
  id_hash: string;
  payload: string;
  grant_id: string | null;
  uid: string | null;
  user_code: string | null;
  account_id: string | null;
  client_id: string | null;
  expires_at: number | null;
  consumed_at: number | null;
}

/** A device's request beside its model: who has its code before them, and how often it was asked for. */
export interface DeviceRequestRow {
  id_hash: string;
  session_id: string | null;
  user_id: string | null;
  decided_at: number | null;
  interval_seconds: number;
  last_polled_at: number | null;
  expires_at: number;
}

const modelByHash = hotQuery<OAuthModelRow>("select * from oauth_models where model = ? and id_hash = ?");

/** One stored model, by the hash of its id. */
export async function findModel(
  storage: Storage,
  model: string,
  idHash: string,
): Promise<OAuthModelRow | undefined> {
  const [row] = await modelByHash(storage, [model, idHash]);
  return row;
}

/** Takes a value that may come once: of any number of parallel callers exactly one is told true. */
export async function takeOnce(
  on: Queryable,
  model: string,
  idHash: string,
  of: { readonly clientId: string; readonly until: number },
): Promise<boolean> {
  const { rows } = await sql`
    insert into oauth_models (model, id_hash, payload, client_id, expires_at)
    values (${model}, ${idHash}, '{}', ${of.clientId}, ${of.until})
    on conflict (model, id_hash) do nothing returning id_hash`.execute(on.db());
  return rows.length === 1;
}

/** Ends every token of one user or client: used when an account or agent is switched off. */
export async function deleteTokensOf(
  on: Queryable,
  of: { readonly userId: string } | { readonly clientId: string },
): Promise<void> {
  const kinds = ["AccessToken", "AuthorizationCode", "RefreshToken", "Grant", "Session", "DeviceCode"];
  const query = on.db<OAuthTables>().deleteFrom("oauth_models").where("model", "in", kinds);
  await ("userId" in of
    ? query.where("account_id", "=", of.userId)
    : query.where("client_id", "=", of.clientId)
  ).execute();
}

/** Removes what has expired more than a day ago, at most `limit` rows of each kind. Returns how many. */
export async function sweepExpired(storage: Storage, now: number, limit = 1_000): Promise<number> {
  const before = now - 86_400_000;
  const deletions = [
    sql`delete from oauth_models where (model, id_hash) in (
      select model, id_hash from oauth_models where expires_at < ${before} limit ${limit})`,
    sql`delete from device_requests where id_hash in (
      select id_hash from device_requests where expires_at < ${before} limit ${limit})`,
    sql`delete from revoked_tokens where jti in (
      select jti from revoked_tokens where expires_at < ${before} limit ${limit})`,
    sql`delete from rate_counters where key in (
      select key from rate_counters where resets_at < ${before} limit ${limit})`,
  ];
  let removed = 0n;
  for (const deletion of deletions) removed += (await deletion.execute(storage.db())).numAffectedRows ?? 0n;
  return Number(removed);
}
