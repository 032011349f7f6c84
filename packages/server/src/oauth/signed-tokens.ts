import { type JWTPayload, type JWTVerifyGetKey, errors as joseErrors, jwtVerify } from "jose";
import type { Clock } from "../lib/clock.ts";

/** Reads access tokens that this server signed. */
export interface SignedTokens {
  /**
   * The claims of a token whose signature, type, issuer and time are right; nothing is said of its audience, or
   * of whether it was ended.
   * @throws JOSEError
   */
  verify(token: string): Promise<JWTPayload>;
  /** The same; `undefined` for anything else. */
  read(token: string): Promise<JWTPayload | undefined>;
}

const ALGORITHMS = ["ES256", "RS256", "EdDSA"];

/** @see RFC 9068 section 4 */
export function createSignedTokens(deps: {
  issuer: string;
  verifyKey: JWTVerifyGetKey;
  clock: Clock;
}): SignedTokens {
  async function verify(token: string): Promise<JWTPayload> {
    if (!isCanonical(token)) throw new joseErrors.JWTInvalid("not in canonical form");
    const { payload } = await jwtVerify(token, deps.verifyKey, {
      issuer: deps.issuer,
      typ: "at+jwt",
      algorithms: ALGORITHMS,
      currentDate: new Date(deps.clock.now()),
      requiredClaims: ["sub", "aud", "client_id", "jti", "exp"],
    });
    return payload;
  }

  return {
    verify,
    async read(token) {
      try {
        return await verify(token);
      } catch (error) {
        if (error instanceof joseErrors.JOSEError) return undefined;
        throw error;
      }
    },
  };
}

/**
 * Three parts, each in the one spelling that base64url has: a decoder that takes another spelling of the same
 * bytes would make two tokens of one.
 */
export function isCanonical(token: string): boolean {
  const parts = token.split(".");
  return (
    parts.length === 3 &&
    parts.every((part) => part !== "" && Buffer.from(part, "base64url").toString("base64url") === part)
  );
}
