import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { UIMessage } from "ai";
import { inTransaction } from "./database.ts";

/** One conversation, without its messages. */
export interface Chat {
  id: string;
  title: string;
  changedAtMs: number;
}

/** Conversations of people. No method finds a conversation without its owner. */
export interface ChatStore {
  create(userId: string): Chat;
  /** Newest first. */
  list(userId: string): Chat[];
  find(userId: string, chatId: string): Chat | undefined;
  messages(chatId: string): UIMessage[];
  /** Writes the message at its position and drops what came after it. */
  save(chatId: string, position: number, message: UIMessage): void;
  /** Which of several connected accounts a person wants to use. */
  accountChoice(userId: string, connection: string): string | undefined;
  chooseAccount(userId: string, connection: string, loginHint: string): void;
}

const NEW_TITLE = "New conversation";
const MAX_TITLE_LENGTH = 60;
const MAX_LISTED = 30;

export function createChatStore(db: DatabaseSync, now: () => number): ChatStore {
  return {
    create(userId) {
      const chat = { id: `chat_${randomUUID()}`, title: NEW_TITLE, changedAtMs: now() };
      db.prepare("INSERT INTO chats (id, user_id, title, changed_at_ms) VALUES (?, ?, ?, ?)").run(
        chat.id,
        userId,
        chat.title,
        chat.changedAtMs,
      );
      return chat;
    },
    list: (userId) =>
      db
        .prepare(
          "SELECT id, title, changed_at_ms FROM chats WHERE user_id = ? ORDER BY changed_at_ms DESC LIMIT ?",
        )
        .all(userId, MAX_LISTED)
        .map(toChat),
    find(userId, chatId) {
      const row = db
        .prepare("SELECT id, title, changed_at_ms FROM chats WHERE id = ? AND user_id = ?")
        .get(chatId, userId);
      return row && toChat(row);
    },
    messages: (chatId) =>
      db
        .prepare("SELECT message FROM messages WHERE chat_id = ? ORDER BY position")
        .all(chatId)
        .map((row) => JSON.parse(String(row["message"])) as UIMessage), // written by `save`
    save(chatId, position, message) {
      inTransaction(db, () => {
        db.prepare("DELETE FROM messages WHERE chat_id = ? AND position > ?").run(chatId, position);
        db.prepare(
          `INSERT INTO messages (chat_id, position, message) VALUES (?, ?, ?)
           ON CONFLICT (chat_id, position) DO UPDATE SET message = excluded.message`,
        ).run(chatId, position, JSON.stringify(message));
        db.prepare("UPDATE chats SET changed_at_ms = ? WHERE id = ?").run(now(), chatId);
        const title = message.role === "user" ? titleOf(message) : undefined;
        if (title)
          db.prepare("UPDATE chats SET title = ? WHERE id = ? AND title = ?").run(title, chatId, NEW_TITLE);
      });
    },
    accountChoice(userId, connection) {
      const row = db
        .prepare("SELECT login_hint FROM account_choices WHERE user_id = ? AND connection = ?")
        .get(userId, connection);
      return row && String(row["login_hint"]);
    },
    chooseAccount(userId, connection, loginHint) {
      db.prepare(
        `INSERT INTO account_choices (user_id, connection, login_hint) VALUES (?, ?, ?)
         ON CONFLICT (user_id, connection) DO UPDATE SET login_hint = excluded.login_hint`,
      ).run(userId, connection, loginHint);
    },
  };
}

function toChat(row: Record<string, unknown>): Chat {
  return {
    id: String(row["id"]),
    title: String(row["title"]),
    changedAtMs: Number(row["changed_at_ms"]),
  };
}

function titleOf(message: UIMessage): string | undefined {
  const text = message.parts.find((part) => part.type === "text")?.text.trim();
  if (!text) return undefined;
  return text.length > MAX_TITLE_LENGTH ? `${text.slice(0, MAX_TITLE_LENGTH - 1).trimEnd()}…` : text;
}
