import type { JWK } from "jose";
import { z } from "zod";
import { type Egress, EgressError } from "../http/egress.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { StoredClient } from "./clients.ts";

/** The public keys of clients that prove themselves with a key. */
export interface ClientKeys {
  /** Keys that `kid` may mean; all of them when the assertion names none. */
  of(client: StoredClient, kid: string | undefined): Promise<readonly JWK[]>;
}

const keySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(20) });

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 64 * 1_024;
const CACHE_MS = 600_000;
/** A key that is not in the set may be new; whoever names unknown ones must not make us ask for each. */
const ASK_AGAIN_MS = 30_000;
const MAX_CACHED = 1_000;

interface Kept {
  readonly keys: readonly JWK[];
  readonly readAt: number;
}

/** Keys stand in the client's registration, or at its address, which is read through the one way out. */
export function createClientKeys(deps: { egress: Egress; clock: Clock; log: Log }): ClientKeys {
  const { egress, clock, log } = deps;
  const cache = new Map<string, Kept>();
  const loading = new Map<string, Promise<Kept>>();

  async function read(address: string): Promise<readonly JWK[]> {
    try {
      const response = await egress.fetch(address, { timeoutMs: TIMEOUT_MS });
      const text = await response.text();
      if (response.status !== 200 || text.length > MAX_BYTES) return [];
      // Each key is judged when it is used: one that is of no use does not take the others away.
      return keySet.parse(JSON.parse(text)).keys as JWK[];
    } catch (error) {
      const expected =
        error instanceof EgressError || error instanceof SyntaxError || error instanceof z.ZodError;
      if (!expected) throw error;
      log.info("client keys not taken", { host: URL.parse(address)?.host, reason: error.name });
      return [];
    }
  }

  function load(address: string): Promise<Kept> {
    const running = loading.get(address);
    if (running) return running;
    const work = read(address)
      .then((keys) => {
        // A set that cannot be had now does not take away the one that was.
        const kept = { keys: keys.length > 0 ? keys : (cache.get(address)?.keys ?? []), readAt: clock.now() };
        if (cache.size >= MAX_CACHED) cache.delete(cache.keys().next().value ?? "");
        cache.set(address, kept);
        return kept;
      })
      .finally(() => loading.delete(address));
    loading.set(address, work);
    return work;
  }

  const matching = (keys: readonly JWK[], kid: string | undefined) =>
    kid === undefined ? keys : keys.filter((key) => key.kid === kid);

  return {
    async of({ jwks, jwksUri }, kid) {
      // Checked when it was registered: what is absent is not there, rather than undefined.
      if (jwks) return matching(jwks.keys as readonly JWK[], kid);
      if (jwksUri === undefined) return [];
      let kept = cache.get(jwksUri);
      if (!kept || clock.now() - kept.readAt >= CACHE_MS) kept = await load(jwksUri);
      const found = matching(kept.keys, kid);
      if (found.length > 0 || clock.now() - kept.readAt < ASK_AGAIN_MS) return found;
      return matching((await load(jwksUri)).keys, kid);
    },
  };
}
