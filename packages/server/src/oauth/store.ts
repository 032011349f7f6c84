import { sql } from "kysely";
import { tokenHash } from "../crypto/hash.ts";
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
  mfa_tokens: {
    token_hash: string;
    client_id: string;
    user_id: string;
    grant_id: string;
    audience: string;
    scope: string;
    amr: string;
    authenticated_at: number;
    pending_factor: string | null;
    pending_codes: string | null;
    expires_at: number;
    consumed_at: number | null;
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

/** What a user's clients hold, and what brings them more of it. */
const TOKEN_MODELS = ["AccessToken", "AuthorizationCode", "DeviceCode", "Grant", "RefreshToken", "Session"];
/** Below what either engine takes as parameters of one statement. */
const DELETE_ROWS = 500;

/** The part of a stored model that names the browser session it came of. */
interface WithSession {
  readonly sid?: string;
  readonly authorizations?: Readonly<Record<string, { readonly sid?: string; readonly grantId?: string }>>;
}

/**
 * Ends what a user's clients hold: refresh tokens, kept access tokens, codes and grants, and with the grants the
 * signed access tokens. What was issued in the browser session `except` stays, and so do requests that still wait
 * for the user's answer.
 */
export async function endTokensOf(on: Queryable, userId: string, except?: string): Promise<void> {
  const rows = await on
    .db<OAuthTables>()
    .selectFrom("oauth_models")
    .select(["model", "id_hash", "grant_id", "payload"])
    .where("account_id", "=", userId)
    .where("model", "in", TOKEN_MODELS)
    .execute();
  const kept = new Set<unknown>();
  const keptGrants = new Set<string>();
  for (const row of rows) {
    const grants = except === undefined ? undefined : grantsIn(row, except);
    if (!grants) continue;
    kept.add(row);
    for (const id of grants) keptGrants.add(tokenHash(id));
  }
  const ended = rows.filter((row) => (row.model === "Grant" ? !keptGrants.has(row.id_hash) : !kept.has(row)));
  for (const model of TOKEN_MODELS) {
    const hashes = ended.filter((row) => row.model === model).map((row) => row.id_hash);
    for (let start = 0; start < hashes.length; start += DELETE_ROWS)
      await on
        .db<OAuthTables>()
        .deleteFrom("oauth_models")
        .where("model", "=", model)
        .where("id_hash", "in", hashes.slice(start, start + DELETE_ROWS))
        .execute();
  }
}

/** The grants that a model has a part in which came of the browser session `sid`; `undefined` for one of another. */
function grantsIn(
  row: Pick<OAuthModelRow, "grant_id" | "payload">,
  sid: string,
): readonly string[] | undefined {
  const payload = JSON.parse(row.payload) as WithSession; // Written by the adapter.
  const own = Object.values(payload.authorizations ?? {}).filter((entry) => entry.sid === sid);
  if (payload.sid !== sid && own.length === 0) return undefined;
  return [row.grant_id, ...own.map(({ grantId }) => grantId)].filter((id) => typeof id === "string");
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
