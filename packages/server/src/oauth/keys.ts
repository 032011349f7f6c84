import { createLocalJWKSet, type JWK, type JWTVerifyGetKey, errors as joseErrors } from "jose";
import {
  type KeyAlgorithm,
  type KeyStoreDeps,
  makeMissingKeys,
  makeSuccessors,
  readKeys,
  retireKeys,
  toPublicJwk,
} from "./key-store.ts";

/** The keys that sign tokens, as this process knows them; they change while it runs. */
export interface SigningKeys {
  /** Private ones for the core, of each algorithm the one that signs first. */
  privateJwks(): readonly JWK[];
  /** What is published. */
  publicJwks(): readonly JWK[];
  /** Finds the key of a token of ours; one that another process made a moment ago is looked up. */
  readonly verifyKey: JWTVerifyGetKey;
  /** Makes successors that are due, retires keys that are over, and reads what there is now; for background work. */
  maintain(): Promise<void>;
  /** Reads what there is now. */
  reload(): Promise<void>;
  /** Called after each change of the keys or their order, with the private ones. */
  onChange(listener: (privateJwks: readonly JWK[]) => void): void;
}

/** A token that names a key nobody has must not make us read the database for each request. */
const MISS_COOLDOWN_MS = 5_000;
const DAY_MS = 86_400_000;

/**
 * Loads the signing keys, making one for each algorithm in use that has none. Private keys lie sealed in the
 * database, so every process of a deployment signs with the same ones. `rotateDays` is the age at which a key
 * gets a successor.
 */
export async function loadSigningKeys(
  deps: KeyStoreDeps & { rotateDays?: number },
  algorithms: readonly KeyAlgorithm[],
): Promise<SigningKeys> {
  const { clock, rotateDays } = deps;
  await makeMissingKeys(deps, algorithms);
  const listeners: ((privateJwks: readonly JWK[]) => void)[] = [];
  let privateJwks: readonly JWK[] = [];
  let publicJwks: readonly JWK[] = [];
  let find: JWTVerifyGetKey = createLocalJWKSet({ keys: [] });
  let missedAt = Number.NEGATIVE_INFINITY;

  async function reload(): Promise<void> {
    const read = await readKeys(deps);
    if (read.map(({ kid }) => kid).join() === privateJwks.map(({ kid }) => kid).join()) return;
    privateJwks = read;
    publicJwks = read.map(toPublicJwk);
    find = createLocalJWKSet({ keys: [...publicJwks] });
    for (const listener of listeners) listener(privateJwks);
  }

  await reload();
  return {
    privateJwks: () => privateJwks,
    publicJwks: () => publicJwks,
    reload,
    onChange: (listener) => void listeners.push(listener),
    async maintain() {
      if (rotateDays !== undefined) await makeSuccessors(deps, algorithms, rotateDays * DAY_MS);
      await retireKeys(deps);
      await reload();
    },
    async verifyKey(header, token) {
      try {
        return await find(header, token);
      } catch (error) {
        const now = clock.now();
        const tooSoon = now >= missedAt && now - missedAt < MISS_COOLDOWN_MS;
        if (!(error instanceof joseErrors.JWKSNoMatchingKey) || tooSoon) throw error;
        missedAt = now;
        await reload();
        return find(header, token);
      }
    },
  };
}
