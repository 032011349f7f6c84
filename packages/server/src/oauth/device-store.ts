import { sql } from "kysely";
import type { Queryable, Storage } from "../storage/index.ts";
import type { DeviceRequestRow, OAuthModelRow, OAuthTables } from "./store.ts";

/** RFC 8628 section 3.2 */
export const INTERVAL_SECONDS = 5;
const MAX_INTERVAL_SECONDS = 60;
/** A device whose timer runs a little fast is not told to slow down. */
const SLACK_MS = 500;

/** A person in one browser. */
export interface Opener {
  readonly sessionId: string;
  readonly userId: string;
}

/** The live request with this code, as the core stores it. */
export async function findByUserCode(
  storage: Storage,
  userCode: string,
  now: number,
): Promise<OAuthModelRow | undefined> {
  return storage
    .db<OAuthTables>()
    .selectFrom("oauth_models")
    .selectAll()
    .where("model", "=", "DeviceCode")
    .where("user_code", "=", userCode)
    .where("expires_at", ">", now)
    .where("consumed_at", "is", null)
    .executeTakeFirst();
}

/** Whoever opens a code first has it; says whose it is now. One statement, so of two at once one is first. */
export async function bindOpener(
  storage: Storage,
  request: { idHash: string; expiresAt: number },
  opener: Opener,
): Promise<DeviceRequestRow | undefined> {
  const { rows } = await sql<DeviceRequestRow>`
    insert into device_requests (id_hash, session_id, user_id, interval_seconds, expires_at)
    values (${request.idHash}, ${opener.sessionId}, ${opener.userId}, ${INTERVAL_SECONDS}, ${request.expiresAt})
    on conflict (id_hash) do update set
      session_id = coalesce(device_requests.session_id, excluded.session_id),
      user_id = coalesce(device_requests.user_id, excluded.user_id)
    returning *`.execute(storage.db());
  return rows[0];
}

/** Marks the request as answered by the one who opened it; false when somebody was faster, or it is not theirs. */
export async function decideOnce(
  on: Queryable,
  idHash: string,
  opener: Opener,
  now: number,
): Promise<boolean> {
  const row = await on
    .db<OAuthTables>()
    .updateTable("device_requests")
    .set({ decided_at: now })
    .where("id_hash", "=", idHash)
    .where("session_id", "=", opener.sessionId)
    .where("user_id", "=", opener.userId)
    .where("decided_at", "is", null)
    .where("expires_at", ">", now)
    .returning("id_hash")
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Counts a poll: `undefined` when it came in time, else the longer interval in seconds. The time of the last poll is
 * in the database, so it counts whichever process is asked.
 * @see RFC 8628 section 3.5
 */
export async function countPoll(
  storage: Storage,
  request: { idHash: string; expiresAt: number },
  now: number,
): Promise<number | undefined> {
  const inTime = await sql<{ id_hash: string }>`
    insert into device_requests (id_hash, interval_seconds, last_polled_at, expires_at)
    values (${request.idHash}, ${INTERVAL_SECONDS}, ${now}, ${request.expiresAt})
    on conflict (id_hash) do update set last_polled_at = ${now}
    where device_requests.last_polled_at is null
      or device_requests.last_polled_at + device_requests.interval_seconds * 1000 <= ${now + SLACK_MS}
    returning id_hash`.execute(storage.db());
  if (inTime.rows.length > 0) return undefined;
  const { rows } = await sql<{ interval_seconds: number }>`
    update device_requests set
      last_polled_at = ${now},
      interval_seconds = case when interval_seconds + 5 > ${MAX_INTERVAL_SECONDS} then ${MAX_INTERVAL_SECONDS}
        else interval_seconds + 5 end
    where id_hash = ${request.idHash} returning interval_seconds`.execute(storage.db());
  return Number(rows[0]?.interval_seconds ?? INTERVAL_SECONDS);
}
