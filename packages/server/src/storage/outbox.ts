import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Queryable, Storage } from "./index.ts";

/** Work that leaves the process after its transaction has committed: mail, push, webhooks. */
export interface Outbox {
  /**
   * Adds a message inside `on`, so that it exists exactly when the transaction does. Returns its id, which is
   * `id` when the payload is bound to one that was made before.
   */
  add(
    on: Queryable,
    message: { topic: string; payload: unknown; dueAt?: number; id?: string },
  ): Promise<string>;
  /**
   * Hands due messages of the handled topics to their handlers, eight at a time; at least once each. A failing
   * handler is called again after 1 s, 2 s, 4 s … up to an hour, 12 times. What was delivered or given up keeps
   * no payload. Returns how many were delivered.
   */
  deliver(handlers: Readonly<Record<string, OutboxHandler>>): Promise<number>;
}

/** Sends one message; must end within 45 seconds, before another process may take the message over. */
export type OutboxHandler = (message: OutboxMessage) => Promise<void>;

/** One attempt at one message. */
export interface OutboxMessage {
  /** The same at each attempt, so that the receiver can drop repeats. */
  readonly id: string;
  readonly payload: unknown;
  /** From 1. */
  readonly attempt: number;
  /** When the next attempt would be made, in milliseconds; absent at the last one. */
  readonly nextAttemptAt?: number;
}

/** Thrown by a handler when no further attempt can help: the message is given up at once. */
export class Undeliverable extends Error {
  override readonly name = "Undeliverable";
}

/** Thrown by a handler whose receiver said when to come again: `delayMs`, at most an hour. */
export class RetryLater extends Error {
  override readonly name = "RetryLater";
  readonly delayMs: number;

  constructor(delayMs: number, options?: ErrorOptions) {
    super("the receiver asks to come again later", options);
    this.delayMs = delayMs;
  }
}

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

/** Messages taken by one call: a server that stops waits for no more than what it has begun. */
const BATCH = 200;
/** One slow receiver must not hold up what is meant for others. */
const CONCURRENCY = 8;
/** While slow messages are under way, how often new ones are looked for. */
const POLL_MS = 500;
/** A process that dies while sending leaves its claim behind; after this another one takes over. */
const CLAIM_MS = 60_000;
const MAX_ATTEMPTS = 12;
const MAX_DELAY_MS = 3_600_000;
/** JSON of nothing: what a message holds once it has been delivered or given up. */
const NO_PAYLOAD = "null";

export function createOutbox(deps: { storage: Storage; clock: Clock; ids: Ids }): Outbox {
  const { storage, clock, ids } = deps;
  const table = () => storage.db<OutboxTables>();

  async function add(
    on: Queryable,
    message: { topic: string; payload: unknown; dueAt?: number; id?: string },
  ): Promise<string> {
    const id = message.id ?? ids.prefixed("out");
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

  async function claim(topics: readonly string[], most: number): Promise<OutboxTables["outbox"][]> {
    const now = clock.now();
    const result = await sql<OutboxTables["outbox"]>`
      update outbox set claimed_until = ${now + CLAIM_MS}, attempts = attempts + 1
      where id in (
        select id from outbox
        where done_at is null and due_at <= ${now} and (claimed_until is null or claimed_until < ${now})
          and topic in (${sql.join(topics)})
        order by due_at limit ${most}
      ) and done_at is null and (claimed_until is null or claimed_until < ${now})
      returning *`.execute(table());
    return result.rows;
  }

  /** Changes nothing when the claim ran out and somebody else has the message by now. */
  async function settle(row: OutboxTables["outbox"], change: Partial<OutboxTables["outbox"]>): Promise<void> {
    await table()
      .updateTable("outbox")
      .set({ ...change, claimed_until: null })
      .where("id", "=", row.id)
      .where("claimed_until", "=", row.claimed_until)
      .execute();
  }

  async function attempt(row: OutboxTables["outbox"], handler: OutboxHandler | undefined): Promise<boolean> {
    const isLast = row.attempts >= MAX_ATTEMPTS;
    const delay = Math.min(1_000 * 2 ** (row.attempts - 1), MAX_DELAY_MS);
    try {
      await handler?.({
        id: row.id,
        payload: JSON.parse(row.payload),
        attempt: row.attempts,
        ...(isLast ? {} : { nextAttemptAt: clock.now() + delay }),
      });
      await settle(row, { done_at: clock.now(), payload: NO_PAYLOAD });
      return true;
    } catch (error) {
      // What the receiver said may hold anything; the class of the error is enough to act on.
      const last_error = error instanceof Error ? error.name : "unknown";
      const gaveUp = isLast || error instanceof Undeliverable;
      const wished = error instanceof RetryLater ? Math.min(error.delayMs, MAX_DELAY_MS) : 0;
      await settle(row, {
        last_error,
        due_at: clock.now() + Math.max(delay, wished),
        ...(gaveUp ? { done_at: clock.now(), payload: NO_PAYLOAD } : {}),
      });
      return false;
    }
  }

  return {
    add,
    async deliver(handlers) {
      const topics = Object.keys(handlers);
      if (topics.length === 0) return 0;
      let [taken, delivered] = [0, 0];
      const running = new Set<Promise<void>>();
      const failures: unknown[] = [];
      const begin = (row: OutboxTables["outbox"]) => {
        const work = attempt(row, handlers[row.topic])
          .then((done) => {
            if (done) delivered += 1;
          })
          .catch((error) => void failures.push(error))
          .finally(() => running.delete(work));
        running.add(work);
      };
      for (;;) {
        const free = failures.length > 0 ? 0 : Math.min(CONCURRENCY - running.size, BATCH - taken);
        const rows = free > 0 ? await claim(topics, free) : [];
        taken += rows.length;
        rows.forEach(begin);
        if (running.size === 0) break;
        await oneOrPoll(running);
      }
      // The database failed: what was not settled is taken over when its claim has run out.
      if (failures.length > 0) throw failures[0];
      return delivered;
    },
  };
}

async function oneOrPoll(running: ReadonlySet<Promise<void>>): Promise<void> {
  const waking = new AbortController();
  const poll = sleep(POLL_MS, undefined, { signal: waking.signal }).catch(() => undefined);
  await Promise.race([...running, poll]);
  waking.abort();
}
