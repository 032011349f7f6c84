import { createHash } from "node:crypto";

/**
 * The left half of an access token's hash, as an ID token repeats it: with the hash function of its signature.
 * @see OpenID Connect Core section 3.1.3.6
 */
export function accessTokenHash(accessToken: string, alg: string): string {
  // Ed25519 signs over SHA-512.
  const name = alg === "EdDSA" || alg === "Ed25519" ? "sha512" : "sha256";
  const hash = createHash(name).update(accessToken, "ascii").digest();
  return hash.subarray(0, hash.length / 2).toString("base64url");
}
