import { sql } from "kysely";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Queryable, Storage } from "./index.ts";

/** Work that leaves the process after its transaction has committed: mail, push, webhooks. */
export interface Outbox {
  /** Adds a message inside `on`, so that it exists exactly when the transaction does. Returns its id. */
  add(on: Queryable, message: { topic: string; payload: unknown; dueAt?: number }): Promise<string>;
  /**
   * Hands due messages of the handled topics to their handlers; at least once each. A failing handler is
   * called again after 1 s, 2 s, 4 s … up to an hour, 12 times. Returns how many were delivered.
   */
  deliver(handlers: Readonly<Record<string, OutboxHandler>>): Promise<number>;
}

/** Sends one message. `id` is the same at each attempt, so that the receiver can drop repeats. */
export type OutboxHandler = (message: { id: string; payload: unknown; attempt: number }) => Promise<void>;

interface OutboxTables {
  outbox: {
    id: string;
    topic: string;
    payload: string;
    created_at: number;
    due_at: number;
    attempts: number;
    claimed_until: number | null;
    done_at: number | null;
    last_error: string | null;
  };
}

const BATCH = 50;
/** A process that dies while sending leaves its claim behind; after this another one takes over. */
const CLAIM_MS = 60_000;
const MAX_ATTEMPTS = 12;
const MAX_DELAY_MS = 3_600_000;

export function createOutbox(deps: { storage: Storage; clock: Clock; ids: Ids }): Outbox {
  const { storage, clock, ids } = deps;
  const table = () => storage.db<OutboxTables>();

  async function add(
    on: Queryable,
    message: { topic: string; payload: unknown; dueAt?: number },
  ): Promise<string> {
    const id = ids.prefixed("out");
    const now = clock.now();
    await on
      .db<OutboxTables>()
      .insertInto("outbox")
      .values({
        id,
        topic: message.topic,
        payload: JSON.stringify(message.payload),
        created_at: now,
        due_at: message.dueAt ?? now,
        attempts: 0,
        claimed_until: null,
        done_at: null,
        last_error: null,
      })
      .execute();
    return id;
  }

  async function claim(topics: readonly string[]): Promise<OutboxTables["outbox"][]> {
    const now = clock.now();
    const result = await sql<OutboxTables["outbox"]>`
      update outbox set claimed_until = ${now + CLAIM_MS}, attempts = attempts + 1
      where id in (
        select id from outbox
        where done_at is null and due_at <= ${now} and (claimed_until is null or claimed_until < ${now})
          and topic in (${sql.join(topics)})
        order by due_at limit ${BATCH}
      ) and done_at is null and (claimed_until is null or claimed_until < ${now})
      returning *`.execute(table());
    return result.rows;
  }

  async function settle(id: string, change: Partial<OutboxTables["outbox"]>): Promise<void> {
    await table()
      .updateTable("outbox")
      .set({ ...change, claimed_until: null })
      .where("id", "=", id)
      .execute();
  }

  return {
    add,
    async deliver(handlers) {
      const topics = Object.keys(handlers);
      if (topics.length === 0) return 0;
      let delivered = 0;
      for (const row of await claim(topics)) {
        try {
          await handlers[row.topic]?.({
            id: row.id,
            payload: JSON.parse(row.payload),
            attempt: row.attempts,
          });
          await settle(row.id, { done_at: clock.now() });
          delivered += 1;
        } catch (error) {
          // What the receiver said may hold anything; the class of the error is enough to act on.
          const kind = error instanceof Error ? error.name : "unknown";
          const gaveUp = row.attempts >= MAX_ATTEMPTS;
          const delay = Math.min(1_000 * 2 ** (row.attempts - 1), MAX_DELAY_MS);
          await settle(row.id, {
            last_error: kind,
            due_at: clock.now() + delay,
            ...(gaveUp ? { done_at: clock.now() } : {}),
          });
        }
      }
      return delivered;
    },
  };
}
