import type { Clock } from "../lib/clock.ts";
import type { Storage, Tx } from "../storage/index.ts";
import { createAppender } from "./append.ts";
import { type AuditPage, type AuditVerdict, listEvents, verifyChain } from "./query.ts";

export type { AuditPage, AuditRecord, AuditVerdict } from "./query.ts";

/** One thing that happened. Never holds a secret: names, ids, scopes and outcomes only. */
export interface AuditEvent {
  /** `<slice>.<what happened>`, listed in the slice's `events.ts`. */
  readonly action: string;
  readonly userId?: string | undefined;
  /** The client that acted; the agent, when it is one. */
  readonly clientId?: string | undefined;
  /** What it was done to, for example an account or approval id. */
  readonly objectId?: string | undefined;
  readonly outcome: "allowed" | "refused" | "done" | "failed";
  /** Flat facts: connection name, scopes, digest, error code. */
  readonly details?: Readonly<Record<string, string | number | boolean | null>> | undefined;
}

/**
 * The audit log: a hash chain in the database. Every release of a third-party token and every change is in
 * it before the caller hears of it; when it cannot be written, nothing is released.
 */
export interface Audit {
  /** Appends inside `tx`: the event exists exactly when the transaction does. */
  appendIn(tx: Tx, event: AuditEvent): Promise<void>;
  /** Appends in a commit of its own, shared with concurrent callers. Resolves when durable. */
  append(event: AuditEvent): Promise<void>;
  /** Walks the whole chain. */
  verify(onProgress?: (checked: number) => void): Promise<AuditVerdict>;
  /** Events newest first. */
  list(filter: { before?: number; limit?: number; userId?: string; action?: string }): Promise<AuditPage>;
}

export function createAudit(deps: { storage: Storage; clock: Clock }): Audit {
  const appender = createAppender(deps);
  return {
    ...appender,
    verify: (onProgress) => verifyChain(deps.storage, onProgress),
    list: (filter) => listEvents(deps.storage, filter),
  };
}
