import type { Kysely, Transaction } from "kysely";
import { openPostgres } from "./postgres.ts";
import { openSqlite } from "./sqlite.ts";

/** Queries over the tables `T`: the database itself or a transaction on it. */
export type Db<T> = Kysely<T>;

/**
 * One database, whichever engine. A slice declares its own tables and asks for a view of them:
 * `storage.db<VaultTables>()`.
 */
export interface Storage {
  readonly engine: "sqlite" | "postgres";
  /** The database, seen as the tables `T`. Costs nothing; types only. */
  db<T>(): Kysely<T>;
  /**
   * Runs `work` in one transaction: all of it is durable when the promise resolves, none of it when it
   * rejects. Inside, use the given `tx` alone: on SQLite the database has one connection, and waiting for
   * another one inside a transaction would wait for ever. No network call in here.
   */
  transaction<R>(work: (tx: Tx) => Promise<R>): Promise<R>;
  /**
   * Makes this process the one that serves from the database, until `close` or the end of the process.
   * `false` when another process does already: on SQLite exactly one may, because what it holds in memory
   * follows its own writes alone. Any number may on PostgreSQL.
   */
  claim(): boolean;
  /** Closes connections after running statements have ended. */
  close(): Promise<void>;
}

/** A running transaction. `tx.db<T>()` sees the tables `T` inside it. */
export interface Tx {
  readonly engine: Storage["engine"];
  db<T>(): Transaction<T>;
}

/** Either of the two, for functions that do not care. */
export type Queryable = Storage | Tx;

/** The address names the engine: `sqlite:<file>`, `sqlite::memory:` or `postgres://…`. */
export function openStorage(url: string): Promise<Storage> {
  if (url.startsWith("sqlite:")) return openSqlite(url.slice("sqlite:".length));
  if (/^postgres(ql)?:\/\//.test(url)) return openPostgres(url);
  throw new TypeError('storage must be "sqlite:<file>" or "postgres://…"');
}
