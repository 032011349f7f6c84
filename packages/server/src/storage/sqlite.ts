import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { Kysely, type SqliteDatabase, SqliteDialect, type SqliteStatement } from "kysely";
import { fromKysely } from "./from-kysely.ts";
import type { Storage } from "./index.ts";

/** Statements kept prepared; past this many the oldest is dropped. Twice the number the server has. */
const MAX_CACHED_STATEMENTS = 500;
/** How long a second process (a command line tool) waits for the server's write to end. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens an SQLite file, creating it and its folder. Acknowledged means durable: write-ahead log with a full
 * sync at each commit. Exactly one process writes; a second one waits at most five seconds.
 */
export async function openSqlite(file: string): Promise<Storage> {
  const inMemory = file === ":memory:";
  if (!inMemory) createPrivately(file);
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  database.exec(
    "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma temp_store = memory;",
  );
  const kysely = new Kysely<unknown>({
    dialect: new SqliteDialect({ database: withStatementCache(database) }),
  });
  return inMemory
    ? fromKysely("sqlite", kysely)
    : fromKysely("sqlite", kysely, createClaim(`${file}.serving`));
}

/** A new file is its owner's alone; SQLite gives its log and index the same mode. */
function createPrivately(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, "a", 0o600));
}

/**
 * The right to serve, as an open write transaction on a file of its own: the operating system gives it back when
 * the process ends, however it ends.
 */
function createClaim(file: string) {
  let held: DatabaseSync | undefined;
  return {
    take(): boolean {
      if (held) return true;
      createPrivately(file);
      const lock = new DatabaseSync(file, { timeout: 0 });
      try {
        lock.exec("begin exclusive");
      } catch {
        lock.close(); // SQLITE_BUSY: another process has it.
        return false;
      }
      held = lock;
      return true;
    },
    release(): void {
      held?.close();
      held = undefined;
    },
  };
}

/** Gives `node:sqlite` the shape that Kysely's SQLite dialect drives, keeping statements prepared. */
function withStatementCache(database: DatabaseSync): SqliteDatabase {
  const cache = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare(sql) {
      const known = cache.get(sql);
      if (known) return known;
      const statement = adapt(database.prepare(sql));
      if (cache.size >= MAX_CACHED_STATEMENTS) cache.delete(cache.keys().next().value ?? "");
      cache.set(sql, statement);
      return statement;
    },
  };
}

function adapt(statement: StatementSync): SqliteStatement {
  // Kysely hands over what the queries bound: text, numbers, bytes and null, all of which SQLite takes.
  const inputs = (parameters: readonly unknown[]) => parameters as readonly SQLInputValue[];
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...inputs(parameters)),
    run(parameters) {
      const { changes, lastInsertRowid } = statement.run(...inputs(parameters));
      return { changes, lastInsertRowid };
    },
    iterate: (parameters) => statement.iterate(...inputs(parameters)),
  };
}
