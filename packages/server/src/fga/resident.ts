import { createMemoryTuples, type MemoryTuples } from "@behalf/fga";
import { assert } from "../lib/assert.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Storage } from "../storage/index.ts";
import { wireErrorOf } from "./errors.ts";
import { type ChangeRow, type Changes, changesSince, toTuple, tuplesAfter } from "./store.ts";
import type { CommittedWrite } from "./tuples.ts";

/** How fresh an answer must be. @see openfga/api `ConsistencyPreference` */
export type Consistency = "UNSPECIFIED" | "MINIMIZE_LATENCY" | "HIGHER_CONSISTENCY";

/** One store's tuples in memory, as of one moment of the database. */
export interface ResidentStore {
  readonly id: string;
  readonly tuples: MemoryTuples;
  /** `undefined` until the store has a model. */
  readonly latestModelId: string | undefined;
}

/**
 * The stores that are in memory. An index is loaded at first use and follows the change log: it holds what is
 * committed, never more, and all that this process has acknowledged.
 */
export interface Residents {
  /** The store if it is in memory and fresh enough: what queries ask first, without waiting. */
  ready(storeId: string, consistency: Consistency): ResidentStore | undefined;
  /** The store, loaded or brought up to date; `undefined` if it is unknown or deleted. */
  open(storeId: string, consistency: Consistency): Promise<ResidentStore | undefined>;
  /** Runs a write and, once it is committed, makes its changes part of the index. */
  recordWrite(
    storeId: string,
    run: () => Promise<CommittedWrite | undefined>,
  ): Promise<CommittedWrite | undefined>;
  /** Takes note of a model that is committed. */
  recordModel(storeId: string, modelId: string): void;
  /** Drops the index of a deleted store. */
  drop(storeId: string): void;
}

/** Limits on what is kept in memory; the least recently used store goes first, the one in use stays. */
export interface ResidentLimits {
  /** Default 1,000. */
  readonly maxStores: number;
  /** Tuples of all stores together. Default 20 million, about 4 GB. */
  readonly maxTuples: number;
}

const DEFAULT_LIMITS: ResidentLimits = { maxStores: 1_000, maxTuples: 20_000_000 };
/** Tuples read at once while loading: some tens of milliseconds, after which other requests get their turn. */
const LOAD_CHUNK = 10_000;
/** Changes read at once; a process that fell behind by more asks again. */
const CHANGE_CHUNK = 1_000;
/** How old an answer may be that minimizes latency, where another process may have written. */
const MAX_AGE_MS = 1_000;

interface Entry extends ResidentStore {
  latestModelId: string | undefined;
  /** Last change that `tuples` holds. */
  seq: number;
  /** Last change that this process knows to be committed; beyond `seq` the index must catch up. */
  committed: number;
  /** When the database was asked last. */
  syncedAt: number;
  usedAt: number;
  loaded: boolean;
  /** A write failed in a way that leaves open whether it was committed: ask the database. */
  doubtful: boolean;
  /** The look at the database under way, and the one that starts after it. */
  running: Promise<boolean> | undefined;
  next: Promise<boolean> | undefined;
}

