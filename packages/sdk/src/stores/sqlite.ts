import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { assertTtl, type Clock, type Store, systemClock } from "../store.ts";

/** How long a write waits for another process's write before it fails. */
const BUSY_TIMEOUT_MS = 5_000;
/** How many expired rows a write removes; keeps the cost of cleaning up constant. */
const SWEEP_PER_PUT = 16;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS behalf_store (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS behalf_store_expiry ON behalf_store (expires_at_ms);
`;

/**
 * A store in an SQLite file: survives restarts, and several processes on one machine may share it. A write
 * that was acknowledged is on disk (`synchronous = FULL`).
 * @param path the file, created when it is missing (mode 0600); `:memory:` for a private one
 */
export function createSqliteStore({
  path,
  clock = systemClock,
}: {
  path: string;
  clock?: Clock;
}): Store & { close(): void } {
  const db = open(path);
  const get = db.prepare("SELECT value FROM behalf_store WHERE key = ? AND expires_at_ms > ?");
  const putAlways = db.prepare(
    `INSERT INTO behalf_store (key, value, expires_at_ms) VALUES (?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at_ms = excluded.expires_at_ms`,
  );
  const putIfAbsent = db.prepare(
    `INSERT INTO behalf_store (key, value, expires_at_ms) VALUES (?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at_ms = excluded.expires_at_ms
     WHERE behalf_store.expires_at_ms <= ?`,
  );
  const putIfEqual = db.prepare(
    "UPDATE behalf_store SET value = ?, expires_at_ms = ? WHERE key = ? AND value = ? AND expires_at_ms > ?",
  );
  const deleteAlways = db.prepare("DELETE FROM behalf_store WHERE key = ? AND expires_at_ms > ?");
  const deleteIfEqual = db.prepare(
    "DELETE FROM behalf_store WHERE key = ? AND value = ? AND expires_at_ms > ?",
  );
  const sweep = db.prepare(
    `DELETE FROM behalf_store WHERE key IN
     (SELECT key FROM behalf_store WHERE expires_at_ms <= ? LIMIT ${SWEEP_PER_PUT})`,
  );

  return {
    async get(key) {
      const value = get.get(key, clock.now())?.["value"];
      return typeof value === "string" ? value : undefined;
    },
    async put(key, value, { ttlSeconds, expect }) {
      assertTtl(ttlSeconds);
      const now = clock.now();
      const expiresAtMs = Math.ceil(now + ttlSeconds * 1000);
      sweep.run(now);
      if (expect === undefined) return putAlways.run(key, value, expiresAtMs).changes === 1;
      if (expect === null) return putIfAbsent.run(key, value, expiresAtMs, now).changes === 1;
      return putIfEqual.run(value, expiresAtMs, key, expect, now).changes === 1;
    },
    async delete(key, { expect } = {}) {
      const now = clock.now();
      if (expect === undefined) return deleteAlways.run(key, now).changes === 1;
      return deleteIfEqual.run(key, expect, now).changes === 1;
    },
    close() {
      db.close();
    },
  };
}

function open(path: string): DatabaseSync {
  if (path !== ":memory:") createPrivately(path);
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  db.exec(SCHEMA);
  return db;
}

/** Sealed or not, open approvals are nobody else's business; SQLite would create the file world-readable. */
function createPrivately(path: string): void {
  closeSync(openSync(path, "a", 0o600));
}
