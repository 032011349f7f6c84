import { CompiledQuery } from "kysely";
import type { Queryable } from "./index.ts";

/** A query whose SQL text is made once: for the few that run on each request of a hot path. */
export type HotQuery<Row> = (
  on: Queryable,
  parameters: readonly (string | number | null)[],
) => Promise<Row[]>;

/** `text` is SQL that both engines take, with `?` for each parameter and none inside a string. */
export function hotQuery<Row>(text: string): HotQuery<Row> {
  let n = 0;
  const forPostgres = text.replaceAll("?", () => `$${++n}`);
  return async (on, parameters) => {
    const sql = on.engine === "postgres" ? forPostgres : text;
    const { rows } = await on.db<unknown>().executeQuery<Row>(CompiledQuery.raw(sql, [...parameters]));
    return rows;
  };
}
