import type { Clock } from "./clock.ts";
import type { Database } from "./database.ts";

/** Rows kept; older ones are dropped so that a file that stays for months does not grow without end. */
const KEPT_ROWS = 10_000;

/** The table that `createRequestLog` needs. */
export const REQUEST_LOG_TABLE = `
  CREATE TABLE requests (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, method TEXT NOT NULL,
    path TEXT NOT NULL, outcome TEXT NOT NULL, notes TEXT NOT NULL) STRICT`;

/** What a handler says about its request. Values are identifiers and codes, never a token, code or secret. */
export type RequestNotes = Record<string, string | number>;

/** One request that was received. The query string is not kept: it may hold secrets. */
export type RequestEntry = {
  seq: number;
  /** ISO 8601, UTC. */
  at: string;
  method: string;
  path: string;
  /** `received` while it is worked on, then the error code, the fault, or the HTTP status. */
  outcome: string;
} & RequestNotes;

/** The requests that this program received, durably. */
export type RequestLog = {
  /** Written before anything is done, so that a killed process leaves a trace. Answers its number. */
  open(method: string, path: string): number;
  close(seq: number, outcome: string, notes: RequestNotes): void;
  /** Entries with a number above `after`, oldest first. */
  list(after: number): RequestEntry[];
};

type Row = { seq: number; at: number; method: string; path: string; outcome: string; notes: string };

/** A log over the table of `REQUEST_LOG_TABLE`. */
export function createRequestLog(db: Database, clock: Clock): RequestLog {
  return {
    open(method, path) {
      const row = db.first<{ seq: number }>(
        "INSERT INTO requests (at, method, path, outcome, notes) VALUES (?, ?, ?, 'received', '{}') RETURNING seq",
        clock(),
        method,
        path,
      );
      const seq = row?.seq ?? 0;
      if (seq % 1_000 === 0) db.run("DELETE FROM requests WHERE seq <= ?", seq - KEPT_ROWS);
      return seq;
    },
    close(seq, outcome, notes) {
      db.run("UPDATE requests SET outcome = ?, notes = ? WHERE seq = ?", outcome, JSON.stringify(notes), seq);
    },
    list(after) {
      return db
        .all<Row>("SELECT * FROM requests WHERE seq > ? ORDER BY seq", after)
        .map(({ at, notes, ...row }) => ({
          ...row,
          at: new Date(at).toISOString(),
          // Written by `close` from RequestNotes.
          ...(JSON.parse(notes) as RequestNotes),
        }));
    },
  };
}
