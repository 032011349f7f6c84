import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** Entropy of every code, token and generated client secret: 256 bits, past any guessing (RFC 6749 section 10.10). */
const SECRET_BYTES = 32;

/** A fresh opaque value of 256 bits; the prefix tells a reader of a test failure what kind it was. */
export function newSecret(prefix: string): string {
  return prefix + randomBytes(SECRET_BYTES).toString("base64url");
}

/** A short public identifier, unique and meaningless. */
export function newId(prefix: string): string {
  return prefix + randomBytes(9).toString("base64url");
}

/** The form in which secrets are stored and compared: they have 256 bits, so a plain SHA-256 is enough. */
export function digest(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** Compares in a time that does not depend on where the two differ. */
export function sameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(
    createHash("sha256").update(given).digest(),
    createHash("sha256").update(expected).digest(),
  );
}

/** The S256 challenge that belongs to a verifier (RFC 7636 section 4.2). */
export function challengeOf(verifier: string): string {
  return createHash("sha256").update(verifier, "ascii").digest("base64url");
}
