import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, name TEXT, email TEXT, seen_at_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS chats (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, title TEXT NOT NULL, changed_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS chats_of_user ON chats (user_id, changed_at_ms);
  CREATE TABLE IF NOT EXISTS messages (
    chat_id TEXT NOT NULL REFERENCES chats, position INTEGER NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (chat_id, position)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS account_choices (
    user_id TEXT NOT NULL, connection TEXT NOT NULL, login_hint TEXT NOT NULL, PRIMARY KEY (user_id, connection)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, access TEXT NOT NULL, digest TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS chunks (
    document_id TEXT NOT NULL REFERENCES documents, position INTEGER NOT NULL, heading TEXT NOT NULL,
    text TEXT NOT NULL, embedding BLOB NOT NULL, PRIMARY KEY (document_id, position)
  ) STRICT;
`;

/** The assistant's own data: people, conversations, documents. Acknowledged writes survive a kill. */
export function openDatabase(dataDir: string): DatabaseSync {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, "assistant.sqlite");
  closeSync(openSync(path, "a", 0o600)); // conversations are nobody else's business
  const db = new DatabaseSync(path, { timeout: 5_000 });
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
  db.exec(SCHEMA);
  return db;
}

/** A value that was kept under a name. */
export function readSetting(db: DatabaseSync, name: string): string | undefined {
  const value = db.prepare("SELECT value FROM settings WHERE name = ?").get(name)?.["value"];
  return typeof value === "string" ? value : undefined;
}

export function writeSetting(db: DatabaseSync, name: string, value: string): void {
  db.prepare(
    "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
  ).run(name, value);
}

/** Runs `work` in one transaction: all of it or nothing. */
export function inTransaction<T>(db: DatabaseSync, work: () => T): T {
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
