import { sql } from "kysely";
import type { Queryable } from "./index.ts";

/**
 * Marks a single-use row as used and returns it; `undefined` when it is missing or was used before. One
 * conditional statement, so of any number of callers exactly one gets the row, on both engines.
 */
export async function consumeOnce<Row>(
  on: Queryable,
  table: string,
  where: Readonly<Record<string, string | number>>,
  now: number,
): Promise<Row | undefined> {
  const conditions = Object.entries(where).map(([column, value]) => sql`${sql.ref(column)} = ${value}`);
  const result = await sql<Row>`
    update ${sql.table(table)} set consumed_at = ${now}
    where ${sql.join(conditions, sql` and `)} and consumed_at is null
    returning *`.execute(on.db());
  return result.rows[0];
}
