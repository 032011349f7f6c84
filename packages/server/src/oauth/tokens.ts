import { type JWTVerifyGetKey, errors as joseErrors, jwtVerify } from "jose";
import { tokenHash } from "../crypto/hash.ts";
import { httpError } from "../http/errors.ts";
import { type Clock, epochSeconds } from "../lib/clock.ts";
import { reveal } from "../lib/secret.ts";
import type { Users } from "../login/index.ts";
import type { Storage } from "../storage/index.ts";
import type { ClientRegistry } from "./clients.ts";
import type { AccessTokenInfo, RequireToken, SubjectTokens } from "./index.ts";
import type { Revocations } from "./revocations.ts";
import { findModel } from "./store.ts";

const BEARER = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i;
const ALGORITHMS = ["ES256", "RS256", "EdDSA"];

/**
 * Verifies access tokens of ours, for our own APIs: signature, type, issuer, audience, time; and that user
 * and client may still act and the token was not revoked.
 * @see RFC 9068 section 4
 */
export function createRequireToken(deps: {
  issuer: string;
  verifyKey: JWTVerifyGetKey;
  clients: ClientRegistry;
  users: Users;
  revocations: Pick<Revocations, "has">;
  clock: Clock;
}): RequireToken {
  async function verify(token: string, audience: string): Promise<AccessTokenInfo> {
    const { payload } = await jwtVerify(token, deps.verifyKey, {
      issuer: deps.issuer,
      audience,
      typ: "at+jwt",
      algorithms: ALGORITHMS,
      currentDate: new Date(deps.clock.now()),
      requiredClaims: ["sub", "client_id", "jti", "exp"],
    });
    // Our own APIs take no proofs, so a token that is bound to a key proves nothing here (RFC 9449 section 7.2).
    if (payload["cnf"] !== undefined) throw new joseErrors.JWTClaimValidationFailed("bound", payload, "cnf");
    const clientId = String(payload["client_id"]);
    const subject = String(payload.sub);
    const userId = subject === clientId ? undefined : subject;
    const scopes = new Set(typeof payload["scope"] === "string" ? payload["scope"].split(" ") : []);
    return { subject, clientId, scopes, audience, userId, jti: String(payload.jti) };
  }

  return async (request, expected) => {
    const header = request.headers.get("authorization");
    if (!header) throw httpError("auth.token_missing");
    const token = BEARER.exec(header)?.[1];
    if (!token) throw httpError("auth.token_invalid", { reason: "not a bearer token" });
    let info: AccessTokenInfo;
    try {
      info = await verify(token, expected.audience);
    } catch (error) {
      if (error instanceof joseErrors.JOSEError)
        throw httpError("auth.token_invalid", { reason: error.code });
      throw error;
    }
    if (await deps.revocations.has(info.jti)) throw httpError("auth.token_invalid", { reason: "revoked" });
    const client = await deps.clients.find(info.clientId);
    if (!client || client.disabledAt !== undefined)
      throw httpError("auth.token_invalid", { reason: "client is off" });
    const user = info.userId === undefined ? undefined : await deps.users.find(info.userId);
    if (info.userId !== undefined && (!user || user.disabledAt !== undefined))
      throw httpError("auth.token_invalid", { reason: "user is off" });
    const missing = expected.scopes.filter((scope) => !info.scopes.has(scope));
    if (missing.length > 0) throw httpError("auth.insufficient_scope", { members: { scopes: missing } });
    return info;
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
