import { type JWTPayload, errors as joseErrors } from "jose";
import { tokenHash } from "../crypto/hash.ts";
import { httpError } from "../http/errors.ts";
import { type Clock, epochSeconds } from "../lib/clock.ts";
import { reveal } from "../lib/secret.ts";
import type { Storage } from "../storage/index.ts";
import { shownThumbprint } from "./certificate-binding.ts";
import { DpopError, type DpopProofs } from "./dpop-proofs.ts";
import type { AccessTokenInfo, RequireToken, SubjectTokens } from "./index.ts";
import type { KeptClaims } from "./internals.ts";
import type { Liveness } from "./liveness.ts";
import type { SignedTokens } from "./signed-tokens.ts";
import { findModel } from "./store.ts";
import { isForAudience, userinfoAudience } from "./token-claims.ts";

const SCHEME = /^(Bearer|DPoP) ([A-Za-z0-9._~+/-]+=*)$/i;

/**
 * Verifies access tokens of ours, for our own APIs: signature, type, issuer, audience, time; and that what it
 * was issued under is there and it was not revoked.
 * @see RFC 9068 section 4
 */
export function createRequireToken(deps: {
  issuer: string;
  signedTokens: SignedTokens;
  liveness: Liveness;
  proofs: DpopProofs;
}): RequireToken {
  async function verify(token: string, audience: string): Promise<JWTPayload> {
    const claims = await deps.signedTokens.verify(token);
    if (!isForAudience(claims.aud, audience, deps.issuer))
      throw new joseErrors.JWTClaimValidationFailed("not for this API", claims, "aud");
    return claims;
  }

  return async (request, expected) => {
    const header = request.headers.get("authorization");
    if (!header) throw httpError("auth.token_missing");
    const [, scheme = "", token] = SCHEME.exec(header) ?? [];
    if (!token) throw httpError("auth.token_invalid", { reason: "not an access token" });
    let claims: JWTPayload;
    try {
      claims = await verify(token, expected.audience);
    } catch (error) {
      if (error instanceof joseErrors.JOSEError)
        throw httpError("auth.token_invalid", { reason: error.code });
      throw error;
    }
    await requireProof(deps.proofs, request, { scheme, token, claims });
    const end = await deps.liveness.endOfSigned(claims);
    if (end !== undefined) throw httpError("auth.token_invalid", { reason: end });
    const info = infoOf(claims, expected.audience);
    const missing = expected.scopes.filter((scope) => !info.scopes.has(scope));
    if (missing.length > 0) throw httpError("auth.insufficient_scope", { members: { scopes: missing } });
    return info;
  };
}

/**
 * A token that is bound to a certificate comes over a connection with that one. A token that is bound to a key comes
 * with a proof of it and under the scheme that says so; bound to anything else it proves nothing here; and one that
 * is bound to no key is no DPoP token.
 * @see RFC 9449 section 7, RFC 8705 section 3
 */
async function requireProof(
  proofs: DpopProofs,
  request: Request,
  presented: { scheme: string; token: string; claims: JWTPayload },
): Promise<void> {
  const { claims, token } = presented;
  const cnf = claims["cnf"];
  const isDpop = presented.scheme.toLowerCase() === "dpop";
  // Our own claim, as it was signed.
  const { jkt, "x5t#S256": x5t, ...unknown } = (cnf ?? {}) as Record<string, unknown>;
  if (x5t !== undefined && x5t !== shownThumbprint())
    throw httpError("auth.token_invalid", { reason: "not the certificate it is bound to" });
  const isUnbound = cnf === undefined || (x5t !== undefined && jkt === undefined);
  if (isUnbound && !isDpop && Object.keys(unknown).length === 0) return;
  try {
    if (!isDpop || typeof jkt !== "string") throw new DpopError("binding and scheme do not fit");
    await proofs.verify(request, { value: token, jkt, clientId: String(claims["client_id"]) });
  } catch (error) {
    if (!(error instanceof DpopError)) throw error;
    const { nonce, message: reason } = error;
    const challenge = nonce === undefined ? "invalid_token" : "use_dpop_nonce";
    throw httpError("auth.token_invalid", {
      reason,
      headers: {
        "www-authenticate": `DPoP error="${challenge}"`,
        ...(nonce === undefined ? {} : { "dpop-nonce": nonce }),
      },
    });
  }
}

function infoOf(claims: JWTPayload, audience: string): AccessTokenInfo {
  const clientId = String(claims["client_id"]);
  const subject = String(claims.sub);
  const scopes = new Set(typeof claims["scope"] === "string" ? claims["scope"].split(" ") : []);
  const userId = subject === clientId ? undefined : subject;
  return { subject, clientId, scopes, audience, userId, jti: String(claims.jti) };
}

/**
 * A signed token as the core keeps tokens, for `/userinfo`, where the core then judges scope, proof, grant and
 * user; `undefined` for one that is not good there.
 */
export async function readForUserinfo(
  token: string,
  issuer: string,
  signedTokens: SignedTokens,
  liveness: Liveness,
): Promise<KeptClaims | undefined> {
  const claims = await signedTokens.read(token);
  if (!claims || !Array.isArray(claims.aud) || !claims.aud.includes(userinfoAudience(issuer)))
    return undefined;
  if ((await liveness.endOfSigned(claims)) !== undefined) return undefined;
  // Our own claims, as they were signed.
  const cnf = (claims["cnf"] ?? {}) as { jkt?: string; "x5t#S256"?: string };
  return {
    accountId: claims.sub,
    clientId: claims["client_id"],
    grantId: claims["grant_id"],
    scope: claims["scope"],
    exp: claims.exp,
    iat: claims.iat,
    ...cnf,
  };
}

/** Resolves the subject tokens of token exchange from the store, by hash. */
export function createSubjectTokens(deps: { storage: Storage; clock: Clock }): SubjectTokens {
  return {
    async fromRefreshToken(value, clientId) {
      const row = await findModel(deps.storage, "RefreshToken", tokenHash(reveal(value)));
      if (!row || row.client_id !== clientId || row.account_id === null) return undefined;
      // A rotated token stands for nobody, and its successor is the client's to use.
      if (row.consumed_at !== null) return undefined;
      // Written by the core: `exp` in seconds.
      const { exp } = JSON.parse(row.payload) as { exp?: number };
      if (exp === undefined || exp <= epochSeconds(deps.clock)) return undefined;
      return { userId: row.account_id, clientId };
    },
  };
}
