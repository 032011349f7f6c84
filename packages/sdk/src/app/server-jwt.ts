import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey, type JWTVerifyResult, jwtVerify } from "jose";
import type { AppEnvironment } from "./environment.ts";

/** The server signs what it tells this client with RS256 unless the client asks for ES256. */
const ALGORITHMS = ["RS256", "ES256"];
/** How far the server's clock may differ. */
export const CLOCK_TOLERANCE_SECONDS = 5;

/**
 * Verifies a JWT that the server made for this client: signature, issuer, audience, times. Fails with the
 * error of `jose`, or a `BehalfError` when discovery could not be read.
 */
export type JwtVerifier = (jwt: string, requiredClaims: string[]) => Promise<JWTVerifyResult>;

/** Made once for each app, so that keys are fetched once and again when one is unknown. */
export function createJwtVerifier({ behalf }: AppEnvironment): JwtVerifier {
  const { oauth, config } = behalf.runtime;
  let known: { uri: string; keys: JWTVerifyGetKey } | undefined;

  async function keys(): Promise<JWTVerifyGetKey> {
    const { jwksUri } = await oauth.metadata();
    if (known?.uri !== jwksUri) {
      const options = { timeoutDuration: config.timeoutMs, [customFetch]: config.fetch };
      known = { uri: jwksUri, keys: createRemoteJWKSet(new URL(jwksUri), options) };
    }
    return known.keys;
  }

  return async (jwt, requiredClaims) =>
    jwtVerify(jwt, await keys(), {
      issuer: config.issuer,
      audience: config.clientId,
      algorithms: ALGORITHMS,
      requiredClaims,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(config.clock.now()),
    });
}
