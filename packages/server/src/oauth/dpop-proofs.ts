import { calculateJwkThumbprint, EmbeddedJWK, errors as joseErrors, jwtVerify } from "jose";
import { tokenHash } from "../crypto/hash.ts";
import type { Clock } from "../lib/clock.ts";
import type { Storage } from "../storage/index.ts";
import type { DpopNonces } from "./internals.ts";
import { takeOnce } from "./store.ts";

/** Proofs that whoever sends a token holds the key it is bound to, at our own APIs. */
export interface DpopProofs {
  /**
   * Judges the proof that `request` brings for `token` and uses it up.
   * @throws DpopError
   */
  verify(request: Request, token: { value: string; jkt: string; clientId: string }): Promise<void>;
}

/** Why a proof does not hold; `nonce` is the one to send when that is all that is missing. */
export class DpopError extends Error {
  override readonly name = "DpopError";
  readonly nonce: string | undefined;

  constructor(message: string, nonce?: string) {
    super(message);
    this.nonce = nonce;
  }
}

const ALGORITHMS = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"];
/** How old or early a proof may be; the core takes the same. */
const WINDOW_SECONDS = 300;
const MAX_JTI_LENGTH = 256;

/** @see RFC 9449 section 4.3 */
export function createDpopProofs(deps: {
  issuer: string;
  storage: Storage;
  clock: Clock;
  /** Absent while no nonces are asked for. */
  nonces: DpopNonces | undefined;
}): DpopProofs {
  const { clock, nonces, storage } = deps;

  return {
    async verify(request, token) {
      const proof = request.headers.get("dpop");
      if (!proof) throw new DpopError("no proof");
      const { claims, jkt } = await open(proof);
      const { htm, htu, iat, jti, ath } = claims;
      if (jkt !== token.jkt) throw new DpopError("another key");
      if (htm !== request.method) throw new DpopError("another method");
      if (typeof htu !== "string" || addressOf(htu) !== ownAddress(request, deps.issuer))
        throw new DpopError("another address");
      if (ath !== tokenHash(token.value)) throw new DpopError("another token");
      const now = clock.now();
      if (typeof iat !== "number" || Math.abs(now / 1_000 - iat) > WINDOW_SECONDS)
        throw new DpopError("too old");
      if (typeof jti !== "string" || jti === "" || jti.length > MAX_JTI_LENGTH)
        throw new DpopError("no usable jti");
      const { nonce } = claims;
      if (nonces && !(typeof nonce === "string" && nonces.checkChallenge(nonce)))
        throw new DpopError("no current nonce", nonces.nextChallenge());
      // A proof may be up to one window early and is good for one more.
      const until = now + 2 * WINDOW_SECONDS * 1_000;
      const key = tokenHash(JSON.stringify([jkt, jti]));
      if (!(await takeOnce(storage, "DpopProof", key, { clientId: token.clientId, until })))
        throw new DpopError("used before");
    },
  };
}

async function open(proof: string): Promise<{ claims: Record<string, unknown>; jkt: string }> {
  try {
    // Its times are judged above: a proof has no `exp`.
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      algorithms: ALGORITHMS,
      typ: "dpop+jwt",
    });
    return { claims: payload, jkt: await calculateJwkThumbprint(protectedHeader.jwk ?? {}) };
  } catch (error) {
    if (error instanceof joseErrors.JOSEError || error instanceof TypeError || error instanceof DOMException)
      throw new DpopError("no proof of a key");
    throw error;
  }
}

/** Without query and fragment, as RFC 9449 section 4.3 compares. */
function addressOf(text: string): string | undefined {
  const url = URL.parse(text);
  return url ? `${url.origin}${url.pathname}` : undefined;
}

/** The request's address below the issuer, whatever host it was sent to. */
function ownAddress(request: Request, issuer: string): string {
  return `${new URL(issuer).origin}${new URL(request.url).pathname}`;
}
