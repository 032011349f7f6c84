import {
  decodeProtectedHeader,
  importJWK,
  type JWK,
  type JWTPayload,
  errors as joseErrors,
  jwtVerify,
} from "jose";
import { tokenHash } from "../crypto/hash.ts";
import type { Clock } from "../lib/clock.ts";
import type { Storage } from "../storage/index.ts";
import type { ClientKeys } from "./client-keys.ts";
import type { StoredClient } from "./clients.ts";
import { isCanonical } from "./signed-tokens.ts";
import { takeOnce } from "./store.ts";

export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** How long an assertion may be good for, from `iat` to `exp`, and how old it may be. */
const MAX_LIFE_SECONDS = 600;
const TOLERANCE_SECONDS = 5;
const MAX_JTI_LENGTH = 256;
/** RFC 7515's plain one, none, and that of draft-ietf-oauth-rfc7523bis; others name tokens of another kind. */
const TYPES = new Set([undefined, "jwt", "client-authentication+jwt"]);

/** Why an assertion proves nothing; for the log alone. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/**
 * Verifies a client's assertion of who it is and uses it up. The algorithm comes from the client's key and never
 * from the assertion; `aud` is this server, as one string: an assertion that another server could use as well
 * proves nothing (draft-ietf-oauth-rfc7523bis).
 * @throws AssertionError
 * @see RFC 7523 section 3
 */
export async function verifyAssertion(
  deps: { storage: Storage; clock: Clock; keys: ClientKeys; audiences: ReadonlySet<string> },
  client: StoredClient,
  assertion: string,
): Promise<void> {
  const { clock, storage, audiences } = deps;
  if (!isCanonical(assertion)) throw new AssertionError("not in canonical form");
  const claims = await verifySignature(deps, client, assertion);
  const { iss, sub, aud, exp = 0, iat = 0, jti } = claims;
  if (iss !== client.id || sub !== client.id) throw new AssertionError("iss and sub must be the client");
  if (typeof aud !== "string" || !audiences.has(aud))
    throw new AssertionError("aud is not this server alone");
  const now = clock.now() / 1_000;
  if (iat > now + TOLERANCE_SECONDS) throw new AssertionError("issued in the future");
  if (exp - iat > MAX_LIFE_SECONDS || iat < now - MAX_LIFE_SECONDS)
    throw new AssertionError("good for too long");
  if (typeof jti !== "string" || jti === "" || jti.length > MAX_JTI_LENGTH)
    throw new AssertionError("no usable jti");
  const key = tokenHash(JSON.stringify([client.id, jti]));
  const until = (exp + TOLERANCE_SECONDS) * 1_000;
  if (!(await takeOnce(storage, "ClientAssertion", key, { clientId: client.id, until })))
    throw new AssertionError("used before");
}

async function verifySignature(
  { keys, clock }: { keys: ClientKeys; clock: Clock },
  client: StoredClient,
  assertion: string,
): Promise<JWTPayload> {
  const { kid, typ } = headerOf(assertion);
  if (!TYPES.has(typ?.toLowerCase())) throw new AssertionError("a token of another kind");
  for (const key of await keys.of(client, kid)) {
    const algorithm = algorithmOf(key);
    if (!algorithm) continue;
    try {
      const { payload } = await jwtVerify(assertion, await importJWK(publicPart(key), algorithm), {
        algorithms: [algorithm],
        clockTolerance: TOLERANCE_SECONDS,
        currentDate: new Date(clock.now()),
        requiredClaims: ["iss", "sub", "aud", "exp", "iat", "jti"],
      });
      return payload;
    } catch (error) {
      // Another key may be the right one; what is wrong beyond the signature is wrong with every key.
      const isOtherKey =
        error instanceof joseErrors.JWSSignatureVerificationFailed ||
        error instanceof joseErrors.JOSEAlgNotAllowed ||
        error instanceof TypeError ||
        error instanceof joseErrors.JOSENotSupported;
      if (isOtherKey) continue;
      if (error instanceof joseErrors.JOSEError) throw new AssertionError(error.code);
      // A key that WebCrypto does not take is the client's fault as much as a wrong one.
      if (error instanceof DOMException) continue;
      throw error;
    }
  }
  throw new AssertionError("no key of the client verifies it");
}

function headerOf(assertion: string): { kid: string | undefined; typ: string | undefined } {
  try {
    const { kid, typ } = decodeProtectedHeader(assertion);
    if (kid !== undefined && typeof kid !== "string") throw new AssertionError("kid is no text");
    if (typ !== undefined && typeof typ !== "string") throw new AssertionError("typ is no text");
    return { kid, typ };
  } catch (error) {
    if (error instanceof AssertionError) throw error;
    throw new AssertionError("no JWT");
  }
}

/** What a key signs with; `undefined` for a key that is of no use here. An RSA key says which, or means RS256. */
export function algorithmOf({ kty, crv, alg, use }: JWK): "RS256" | "PS256" | "ES256" | "EdDSA" | undefined {
  if (use !== undefined && use !== "sig") return undefined;
  if (kty === "EC" && crv === "P-256" && (alg ?? "ES256") === "ES256") return "ES256";
  if (kty === "OKP" && crv === "Ed25519" && ["EdDSA", "Ed25519"].includes(alg ?? "EdDSA")) return "EdDSA";
  if (kty === "RSA" && (alg ?? "RS256") === "RS256") return "RS256";
  return kty === "RSA" && alg === "PS256" ? "PS256" : undefined;
}

/** Nothing but the public members, whatever else came with them. */
function publicPart({ kty, crv, x, y, n, e }: JWK): JWK {
  return Object.fromEntries(
    Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined),
  ) as JWK;
}
