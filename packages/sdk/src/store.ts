/** What a write may depend on. */
export interface PutOptions {
  /** Seconds until the entry is gone. Positive. */
  ttlSeconds: number;
  /** Write only if this is what is there now: a value, or `null` for nothing. Without it, always. */
  expect?: string | null;
}

/**
 * Where the SDK keeps what must outlive a request: open approvals, sessions, leases. Values are sealed
 * before they arrive here. An implementation must pass `storeContract` (stores/suite.ts).
 *
 * Each call is atomic; of any number of concurrent writes with the same `expect` one succeeds, across all
 * processes that share the store.
 */
export interface Store {
  /** The value, or undefined when it is absent or its time is over. */
  get(key: string): Promise<string | undefined>;
  /** Whether the value was written. */
  put(key: string, value: string, options: PutOptions): Promise<boolean>;
  /** Whether an entry was removed. With `expect`, only an entry of that value is. */
  delete(key: string, options?: { expect?: string }): Promise<boolean>;
}

/** Milliseconds since 1970-01-01T00:00:00Z. */
export interface Clock {
  now(): number;
}

/** The clock of this machine. */
export const systemClock: Clock = { now: () => Date.now() };

/** How many expired entries a write looks for; keeps the cost of cleaning up constant. */
const SWEEP_PER_PUT = 16;

/**
 * A store in this process's memory: for one process, whose open approvals and sessions may end with it.
 */
export function createMemoryStore({ clock = systemClock }: { clock?: Clock } = {}): Store {
  const entries = new Map<string, { value: string; expiresAtMs: number }>();

  function current(key: string): string | undefined {
    const entry = entries.get(key);
    if (!entry) return undefined;
    if (entry.expiresAtMs > clock.now()) return entry.value;
    entries.delete(key);
    return undefined;
  }

  function sweep(): void {
    let seen = 0;
    for (const [key, entry] of entries) {
      seen += 1;
      if (seen > SWEEP_PER_PUT) return;
      if (entry.expiresAtMs <= clock.now()) entries.delete(key);
    }
  }

  return {
    async get(key) {
      return current(key);
    },
    async put(key, value, { ttlSeconds, expect }) {
      assertTtl(ttlSeconds);
      if (expect !== undefined && (current(key) ?? null) !== expect) return false;
      sweep();
      entries.delete(key); // so that the sweep, which starts at the oldest write, reaches every entry
      entries.set(key, { value, expiresAtMs: clock.now() + ttlSeconds * 1000 });
      return true;
    },
    async delete(key, { expect } = {}) {
      const value = current(key);
      if (value === undefined || (expect !== undefined && value !== expect)) return false;
      return entries.delete(key);
    },
  };
}

/** @throws RangeError for a time to live that is not a positive number of seconds. */
export function assertTtl(ttlSeconds: number): void {
  if (!(ttlSeconds > 0) || !Number.isFinite(ttlSeconds)) {
    throw new RangeError("ttlSeconds must be a positive number of seconds");
  }
}
