import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { StartError } from "./start-error.ts";

/** How long a statement waits for another process that holds the file. */
const BUSY_TIMEOUT_MS = 5_000;

/** An open file and the handful of calls that the stores use. Statements are prepared once and kept. */
export type Database = {
  /** Runs a statement; answers the number of rows that changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /** The first row, or undefined. */
  first<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[];
  /** Commits when `work` returns and rolls back when it throws. Not nestable. */
  transaction<T>(work: () => T): T;
  close(): void;
};

/**
 * Opens a SQLite file (or `:memory:`) and creates its tables. A write that was acknowledged survives `kill -9`
 * and a power cut: write-ahead log with full sync.
 *
 * @throws StartError when the file cannot be opened or was made by another version of the tables.
 */
export function openDatabase(file: string, schema: { version: number; tables: string }): Database {
  const db = open(file);
  migrate(db, file, schema);
  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  const prepared = (sql: string) => {
    const statement = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
  return {
    run: (sql, ...values) => Number(prepared(sql).run(...values).changes),
    // The row type is the caller's: it names the columns of its own SQL over the tables above.
    first: <Row>(sql: string, ...values: SQLInputValue[]) => prepared(sql).get(...values) as Row | undefined,
    all: <Row>(sql: string, ...values: SQLInputValue[]) => prepared(sql).all(...values) as Row[],
    transaction: (work) => transaction(db, work),
    close: () => db.close(),
  };
}

function open(file: string): DatabaseSync {
  try {
    if (file !== ":memory:") {
      mkdirSync(dirname(resolve(file)), { recursive: true, mode: 0o700 });
      closeSync(openSync(file, "a", 0o600));
    }
    const db = new DatabaseSync(file);
    // The first statement that reads the file: it fails when the file is no database.
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;`);
    return db;
  } catch (cause) {
    throw new StartError(
      `The data file ${file} cannot be opened as a database. Give another file, in a folder that you may write.`,
      { cause },
    );
  }
}

function migrate(db: DatabaseSync, file: string, schema: { version: number; tables: string }): void {
  // Asked inside the transaction, so that of two processes that start together one makes the tables.
  const found = transaction(db, () => {
    const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
    if (version === 0) db.exec(`${schema.tables}; PRAGMA user_version = ${schema.version};`);
    return version;
  });
  if (found === 0 || found === schema.version) return;
  db.close();
  throw new StartError(
    `The data file ${file} has tables of version ${found}, this program needs ${schema.version}. ` +
      "It holds sandbox data only: delete it or give another file.",
  );
}

function transaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}