export function createResidents(deps: {
  storage: Storage;
  clock: Clock;
  log: Log;
  limits?: Partial<ResidentLimits> | undefined;
}): Residents {
  const { storage, clock, log } = deps;
  const limits = { ...DEFAULT_LIMITS, ...deps.limits };
  const isShared = storage.engine === "postgres";
  const entries = new Map<string, Entry>();
  let uses = 0;

  function isFresh(entry: Entry, consistency: Consistency): boolean {
    if (!entry.loaded || entry.doubtful || entry.seq < entry.committed) return false;
    // SQLite has one writing process, and this is it.
    if (!isShared) return true;
    return consistency === "MINIMIZE_LATENCY" && clock.now() - entry.syncedAt < MAX_AGE_MS;
  }

  function ready(storeId: string, consistency: Consistency): Entry | undefined {
    const entry = entries.get(storeId);
    if (!entry || !isFresh(entry, consistency)) return undefined;
    entry.usedAt = ++uses;
    return entry;
  }

  async function open(storeId: string, consistency: Consistency): Promise<Entry | undefined> {
    const fresh = ready(storeId, consistency);
    if (fresh) return fresh;
    let entry = entries.get(storeId);
    if (!entry) {
      entry = newEntry(storeId);
      entries.set(storeId, entry);
    }
    entry.usedAt = ++uses;
    return (await look(entry)) ? entry : undefined;
  }

  /**
   * Looks at the database once for all who ask. A look that began earlier may have missed what the caller knows
   * of, so who comes while one is under way shares the next.
   */
  function look(entry: Entry): Promise<boolean> {
    if (!entry.running) {
      entry.running = update(entry).finally(() => {
        entry.running = undefined;
      });
      return entry.running;
    }
    entry.next ??= entry.running
      .catch(() => undefined)
      .then(() => {
        entry.next = undefined;
        return look(entry);
      });
    return entry.next;
  }

  /** Loads or catches up; false, and the entry is gone, if the store is unknown or deleted. */
  async function update(entry: Entry): Promise<boolean> {
    try {
      const exists = (entry.loaded || (await load(entry))) && (await catchUp(entry));
      if (!exists) forget(entry);
      return exists;
    } catch (error) {
      // Half an index must not answer: the next use loads it anew.
      forget(entry);
      throw error;
    }
  }

  async function load(entry: Entry): Promise<boolean> {
    const head = await changesSince(storage, entry.id, Number.MAX_SAFE_INTEGER, 1);
    if (!head) return false;
    let after = 0;
    for (;;) {
      const range = { after, until: head.lastSeq, limit: LOAD_CHUNK };
      const rows = await tuplesAfter(storage, entry.id, range);
      for (const row of rows) entry.tuples.add(toTuple(row));
      const last = rows.at(-1);
      if (rows.length < LOAD_CHUNK || !last) break;
      after = last.seq;
    }
    // What was deleted meanwhile was read or not; the log from here on says so again, and both end the same.
    entry.seq = head.lastSeq;
    evictBeside(entry);
    return true;
  }

  async function catchUp(entry: Entry): Promise<boolean> {
    for (;;) {
      const startedAt = clock.now();
      entry.doubtful = false;
      const found = await changesSince(storage, entry.id, entry.seq, CHANGE_CHUNK);
      if (!found) return false;
      applyAll(entry, found);
      noteModel(entry, found.latestModelId);
      entry.syncedAt = startedAt;
      if (found.changes.length < CHANGE_CHUNK && entry.seq >= entry.committed && !entry.doubtful) {
        entry.loaded = true;
        return true;
      }
    }
  }

  function applyAll(entry: Entry, { changes, lastSeq }: Changes): void {
    // A write of this process may have made its changes part of the index while the database was asked.
    for (const change of changes) if (change.seq > entry.seq) applyOne(entry, change);
    const isWhole = changes.length < CHANGE_CHUNK;
    entry.seq = Math.max(entry.seq, isWhole ? lastSeq : (changes.at(-1)?.seq ?? 0));
  }

  function applyOne(entry: Entry, change: ChangeRow): void {
    const tuple = toTuple(change);
    const done = change.operation === "write" ? entry.tuples.add(tuple) : entry.tuples.remove(tuple);
    // While loading, a delete may name a tuple that was gone before it was read.
    assert(done || !entry.loaded, `the index of store ${entry.id} disagrees with change ${change.seq}`);
  }

  /** The write is committed: whatever happens here, it has succeeded. */
  function applyCommitted(entry: Entry, { base, last, changes }: CommittedWrite): void {
    entry.committed = Math.max(entry.committed, last);
    // Otherwise another write comes between, and the next query catches up by the log.
    if (!entry.loaded || entry.seq !== base) return;
    try {
      for (const change of changes) applyOne(entry, change);
      entry.seq = last;
    } catch (error) {
      forget(entry);
      log.error("fga index dropped", { store: entry.id, error: String(error) });
    }
  }

  function forget(entry: Entry): void {
    entry.loaded = false;
    if (entries.get(entry.id) === entry) entries.delete(entry.id);
  }

  function evictBeside(kept: Entry): void {
    let tuples = 0;
    for (const entry of entries.values()) tuples += entry.tuples.size;
    while (entries.size > 1 && (entries.size > limits.maxStores || tuples > limits.maxTuples)) {
      let oldest: Entry | undefined;
      for (const entry of entries.values())
        if (entry !== kept && (!oldest || entry.usedAt < oldest.usedAt)) oldest = entry;
      if (!oldest) return;
      tuples -= oldest.tuples.size;
      forget(oldest);
      log.info("fga index dropped", { store: oldest.id, tuples: oldest.tuples.size });
    }
  }

  return {
    ready,
    open,
    async recordWrite(storeId, run) {
      try {
        const done = await run();
        const entry = entries.get(storeId);
        if (done && entry) applyCommitted(entry, done);
        return done;
      } catch (error) {
        const entry = entries.get(storeId);
        // A refusal came before the commit. After anything else the commit may have happened.
        if (entry && wireErrorOf(error) === undefined) entry.doubtful = true;
        throw error;
      }
    },
    recordModel(storeId, modelId) {
      const entry = entries.get(storeId);
      if (entry) noteModel(entry, modelId);
    },
    drop(storeId) {
      const entry = entries.get(storeId);
      if (entry) forget(entry);
    },
  };
}

function newEntry(id: string): Entry {
  return {
    id,
    tuples: createMemoryTuples(),
    latestModelId: undefined,
    seq: 0,
    committed: 0,
    syncedAt: 0,
    usedAt: 0,
    loaded: false,
    doubtful: false,
    running: undefined,
    next: undefined,
  };
}

/** The latest model is the one of the highest id. */
function noteModel(entry: Entry, id: string | null): void {
  if (id !== null && (entry.latestModelId === undefined || id > entry.latestModelId))
    entry.latestModelId = id;
}
