import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { fromKysely } from "./from-kysely.ts";
import type { Storage } from "./index.ts";

const MAX_CONNECTIONS = 20;
const CONNECT_TIMEOUT_MS = 5_000;
/** A statement that runs longer is ended by the database: nothing of ours needs more. */
const STATEMENT_TIMEOUT_MS = 5_000;
const INT8_OID = 20;

/** Opens a PostgreSQL database by its `postgres://` address; up to 20 connections. */
export async function openPostgres(url: string): Promise<Storage> {
  const pool = new pg.Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    types: { getTypeParser },
  });
  // An idle connection that the database closes is replaced at the next query; without a listener the
  // event would end the process.
  pool.on("error", () => undefined);
  return fromKysely("postgres", new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) }));
}

/** 64-bit columns hold times and counters below 2^53, so they become numbers as on SQLite. */
function getTypeParser(oid: number, format?: "text" | "binary"): (value: string) => unknown {
  if (oid === INT8_OID) return Number;
  return pg.types.getTypeParser(oid, format ?? "text") as (value: string) => unknown;
}
