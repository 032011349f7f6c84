import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, type JWTPayload, jwtVerify } from "jose";
import { canonicalJson } from "../canonical-json.ts";
import { BehalfError } from "../errors.ts";
import { isObject } from "../http.ts";
import type { Clock, Store } from "../store.ts";

/** Whether tokens are bound to the caller's key: never, where the token says so, or always. */
export type DpopMode = "disabled" | "allowed" | "required";

/** What a proof may be signed with: asymmetric algorithms alone (RFC 9449 section 4.3, check 5). */
export const PROOF_ALGORITHMS = ["ES256", "ES384", "EdDSA", "RS256", "PS256"];
/** How old a proof may be. It is made for one request. */
const MAX_AGE_SECONDS = 60;
/** How long a nonce of ours is taken, at least; at most twice as long. */
const NONCE_SLOT_SECONDS = 5 * 60;
/** A proof holds a public key and six claims. */
const MAX_PROOF_LENGTH = 8 * 1024;
const MAX_JTI_LENGTH = 256;

export interface DpopDeps {
  store: Store;
  clock: Clock;
  toleranceSeconds: number;
  /** With it proofs must carry a nonce of ours; shared by all processes of the API. */
  nonceSecret: string | undefined;
}

/** A request, as a proof has to describe it. */
export interface ProvenRequest {
  method: string;
  /** As the caller addressed it; query and fragment do not count. */
  url: string;
  /** The `DPoP` header. */
  proof: string | null;
  accessToken: string;
  /** `cnf.jkt` of the token. */
  thumbprint: string;
}

export interface DpopChecker {
  /**
   * Each proof counts once.
   * @throws BehalfError `token.proof_invalid`, `token.proof_nonce` (answer 401 to both)
   */
  check(request: ProvenRequest): Promise<void>;
  /** The nonce that the next proof must carry; undefined when none is asked for. */
  nonce(): string | undefined;
}

/** @see RFC 9449 sections 4.3, 7.1 and 9 */
export function createDpopChecker({ store, clock, toleranceSeconds, nonceSecret }: DpopDeps): DpopChecker {
  const slot = () => Math.floor(clock.now() / 1000 / NONCE_SLOT_SECONDS);

  async function check({ method, url, proof, accessToken, thumbprint }: ProvenRequest): Promise<void> {
    const { payload, jkt } = await readProof(proof, clock);
    const nowSeconds = clock.now() / 1000;
    const { jti, iat } = payload;
    const ath = createHash("sha256").update(accessToken).digest("base64url");
    const checks = [
      typeof jti === "string" && jti !== "" && jti.length <= MAX_JTI_LENGTH,
      payload["htm"] === method,
      sameTarget(payload["htu"], url),
      payload["ath"] === ath,
      typeof iat === "number" && Math.abs(nowSeconds - iat) <= MAX_AGE_SECONDS + toleranceSeconds,
      jkt === thumbprint,
    ];
    if (checks.includes(false)) throw invalidProof();
    if (nonceSecret && !isNonce(nonceSecret, slot(), payload["nonce"])) {
      const message = "The DPoP proof needs the nonce of this answer.";
      throw new BehalfError("token.proof_nonce", message, { status: 401 });
    }
    const ttlSeconds = 2 * (MAX_AGE_SECONDS + toleranceSeconds); // proofs from a clock ahead last longest
    if (!(await store.put(replayKey(jkt, String(jti)), "used", { ttlSeconds, expect: null })))
      throw invalidProof();
  }

  return { check, nonce: () => nonceSecret && nonceOf(nonceSecret, slot()) };
}

/** Signature, type and key of a proof. The key in its header is the point of it; a private one is not. */
async function readProof(
  proof: string | null,
  { now }: Clock,
): Promise<{ payload: JWTPayload; jkt: string }> {
  if (!proof || proof.length > MAX_PROOF_LENGTH) throw invalidProof();
  try {
    const { jwk } = decodeProtectedHeader(proof);
    if (!isObject(jwk) || "d" in jwk || "k" in jwk) throw invalidProof();
    const { payload } = await jwtVerify(proof, EmbeddedJWK, {
      typ: "dpop+jwt",
      algorithms: PROOF_ALGORITHMS,
      currentDate: new Date(now()),
    });
    return { payload, jkt: await calculateJwkThumbprint(jwk) };
  } catch (cause) {
    throw BehalfError.is(cause) ? cause : invalidProof(cause);
  }
}

/** RFC 9449 section 4.3, check 9: without query and fragment, after normalisation (RFC 3986 section 6.2.2). */
function sameTarget(htu: unknown, url: string): boolean {
  if (typeof htu !== "string" || !URL.canParse(htu)) return false;
  const [claimed, actual] = [new URL(htu), new URL(url)];
  const plain = claimed.username === "" && claimed.password === "";
  return plain && claimed.origin === actual.origin && claimed.pathname === actual.pathname;
}

function replayKey(jkt: string, jti: string): string {
  return `behalf:dpop:${createHash("sha256")
    .update(canonicalJson([jkt, jti]))
    .digest("base64url")}`;
}

/** Says when it was made and that we made it: nothing has to be kept (RFC 9449 section 8). */
function nonceOf(secret: string, slot: number): string {
  const mac = createHmac("sha256", secret).update(`behalf dpop nonce v1 ${slot}`).digest();
  return mac.toString("base64url");
}

function isNonce(secret: string, slot: number, nonce: unknown): boolean {
  if (typeof nonce !== "string") return false;
  return [slot, slot - 1].some((known) => {
    const [expected, given] = [Buffer.from(nonceOf(secret, known)), Buffer.from(nonce)];
    return expected.length === given.length && timingSafeEqual(expected, given);
  });
}

function invalidProof(cause?: unknown): BehalfError {
  const message = "The DPoP proof is not one for this request and token.";
  return new BehalfError("token.proof_invalid", message, { status: 401, cause });
}
