import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from "jose";
import type { Sealer } from "../crypto/seal.ts";
import type { Clock } from "../lib/clock.ts";
import { reveal, secret } from "../lib/secret.ts";
import type { Storage } from "../storage/index.ts";
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
 * database, so every process of a deployment signs with the same ones.
 */
export async function loadSigningKeys(
  deps: { storage: Storage; sealer: Sealer; clock: Clock },
  algorithms: readonly Algorithm[],
): Promise<SigningKeys> {
  const known = await readKeys(deps);
  for (const algorithm of algorithms)
    if (!known.some((key) => key.alg === algorithm)) await createKey(deps, algorithm);
  const privateJwks = await readKeys(deps);
  return { privateJwks, publicJwks: privateJwks.map(toPublic) };
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

async function createKey(
  { storage, sealer, clock }: { storage: Storage; sealer: Sealer; clock: Clock },
  algorithm: Algorithm,
): Promise<void> {
  const pair: { privateKey: CryptoKey } = await generateKeyPair(algorithm, {
    extractable: true,
    modulusLength: RSA_BITS,
  });
  const jwk = { ...(await exportJWK(pair.privateKey)), use: "sig", alg: algorithm };
  const kid = await calculateJwkThumbprint(jwk);
  const dataKey = sealer.newDataKey(ownerOf(kid));
  const privateJwk = { ...jwk, kid };
  await storage
    .db<OAuthTables>()
    .insertInto("signing_keys")
    .values({
      kid,
      algorithm,
      public_jwk: JSON.stringify(toPublic(privateJwk)),
      data_key: dataKey,
      private_jwk: sealer.seal(dataKey, ownerOf(kid), contextOf(kid), secret(JSON.stringify(privateJwk))),
      created_at: clock.now(),
      retired_at: null,
    })
    .execute();
}

const ownerOf = (kid: string) => ({ owner: "signing-key", kid });
const contextOf = (kid: string) => ({ purpose: "signing-key", kid });

/** Members that are public, named one by one: what is not listed stays private. */
function toPublic({ kty, kid, use, alg, crv, x, y, n, e }: JWK): JWK {
  const members = { kty, kid, use, alg, crv, x, y, n, e };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as JWK;
}
