import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from "jose";
import { sql } from "kysely";
import type { Sealer } from "../crypto/seal.ts";
import type { Clock } from "../lib/clock.ts";
import { reveal, secret } from "../lib/secret.ts";
import type { Queryable, Storage, Tx } from "../storage/index.ts";
import type { OAuthTables } from "./store.ts";

export type KeyAlgorithm = "RS256" | "ES256" | "EdDSA";
type KeyRow = OAuthTables["signing_keys"];

/** What is needed to make, seal and keep keys. */
export interface KeyStoreDeps {
  readonly storage: Storage;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

/** How long `/.well-known/jwks.json` may be kept by whoever reads it. */
export const JWKS_MAX_AGE_SECONDS = 300;
/**
 * A new key is published this long before it signs: longer than a key set is cached here (5 minutes) and by the
 * usual libraries (10 minutes), with a minute for other processes to see it.
 */
export const SIGNS_AFTER_MS = 900_000;
/** The longest life a token can be given, and a tolerance for clocks that differ. */
const LONGEST_TOKEN_MS = 86_400_000 + 300_000;
const RSA_BITS = 2048;

/** `next` is published and does not sign yet, `signs` does, `verifies` did, `retired` is no longer published. */
export type KeyState = "next" | "signs" | "verifies" | "retired";

/** What may be told of a signing key. */
export interface KeyInfo {
  readonly kid: string;
  readonly algorithm: string;
  readonly state: KeyState;
  readonly createdAt: number;
  readonly retiredAt: number | undefined;
}

/** All signing keys that were ever made, oldest first. */
export async function listKeys({
  storage,
  clock,
}: Pick<KeyStoreDeps, "storage" | "clock">): Promise<readonly KeyInfo[]> {
  const rows = await storage
    .db<OAuthTables>()
    .selectFrom("signing_keys")
    .select(["kid", "algorithm", "created_at", "retired_at"])
    .orderBy("created_at")
    .orderBy("kid")
    .execute();
  const now = clock.now();
  return rows.map((row) => ({
    kid: row.kid,
    algorithm: row.algorithm,
    createdAt: row.created_at,
    retiredAt: row.retired_at ?? undefined,
    state: stateOf(row, rows, now),
  }));
}

type Dated = Pick<KeyRow, "kid" | "algorithm" | "created_at" | "retired_at">;

function stateOf(row: Dated, rows: readonly Dated[], now: number): KeyState {
  if (row.retired_at !== null) return "retired";
  const signer = signerOf(row.algorithm, rows, now);
  if (signer === row) return "signs";
  return signer && isNewer(row, signer) ? "next" : "verifies";
}

/** The newest that has been published long enough; the first one of all has nobody to wait for. */
function signerOf<Row extends Dated>(algorithm: string, rows: readonly Row[], now: number): Row | undefined {
  const own = rows
    .filter((row) => row.algorithm === algorithm && row.retired_at === null)
    .sort((a, b) => (isNewer(a, b) ? -1 : 1));
  return own.find((row) => row.created_at + SIGNS_AFTER_MS <= now) ?? own.at(-1);
}

const isNewer = (a: Dated, b: Dated) =>
  a.created_at > b.created_at || (a.created_at === b.created_at && a.kid > b.kid);

/** Makes a key for each of `algorithms` that has none. Of processes that start together one makes them. */
export async function makeMissingKeys(
  deps: KeyStoreDeps,
  algorithms: readonly KeyAlgorithm[],
): Promise<void> {
  await makeKeys(deps, algorithms, (newest) => newest === undefined);
}

/** Makes a successor of each of `algorithms` whose newest key is `ageMs` old; the kids of those made. */
export async function makeSuccessors(
  deps: KeyStoreDeps,
  algorithms: readonly KeyAlgorithm[],
  ageMs: number,
): Promise<readonly string[]> {
  const due = deps.clock.now() - ageMs;
  return makeKeys(deps, algorithms, (newest) => newest === undefined || newest.created_at <= due);
}

async function makeKeys(
  deps: KeyStoreDeps,
  algorithms: readonly KeyAlgorithm[],
  isWanted: (newest: Dated | undefined) => boolean,
): Promise<readonly string[]> {
  const wanted = async (on: Queryable, among: readonly KeyAlgorithm[]) => {
    const rows = await liveRows(on);
    return among.filter((name) =>
      isWanted(
        rows.filter(({ algorithm }) => algorithm === name).sort((a, b) => (isNewer(a, b) ? -1 : 1))[0],
      ),
    );
  };
  const missing = await wanted(deps.storage, algorithms);
  if (missing.length === 0) return [];
  const made = await Promise.all(missing.map((algorithm) => makeKey(deps, algorithm)));
  return deps.storage.transaction(async (tx) => {
    await lock(tx);
    const still = await wanted(tx, missing);
    const rows = made.filter(({ algorithm }) => still.some((name) => name === algorithm));
    if (rows.length > 0) await tx.db<OAuthTables>().insertInto("signing_keys").values(rows).execute();
    return rows.map(({ kid }) => kid);
  });
}

/** Whoever writes this row first goes first; the next one then sees what the first one committed. */
async function lock(tx: Tx): Promise<void> {
  await sql`insert into rate_counters (key, count, resets_at) values ('signing-keys', 0, 0)
    on conflict (key) do update set count = 0`.execute(tx.db());
}

/**
 * Ends keys whose successor has signed for longer than any token lives: they are published no more, and their
 * private part is erased. Safe to call from many processes.
 */
export async function retireKeys({
  storage,
  clock,
}: Pick<KeyStoreDeps, "storage" | "clock">): Promise<readonly string[]> {
  const now = clock.now();
  const rows = await liveRows(storage);
  const over = rows.filter((row) =>
    rows.some(
      (next) =>
        next.algorithm === row.algorithm &&
        isNewer(next, row) &&
        next.created_at + SIGNS_AFTER_MS + LONGEST_TOKEN_MS <= now,
    ),
  );
  if (over.length === 0) return [];
  const erased = new Uint8Array();
  const done = await storage
    .db<OAuthTables>()
    .updateTable("signing_keys")
    .set({ retired_at: now, private_jwk: erased, data_key: erased })
    .where("retired_at", "is", null)
    .where(
      "kid",
      "in",
      over.map(({ kid }) => kid),
    )
    .returning("kid")
    .execute();
  return done.map(({ kid }) => kid);
}

function liveRows(on: Queryable): Promise<KeyRow[]> {
  return on
    .db<OAuthTables>()
    .selectFrom("signing_keys")
    .selectAll()
    .where("retired_at", "is", null)
    .orderBy("created_at")
    .orderBy("kid")
    .execute();
}

/** The keys that are published, private parts open, with the ones that sign now before all others. */
export async function readKeys({ storage, sealer, clock }: KeyStoreDeps): Promise<readonly JWK[]> {
  const rows = await liveRows(storage);
  const now = clock.now();
  const signs = (row: KeyRow) => signerOf(row.algorithm, rows, now) === row;
  return [...rows.filter(signs), ...rows.filter((row) => !signs(row))].map((row) => {
    const text = reveal(sealer.open(row.data_key, ownerOf(row.kid), contextOf(row.kid), row.private_jwk));
    // Sealed by makeKey(): our own JSON.
    return JSON.parse(text) as JWK;
  });
}

async function makeKey({ sealer, clock }: KeyStoreDeps, algorithm: KeyAlgorithm): Promise<KeyRow> {
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
    public_jwk: JSON.stringify(toPublicJwk(privateJwk)),
    data_key: dataKey,
    private_jwk: sealer.seal(dataKey, ownerOf(kid), contextOf(kid), secret(JSON.stringify(privateJwk))),
    created_at: clock.now(),
    retired_at: null,
  };
}

const ownerOf = (kid: string) => ({ owner: "signing-key", kid });
const contextOf = (kid: string) => ({ purpose: "signing-key", kid });

/** Members that are public, named one by one: what is not listed stays private. */
export function toPublicJwk({ kty, kid, use, alg, crv, x, y, n, e }: JWK): JWK {
  const members = { kty, kid, use, alg, crv, x, y, n, e };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as JWK;
}
