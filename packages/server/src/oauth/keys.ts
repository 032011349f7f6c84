import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from "jose";
import { sql } from "kysely";
import type { Sealer } from "../crypto/seal.ts";
import type { Clock } from "../lib/clock.ts";
import { reveal, secret } from "../lib/secret.ts";
import type { Queryable, Storage } from "../storage/index.ts";
import type { OAuthTables } from "./store.ts";

/** The keys that sign tokens: private for the core, public for everybody. */
export interface SigningKeys {
  readonly privateJwks: readonly JWK[];
  readonly publicJwks: readonly JWK[];
}

const RSA_BITS = 2048;
type Algorithm = "RS256" | "ES256" | "EdDSA";

/**
 * Loads the signing keys, making one for each algorithm in use that has none. Private keys lie sealed in the
 * database, so every process of a deployment signs with the same ones; of processes that start together on an
 * empty database one makes them.
 */
export async function loadSigningKeys(
  deps: { storage: Storage; sealer: Sealer; clock: Clock },
  algorithms: readonly Algorithm[],
): Promise<SigningKeys> {
  const { storage } = deps;
  const missing = await withoutKey(storage, algorithms);
  if (missing.length > 0) {
    const made = await Promise.all(missing.map((algorithm) => makeKey(deps, algorithm)));
    await storage.transaction(async (tx) => {
      // Whoever writes this row first goes first; the next one then sees what the first one committed.
      await sql`insert into rate_counters (key, count, resets_at) values ('signing-keys', 0, 0)
        on conflict (key) do update set count = 0`.execute(tx.db());
      const still = await withoutKey(tx, missing);
      const rows = made.filter(({ algorithm }) => still.some((name) => name === algorithm));
      if (rows.length > 0) await tx.db<OAuthTables>().insertInto("signing_keys").values(rows).execute();
    });
  }
  const privateJwks = await readKeys(deps);
  return { privateJwks, publicJwks: privateJwks.map(toPublic) };
}

async function withoutKey(on: Queryable, algorithms: readonly Algorithm[]): Promise<readonly Algorithm[]> {
  const rows = await on
    .db<OAuthTables>()
    .selectFrom("signing_keys")
    .select("algorithm")
    .where("retired_at", "is", null)
    .execute();
  return algorithms.filter((name) => !rows.some(({ algorithm }) => algorithm === name));
}

async function readKeys({ storage, sealer }: { storage: Storage; sealer: Sealer }): Promise<JWK[]> {
  const rows = await storage
    .db<OAuthTables>()
    .selectFrom("signing_keys")
    .selectAll()
    .where("retired_at", "is", null)
    .orderBy("created_at")
    .orderBy("kid")
    .execute();
  return rows.map((row) => {
    const text = reveal(sealer.open(row.data_key, ownerOf(row.kid), contextOf(row.kid), row.private_jwk));
    // Sealed by createKey(): our own JSON.
    return JSON.parse(text) as JWK;
  });
}

async function makeKey(
  { sealer, clock }: { sealer: Sealer; clock: Clock },
  algorithm: Algorithm,
): Promise<OAuthTables["signing_keys"]> {
  const pair: { privateKey: CryptoKey } = await generateKeyPair(algorithm, {
    extractable: true,
    modulusLength: RSA_BITS,
  });
  const jwk = { ...(await exportJWK(pair.privateKey)), use: "sig", alg: algorithm };
  const kid = await calculateJwkThumbprint(jwk);
  const dataKey = sealer.newDataKey(ownerOf(kid));
  const privateJwk = { ...jwk, kid };
  return {
    kid,
    algorithm,
    public_jwk: JSON.stringify(toPublic(privateJwk)),
    data_key: dataKey,
    private_jwk: sealer.seal(dataKey, ownerOf(kid), contextOf(kid), secret(JSON.stringify(privateJwk))),
    created_at: clock.now(),
    retired_at: null,
  };
}

const ownerOf = (kid: string) => ({ owner: "signing-key", kid });
const contextOf = (kid: string) => ({ purpose: "signing-key", kid });

/** Members that are public, named one by one: what is not listed stays private. */
function toPublic({ kty, kid, use, alg, crv, x, y, n, e }: JWK): JWK {
  const members = { kty, kid, use, alg, crv, x, y, n, e };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as JWK;
}
