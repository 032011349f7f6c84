import { sha256 } from "../crypto/hash.ts";
import { currentRequest } from "../http/context.ts";
import { assert } from "../lib/assert.ts";
import { canonicalJson } from "../lib/canonical-json.ts";
import type { Clock } from "../lib/clock.ts";
import { hotQuery } from "../storage/hot.ts";
import type { Storage, Tx } from "../storage/index.ts";
import type { AuditEvent } from "./index.ts";
import type { AuditTables } from "./store.ts";

/** An event as it will be hashed but for its number, taken when it happened rather than when it is written. */
interface PendingEvent {
  readonly occurredAt: number;
  readonly fields: {
    readonly time: string;
    readonly action: string;
    readonly outcome: string;
    readonly user_id: string | null;
    readonly client_id: string | null;
    readonly object_id: string | null;
    readonly actor_id: string | null;
    readonly request_id: string | null;
    readonly details: NonNullable<AuditEvent["details"]>;
  };
}

interface Waiting extends PendingEvent {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Events of one commit. Bounded so that one statement never binds more than SQLite's 32 766 variables. */
const MAX_BATCH = 500;

export function createAppender(deps: { storage: Storage; clock: Clock }) {
  const { storage, clock } = deps;
  const waiting: Waiting[] = [];
  let writing = false;

  /** Refuses what cannot be stored here, so that it fails its own caller and not those who share the commit. */
  function pending(event: AuditEvent): PendingEvent {
    const occurredAt = clock.now();
    const request = currentRequest();
    const fields = {
      time: new Date(occurredAt).toISOString(),
      action: event.action,
      outcome: event.outcome,
      user_id: event.userId ?? null,
      client_id: event.clientId ?? null,
      object_id: event.objectId ?? null,
      actor_id: request?.actorId ?? null,
      request_id: request?.requestId ?? null,
      details: event.details ?? {},
    };
    canonicalJson(fields);
    // PostgreSQL takes no zero character in a text column.
    const columns = [fields.action, fields.user_id, fields.client_id, fields.request_id];
    assert(
      !columns.some((text) => text?.includes("\0")),
      "an audit event names things without zero characters",
    );
    return { occurredAt, fields };
  }

  /**
   * Requests that came in together share a commit. On SQLite a request runs to its end without yielding, so
   * others are only seen after a turn of the event loop; the commit waits for that.
   */
  async function drain(): Promise<void> {
    if (writing) return;
    writing = true;
    while (waiting.length > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      let batch: Waiting[] = [];
      try {
        await storage.transaction((tx) => {
          batch = waiting.splice(0, MAX_BATCH);
          return write(tx, batch);
        });
        for (const one of batch) one.resolve();
      } catch (error) {
        // Without a connection nobody was taken out yet, and nobody's event is written.
        if (batch.length === 0) batch = waiting.splice(0);
        for (const one of batch) one.reject(error);
      }
    }
    writing = false;
  }

  return {
    appendIn: async (tx: Tx, event: AuditEvent) => write(tx, [pending(event)]),
    append: (event: AuditEvent) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ ...pending(event), resolve, reject });
        queueMicrotask(drain);
      }),
  };
}

/** Taking the new end first locks the chain: the next writer waits here until this commit is through. */
const takeEnd = hotQuery<{ seq: number; hash: string }>(
  "update audit_head set seq = seq + ? where id = 1 returning seq, hash",
);
const setEnd = hotQuery<never>("update audit_head set hash = ? where id = 1");
const insertOne = hotQuery<never>(
  `insert into audit_events (seq, hash, occurred_at, action, user_id, client_id, request_id, event)
   values (?, ?, ?, ?, ?, ?, ?, ?)`,
);

async function write(tx: Tx, events: readonly PendingEvent[]): Promise<void> {
  const [head] = await takeEnd(tx, [events.length]);
  assert(head, "the audit chain has an end");
  let seq = head.seq - events.length;
  let hash = head.hash;
  const rows = events.map(({ occurredAt, fields }) => {
    seq += 1;
    const event = canonicalJson({ seq, ...fields });
    hash = chainHash(hash, event);
    const { action, user_id, client_id, request_id } = fields;
    return { seq, hash, occurred_at: occurredAt, action, user_id, client_id, request_id, event };
  });
  await insertAll(tx, rows);
  await setEnd(tx, [hash]);
}

/** One statement where each costs a round trip; a prepared one for each row where it does not. */
async function insertAll(tx: Tx, rows: readonly AuditTables["audit_events"][]): Promise<void> {
  if (tx.engine === "postgres") await tx.db<AuditTables>().insertInto("audit_events").values(rows).execute();
  else for (const row of rows) await insertOne(tx, Object.values(row));
}

/** Each hash covers the one before it and the event, so that no event can be changed, moved or taken out. */
export function chainHash(previous: string, event: string): string {
  return sha256(`${previous}\n${event}`);
}
