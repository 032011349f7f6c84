import type { Storage } from "../storage/index.ts";
import { chainHash } from "./append.ts";
import type { AuditTables } from "./store.ts";

/** What a walk over the chain found. `seq` is the first event that is wrong. */
export type AuditVerdict =
  | { readonly ok: true; readonly events: number; readonly head: string }
  | { readonly ok: false; readonly seq: number; readonly problem: string };

/** One stored event, as it was hashed. */
export interface AuditRecord {
  readonly seq: number;
  readonly time: string;
  readonly action: string;
  readonly outcome: string;
  readonly user_id: string | null;
  readonly client_id: string | null;
  readonly object_id: string | null;
  /** The administrator, service or command that acted; `null` when the user did. */
  readonly actor_id: string | null;
  readonly request_id: string | null;
  readonly details: Readonly<Record<string, string | number | boolean | null>>;
}

/** Events newest first; `next` continues the list. */
export interface AuditPage {
  readonly events: readonly AuditRecord[];
  readonly next: number | undefined;
}

const PAGE = 1_000;
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

export async function verifyChain(
  storage: Storage,
  onProgress: (checked: number) => void = () => undefined,
): Promise<AuditVerdict> {
  let seq = 0;
  let hash = "";
  for (;;) {
    const rows = await storage
      .db<AuditTables>()
      .selectFrom("audit_events")
      .selectAll()
      .where("seq", ">", seq)
      .orderBy("seq")
      .limit(PAGE)
      .execute();
    for (const row of rows) {
      if (row.seq !== seq + 1) return { ok: false, seq: seq + 1, problem: "an event is missing" };
      hash = chainHash(hash, row.event);
      seq = row.seq;
      if (hash !== row.hash) return { ok: false, seq, problem: "the event or its hash was changed" };
      if (!columnsAgree(row)) return { ok: false, seq, problem: "a column does not say what the event says" };
    }
    onProgress(seq);
    if (rows.length === PAGE) continue;
    const end = await readEnd(storage);
    // The server goes on writing while the chain is walked.
    if (end.last > seq) continue;
    if (end.seq !== seq || end.hash !== hash)
      return { ok: false, seq: seq + 1, problem: "events are missing at the end, or the end was changed" };
    return { ok: true, events: seq, head: hash };
  }
}

/** The recorded end and the last event, in one statement so that both are of the same moment. */
async function readEnd(storage: Storage): Promise<{ seq: number; hash: string; last: number }> {
  const row = await storage
    .db<AuditTables>()
    .selectFrom("audit_head")
    .select(["seq", "hash"])
    .select((eb) =>
      eb
        .selectFrom("audit_events")
        .select((e) => e.fn.max("seq").as("last"))
        .as("last"),
    )
    .executeTakeFirst();
  return { seq: row?.seq ?? -1, hash: row?.hash ?? "", last: row?.last ?? 0 };
}

/** The columns exist for searching; the hashed text is the truth. */
function columnsAgree(row: AuditTables["audit_events"]): boolean {
  const event = parse(row.event);
  return (
    event !== undefined &&
    event.seq === row.seq &&
    event.action === row.action &&
    event.user_id === row.user_id &&
    event.client_id === row.client_id &&
    event.request_id === row.request_id &&
    Date.parse(event.time) === row.occurred_at
  );
}

export async function listEvents(
  storage: Storage,
  filter: { before?: number; limit?: number; userId?: string; action?: string },
): Promise<AuditPage> {
  const limit = Math.max(1, Math.min(filter.limit ?? DEFAULT_LIMIT, MAX_LIMIT));
  let query = storage.db<AuditTables>().selectFrom("audit_events").select(["seq", "event"]);
  if (filter.before !== undefined) query = query.where("seq", "<", filter.before);
  if (filter.userId !== undefined) query = query.where("user_id", "=", filter.userId);
  if (filter.action !== undefined) query = query.where("action", "=", filter.action);
  const rows = await query
    .orderBy("seq", "desc")
    .limit(limit + 1)
    .execute();
  const page = rows.slice(0, limit);
  return {
    events: page.map((row) => parse(row.event)).filter((event) => event !== undefined),
    next: rows.length > limit ? page.at(-1)?.seq : undefined,
  };
}

/** Our own text read back; `undefined` when somebody wrote something else there. */
function parse(text: string): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // What we wrote is a record; verify() compares its members with the columns.
    return typeof value === "object" && value !== null ? (value as AuditRecord) : undefined;
  } catch {
    return undefined; // Not JSON: verify() names it, a list leaves it out.
  }
}
