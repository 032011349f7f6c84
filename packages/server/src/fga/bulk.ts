import { CompiledQuery } from "kysely";
import type { Tx } from "../storage/index.ts";

/** A column's value. */
export type Value = string | number | null;

/**
 * Runs a statement over many rows, `sql` getting the list of rows to put behind `values`; returns what the
 * statements return. Text is made once a size: building it anew would cost more than running it.
 */
export async function runOverRows<Row>(
  tx: Tx,
  rows: readonly (readonly Value[])[],
  sql: (values: string) => string,
): Promise<Row[]> {
  const found: Row[] = [];
  for (const chunk of chunksOf(tx, rows)) {
    const text = sql(valuesOf(tx.engine, chunk.length, chunk[0]?.length ?? 0));
    const result = await tx.db().executeQuery<Row>(CompiledQuery.raw(text, chunk.flat()));
    for (const row of result.rows) found.push(row);
  }
  return found;
}

/**
 * The rows of one statement each. SQLite keeps statements prepared, so there they come in few sizes;
 * PostgreSQL pays for each round trip instead.
 */
function chunksOf<T>(tx: Tx, rows: readonly T[]): (readonly T[])[] {
  if (rows.length === 0) return [];
  if (tx.engine === "postgres") return [rows];
  const chunks: T[][] = [];
  let start = 0;
  for (const size of CHUNK_SIZES)
    for (; rows.length - start >= size; start += size) chunks.push(rows.slice(start, start + size));
  return chunks;
}

const CHUNK_SIZES = [100, 50, 20, 10, 5, 2, 1];

const texts = new Map<string, string>();

/** `(?, ?), (?, ?)` for SQLite, `($1, $2), ($3, $4)` for PostgreSQL. */
function valuesOf(engine: Tx["engine"], rows: number, columns: number): string {
  const key = `${engine} ${rows} ${columns}`;
  let text = texts.get(key);
  if (text === undefined) {
    const mark = (n: number) => (engine === "postgres" ? `$${n}` : "?");
    const row = (r: number) =>
      Array.from({ length: columns }, (_, c) => mark(r * columns + c + 1)).join(", ");
    text = Array.from({ length: rows }, (_, r) => `(${row(r)})`).join(", ");
    texts.set(key, text);
  }
  return text;
}
