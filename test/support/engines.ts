import { randomBytes } from "node:crypto";
import pg from "pg";

/** The storage engines that end-to-end tests run on: SQLite always, PostgreSQL when `npm test` started one. */
export const engines: readonly { name: string; storage: () => Promise<string> }[] = [
  { name: "SQLite", storage: async () => "sqlite::memory:" },
  ...(process.env["BEHALF_TEST_POSTGRES"] ? [{ name: "PostgreSQL", storage: newDatabase }] : []),
];

/**
 * For suites about the protocol, which read and write little: PostgreSQL in a deep run alone. What races, lasts or
 * is swept runs on both always.
 */
export const protocolEngines: typeof engines =
  process.env["BEHALF_DEEP"] === "1" ? engines : engines.slice(0, 1);

async function newDatabase(): Promise<string> {
  const address = new URL(process.env["BEHALF_TEST_POSTGRES"] ?? "");
  const name = `behalf_${randomBytes(6).toString("hex")}`;
  const client = new pg.Client({ connectionString: address.href });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  address.pathname = `/${name}`;
  return address.href;
}
