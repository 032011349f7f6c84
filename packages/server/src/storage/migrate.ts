import { sql } from "kysely";
import type { Clock } from "../lib/clock.ts";
import type { Queryable, Storage } from "./index.ts";
import { migrations } from "./migrations/index.ts";

/** One step of the schema. Applied whole or not at all; never edited once released. */
export interface Migration {
  /** `NNNN-topic`; the order of the names is the order of application. */
  readonly name: string;
  /** SQL both engines take; `{bytes}` stands for the type of binary columns. */
  readonly statements: readonly string[];
}

interface MigrationTables {
  behalf_migrations: { name: string; applied_at: number };
}

/** Advisory lock number that keeps two starting processes from migrating at once: "beha" in ASCII. */
const LOCK = 0x62656861;

/** Brings the schema up to date and returns the names it applied. Safe to call from several processes. */
export async function migrate(storage: Storage, clock: Clock): Promise<string[]> {
  await sql`create table if not exists behalf_migrations (name text primary key, applied_at bigint not null)`.execute(
    storage.db(),
  );
  return storage.transaction(async (tx) => {
    if (tx.engine === "postgres") await sql`select pg_advisory_xact_lock(${LOCK})`.execute(tx.db());
    const pending = await pendingMigrations(tx);
    for (const migration of pending) {
      for (const statement of migration.statements)
        await sql
          .raw(statement.replaceAll("{bytes}", tx.engine === "postgres" ? "bytea" : "blob"))
          .execute(tx.db());
      await tx
        .db<MigrationTables>()
        .insertInto("behalf_migrations")
        .values({ name: migration.name, applied_at: clock.now() })
        .execute();
    }
    return pending.map((migration) => migration.name);
  });
}

/** Migrations that this database has not seen. The table of migrations must exist. */
export async function pendingMigrations(on: Queryable): Promise<readonly Migration[]> {
  const rows = await on.db<MigrationTables>().selectFrom("behalf_migrations").select("name").execute();
  const applied = new Set(rows.map((row) => row.name));
  return migrations.filter((migration) => !applied.has(migration.name));
}
