import { sha256 } from "../crypto/hash.ts";
import { currentRequest } from "../http/context.ts";
import { assert } from "../lib/assert.ts";
import { canonicalJson } from "../lib/canonical-json.ts";
import type { Clock } from "../lib/clock.ts";
import type { Storage, Tx } from "../storage/index.ts";
import type { AuditEvent } from "./index.ts";
import type { AuditTables } from "./store.ts";

/** An event with the request it belongs to, taken when it happened rather than when it is written. */
interface PendingEvent {
  readonly event: AuditEvent;
  readonly occurredAt: number;
  readonly requestId: string | undefined;
}

interface Waiting extends PendingEvent {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Events of one commit. Bounded so that one statement never binds more than SQLite's 32 766 variables. */
const MAX_BATCH = 500;

export function createAppender(deps: { storage: Storage; clock: Clock }) {
  const { storage, clock } = deps;
  let waiting: Waiting[] = [];
  let writing = false;

  function pending(event: AuditEvent): PendingEvent {
    return { event, occurredAt: clock.now(), requestId: currentRequest()?.requestId };
  }

  /** While one commit runs, the next callers gather; they share the commit after it. */
  async function drain(): Promise<void> {
    if (writing) return;
    writing = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, MAX_BATCH);
      try {
        await storage.transaction((tx) => write(tx, batch));
        for (const one of batch) one.resolve();
      } catch (error) {
        for (const one of batch) one.reject(error);
      }
    }
    waiting = [];
    writing = false;
  }

  return {
    appendIn: (tx: Tx, event: AuditEvent) => write(tx, [pending(event)]),
    append: (event: AuditEvent) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ ...pending(event), resolve, reject });
        queueMicrotask(drain);
      }),
  };
}

async function write(tx: Tx, events: readonly PendingEvent[]): Promise<void> {
  const db = tx.db<AuditTables>();
  // Taking the new end first locks the chain: the next writer waits here until this commit is through.
  const head = await db
    .updateTable("audit_head")
    .set((eb) => ({ seq: eb("seq", "+", events.length) }))
    .where("id", "=", 1)
    .returning(["seq", "hash"])
    .executeTakeFirst();
  assert(head, "the audit chain has an end");
  let seq = head.seq - events.length;
  let hash = head.hash;
  const rows = events.map(({ event, occurredAt, requestId }) => {
    seq += 1;
    const text = canonicalJson({
      seq,
      time: new Date(occurredAt).toISOString(),
      action: event.action,
      outcome: event.outcome,
      user_id: event.userId ?? null,
      client_id: event.clientId ?? null,
      object_id: event.objectId ?? null,
      request_id: requestId ?? null,
      details: event.details ?? {},
    });
    hash = chainHash(hash, text);
    return {
      seq,
      hash,
      occurred_at: occurredAt,
      action: event.action,
      user_id: event.userId ?? null,
      client_id: event.clientId ?? null,
      request_id: requestId ?? null,
      event: text,
    };
  });
  await db.insertInto("audit_events").values(rows).execute();
  await db.updateTable("audit_head").set({ hash }).where("id", "=", 1).execute();
}

/** Each hash covers the one before it and the event, so that no event can be changed, moved or taken out. */
export function chainHash(previous: string, event: string): string {
  return sha256(`${previous}\n${event}`);
}
