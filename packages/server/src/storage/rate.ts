import { sql } from "kysely";
import type { Storage } from "./index.ts";

/**
 * Counts one event under `key` and says whether it is within `limit` for the current window. One statement, so
 * parallel events all count; `now` and `windowMs` are milliseconds.
 */
export async function countWithin(
  storage: Storage,
  key: string,
  now: number,
  windowMs: number,
  limit: number,
): Promise<boolean> {
  const result = await sql<{ count: number }>`
    insert into rate_counters (key, count, resets_at) values (${key}, 1, ${now + windowMs})
    on conflict (key) do update set
      count = case when rate_counters.resets_at <= ${now} then 1 else rate_counters.count + 1 end,
      resets_at = case when rate_counters.resets_at <= ${now} then ${now + windowMs} else rate_counters.resets_at end
    returning count`.execute(storage.db());
  return (result.rows[0]?.count ?? 1) <= limit;
}

/** Takes one event of the current window back. */
export async function uncount(storage: Storage, key: string): Promise<void> {
  await sql`update rate_counters set count = count - 1 where key = ${key} and count > 0`.execute(
    storage.db(),
  );
}
