import { randomBytes } from "node:crypto";
import { type Kysely, sql } from "kysely";
import { sha256 } from "../crypto/hash.ts";
import { systemClock } from "../lib/clock.ts";
import { openStorage, type Storage } from "./index.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migrations/index.ts";

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

/** A new database on the server at `adminUrl`, migrated: a copy of one that was migrated before. */
export async function openEmptyPostgres(adminUrl: string): Promise<Storage> {
  const name = `behalf_${randomBytes(6).toString("hex")}`;
  const server = await openStorage(adminUrl);
  const template = await ensureTemplate(server, adminUrl);
  await sql`create database ${sql.id(name)} template ${sql.id(template)} strategy file_copy`.execute(
    server.db(),
  );
  await server.close();
  return openStorage(addressOf(adminUrl, name));
}

/** Any number: it keeps test processes that start together from making the template twice. */
const TEMPLATE_LOCK = 0x74706c;

/** The name holds the names of all migrations, so a new one makes a new template. */
async function ensureTemplate(server: Storage, adminUrl: string): Promise<string> {
  const name = `behalf_template_${sha256(JSON.stringify(migrations)).slice(0, 16).toLowerCase().replaceAll("-", "_")}`;
  await server
    .db()
    .connection()
    .execute(async (connection) => {
      await sql`select pg_advisory_lock(${TEMPLATE_LOCK})`.execute(connection);
      const { rows } = await sql`select 1 from pg_database where datname = ${name}`.execute(connection);
      if (rows.length === 0) await createTemplate(connection, adminUrl, name);
      await sql`select pg_advisory_unlock(${TEMPLATE_LOCK})`.execute(connection);
    });
  return name;
}

async function createTemplate(connection: Kysely<unknown>, adminUrl: string, name: string): Promise<void> {
  const draft = `${name}_draft`;
  await sql`drop database if exists ${sql.id(draft)}`.execute(connection);
  await sql`create database ${sql.id(draft)}`.execute(connection);
  const storage = await openStorage(addressOf(adminUrl, draft));
  await migrate(storage, systemClock);
  await storage.close();
  await sql`alter database ${sql.id(draft)} rename to ${sql.id(name)}`.execute(connection);
}

function addressOf(adminUrl: string, database: string): string {
  const address = new URL(adminUrl);
  address.pathname = `/${database}`;
  return address.href;
}
