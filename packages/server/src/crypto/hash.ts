import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/**
 * How a bearer value of ours lies in the database: its SHA-256, base64url. Enough because the value
 * itself is 256 random bits, so nothing can be guessed.
 */
export function tokenHash(value: string): string {
  return createHash("sha256").update(value, "utf8").digest("base64url");
}

/** SHA-256 of text, base64url. */
export const sha256 = tokenHash;

/** HMAC-SHA-256, base64url: the form of client secrets and of anything an attacker with the database must not test. */
export function keyedHash(key: Uint8Array, value: string): string {
  return createHmac("sha256", key).update(value, "utf8").digest("base64url");
}

/** Compares two texts in time that depends on neither. */
export function equalInConstantTime(a: string, b: string): boolean {
  return timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());
}
