import type { Clock } from "./clock.ts";

/** Random bytes; injected so that tests can be exact. */
export type RandomBytes = (length: number) => Uint8Array;

/** Makes identifiers that sort by time. */
export interface Ids {
  /** A ULID: 26 characters of Crockford's base 32, 48 bits of milliseconds and 80 random bits. */
  ulid(): string;
  /** `<prefix>_<ulid in lower case>`, for example `usr_01k…`. */
  prefixed(prefix: string): string;
}

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_CHARS = 10;
const RANDOM_BYTES = 10;

/**
 * Within one millisecond the random part counts up, so ids of one process are strictly increasing.
 * @see https://github.com/ulid/spec (monotonicity)
 */
export function createIds(deps: { clock: Clock; random: RandomBytes }): Ids {
  let lastTime = -1;
  let randomPart = 0n;

  function ulid(): string {
    const now = Math.max(deps.clock.now(), lastTime);
    if (now === lastTime) randomPart += 1n;
    else randomPart = toBigInt(deps.random(RANDOM_BYTES));
    lastTime = now;
    return encode(BigInt(now), TIME_CHARS) + encode(randomPart, 16);
  }

  return { ulid, prefixed: (prefix) => `${prefix}_${ulid().toLowerCase()}` };
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) & ((1n << 79n) - 1n);
}

function encode(value: bigint, length: number): string {
  let text = "";
  let rest = value;
  for (let i = 0; i < length; i++) {
    text = ALPHABET[Number(rest & 31n)] + text;
    rest >>= 5n;
  }
  return text;
}
