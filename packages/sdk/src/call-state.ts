import { createHash, randomUUID } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";
import { BehalfError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import { sleep } from "./time.ts";

/** One sealed piece of state: a JSON value under a key that names whose it is. */
export interface StateSlot<T> {
  /** @throws BehalfError `store.unreadable` for a value that was changed or sealed with an unknown key */
  read(): Promise<T | undefined>;
  /**
   * As `read`, with a `replace` that writes only while this very value is still there: what was removed
   * meanwhile stays removed.
   */
  readForUpdate(): Promise<Held<T> | undefined>;
  write(value: T, ttlSeconds: number): Promise<void>;
  remove(): Promise<void>;
  /**
   * Runs `fn` while no other caller, here or in another process, does so for the same slot. Waits for a
   * holder; one that was killed is waited for no longer than its lease.
   * @throws BehalfError `call.in_progress` (retryable) when the holder is still busy after the wait
   */
  exclusively<R>(fn: () => Promise<R>): Promise<R>;
}

/** A value as it was read. */
export interface Held<T> {
  value: T;
  /** Whether it was written. */
  replace(next: T, ttlSeconds: number): Promise<boolean>;
}

/** How long a killed holder blocks others. */
const LEASE_TTL_SECONDS = 6;
/** A third of the lease, so that one lost renewal does no harm. */
const LEASE_RENEWAL_MS = 2_000;
/** Longer than a lease: whoever waits for a killed holder gets its turn. */
const LEASE_WAIT_MS = 8_000;
const LEASE_POLL_MS = 100;

/**
 * @param kind what the state is, such as `approval`
 * @param parts whose it is; texts, so that no two lists give one key
 */
export function stateSlot<T>(
  { config, sealer }: Runtime,
  kind: string,
  parts: readonly string[],
): StateSlot<T> {
  const { store } = config;
  // Hashed: the store's keys then tell nobody which user talked about what.
  const key = `behalf:${kind}:${createHash("sha256").update(canonicalJson(parts)).digest("base64url")}`;
  const leaseKey = `${key}:lease`;
  const sealed = (value: T) => sealer.seal(JSON.stringify(value), key);

  async function readForUpdate(): Promise<Held<T> | undefined> {
    const found = await store.get(key);
    if (found === undefined) return undefined;
    const text = sealer.open(found, key);
    if (text === undefined) throw unreadable(kind);
    return {
      value: JSON.parse(text) as T, // sealed under this key by `write`, so it is what `write` was given
      replace: (next, ttlSeconds) => store.put(key, sealed(next), { ttlSeconds, expect: found }),
    };
  }

  return {
    readForUpdate,
    async read() {
      return (await readForUpdate())?.value;
    },
    async write(value, ttlSeconds) {
      await store.put(key, sealed(value), { ttlSeconds });
    },
    async remove() {
      await store.delete(key);
    },
    async exclusively(fn) {
      const owner = randomUUID();
      await takeLease(owner);
      const renewal = setInterval(() => {
        // A renewal that fails is tried again; a store that stays away ends the lease, as it should.
        store.put(leaseKey, owner, { ttlSeconds: LEASE_TTL_SECONDS, expect: owner }).catch(() => {});
      }, LEASE_RENEWAL_MS);
      try {
        return await fn();
      } finally {
        clearInterval(renewal);
        await store.delete(leaseKey, { expect: owner }).catch(() => {}); // it ends by itself soon
      }
    },
  };

  async function takeLease(owner: string): Promise<void> {
    const attempts = LEASE_WAIT_MS / LEASE_POLL_MS;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      if (await store.put(leaseKey, owner, { ttlSeconds: LEASE_TTL_SECONDS, expect: null })) return;
      await sleep(LEASE_POLL_MS);
    }
    const message = "This tool call is running already; its result will be there soon.";
    throw new BehalfError("call.in_progress", message, { retryable: true, retryAfterSeconds: 2 });
  }
}

function unreadable(kind: string): BehalfError {
  return new BehalfError(
    "store.unreadable",
    `The stored ${kind} state cannot be opened: it was changed, or storeKey no longer holds the key it was sealed with.`,
  );
}
