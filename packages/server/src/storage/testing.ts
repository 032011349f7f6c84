import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import { systemClock } from "../lib/clock.ts";
import { openStorage, type Storage } from "./index.ts";
import { migrate } from "./migrate.ts";

/** The PostgreSQL server that tests may make databases on; `npm test` starts one and sets this. */
export const postgresUrl = (): string | undefined => process.env["BEHALF_TEST_POSTGRES"];

/** The engines to run a slice's tests on: always SQLite, PostgreSQL when a server is there. */
export function testEngines(): readonly { name: string; open: () => Promise<Storage> }[] {
  const url = postgresUrl();
  const sqlite = { name: "SQLite", open: () => openStorage("sqlite::memory:") };
  return url ? [sqlite, { name: "PostgreSQL", open: () => openEmptyPostgres(url) }] : [sqlite];
}

/** A new, empty, migrated database. */
export async function openTestStorage(open = testEngines()[0]?.open): Promise<Storage> {
  const storage = await (open ?? (() => openStorage("sqlite::memory:")))();
  await migrate(storage, systemClock);
  return storage;
}

/** A new database on the server at `adminUrl`. */
export async function openEmptyPostgres(adminUrl: string): Promise<Storage> {
  const name = `behalf_${randomBytes(6).toString("hex")}`;
  const server = await openStorage(adminUrl);
  await sql`create database ${sql.id(name)}`.execute(server.db());
  await server.close();
  const address = new URL(adminUrl);
  address.pathname = `/${name}`;
  return openStorage(address.href);
}
