import type { Clock } from "../support/clock.ts";
import type { Database } from "../support/database.ts";
import { REQUEST_LOG_TABLE } from "../support/request-log.ts";

/** Messages kept; older ones are dropped. */
const KEPT_MESSAGES = 500;

export const MAILBOX_SCHEMA = {
  version: 1,
  tables: `${REQUEST_LOG_TABLE};
  CREATE TABLE messages (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL,
    recipient TEXT NOT NULL, sender TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL,
    html TEXT NOT NULL, message_id TEXT NOT NULL) STRICT;
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`,
};

/** A mail or a text as it arrived. */
export type Arrived = {
  seq: number;
  /** ISO 8601, UTC. */
  at: string;
  kind: "mail" | "text";
  to: string;
  from: string;
  /** Empty for a text. */
  subject: string;
  text: string;
  /** Empty for a text. */
  html: string;
  /** The mail's Message-ID or the text's Idempotency-Key: the same when a message comes again. */
  messageId: string;
};

type Row = Omit<Arrived, "at" | "to" | "from" | "messageId"> & {
  at: number;
  recipient: string;
  sender: string;
  message_id: string;
};

/** What arrived, durably. */
export type MailboxStore = {
  add(message: Omit<Arrived, "seq" | "at">): Arrived;
  /** Newest first; to one recipient, or to all. */
  list(to?: string): Arrived[];
  find(seq: number): Arrived | undefined;
  reset(): void;
};

/** A store over the tables of `MAILBOX_SCHEMA`. */
export function createMailboxStore(db: Database, clock: Clock): MailboxStore {
  return {
    add(message) {
      const row = db.first<Row>(
        `INSERT INTO messages (at, kind, recipient, sender, subject, text, html, message_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`,
        clock(),
        message.kind,
        message.to,
        message.from,
        message.subject,
        message.text,
        message.html,
        message.messageId,
      );
      if (!row) throw new Error("an inserted row comes back");
      db.run("DELETE FROM messages WHERE seq <= ?", row.seq - KEPT_MESSAGES);
      return toArrived(row);
    },
    list: (to) =>
      (to === undefined
        ? db.all<Row>("SELECT * FROM messages ORDER BY seq DESC")
        : db.all<Row>("SELECT * FROM messages WHERE lower(recipient) = lower(?) ORDER BY seq DESC", to)
      ).map(toArrived),
    find(seq) {
      const row = db.first<Row>("SELECT * FROM messages WHERE seq = ?", seq);
      return row && toArrived(row);
    },
    reset: () =>
      db.transaction(() => {
        for (const table of ["messages", "settings", "requests"]) db.run(`DELETE FROM ${table}`);
      }),
  };
}

function toArrived({ recipient, sender, message_id, at, ...row }: Row): Arrived {
  return { ...row, at: new Date(at).toISOString(), to: recipient, from: sender, messageId: message_id };
}
