import { type CryptoKey, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { bearerToken } from "../support/bearer.ts";
import type { Clock } from "../support/clock.ts";
import { Refusal } from "../support/refusal.ts";

/** What the shop knows of the caller once the token has passed. */
export type Caller = {
  /** The user on whose behalf the call is made. */
  sub: string;
  clientId: string;
  /** Unique per token (RFC 9068 section 2.2). */
  jti: string;
  scopes: readonly string[];
  /** The claim `authorization_details` as it stands in the token (RFC 9396 section 9.1), not checked yet. */
  authorizationDetails: unknown;
};

/** What is needed to check a token. */
export type TokenCheckDeps = { issuer: string; audience: string; keys: JWTVerifyGetKey; clock: Clock };

/** Signatures that are accepted. Never `none`, never a MAC: its key would be the public one (RFC 8725 section 3.1). */
const ALGORITHMS = ["ES256", "RS256", "EdDSA"];
const REALM = "sandbox shop";

/**
 * A function that answers who calls, from the `Authorization` header and the scope that the route needs. The checks
 * are those of RFC 9068 section 4.
 *
 * @throws (the returned function) Refusal 401 `missing_token` or `invalid_token`, 403 `insufficient_scope`,
 * 503 `issuer_unreachable`.
 */
export function createTokenCheck(deps: TokenCheckDeps) {
  return async (header: string | undefined, scope: string): Promise<Caller> => {
    const token = bearerToken(header, REALM);
    if (!isCanonical(token)) throw invalidToken("not_a_compact_jws");
    const caller = believe(await verify(token, deps));
    if (!caller.scopes.includes(scope)) throw insufficientScope(scope);
    return caller;
  };
}

async function verify(token: string, { issuer, audience, keys, clock }: TokenCheckDeps): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify<CryptoKey>(token, keys, {
      issuer,
      audience,
      typ: "at+jwt",
      algorithms: ALGORITHMS,
      currentDate: new Date(clock()),
      requiredClaims: ["sub", "client_id", "iat", "jti", "exp"],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) throw invalidToken(reasonOf(error));
    throw error;
  }
}

function believe(payload: JWTPayload): Caller {
  const { sub, jti, client_id: clientId, scope, authorization_details: authorizationDetails, cnf } = payload;
  // A token that is bound to a key must not be taken as a bearer token (RFC 9449 section 7.2).
  if (cnf !== undefined) throw invalidToken("token_is_bound_to_a_key");
  if (typeof sub !== "string" || sub === "") throw invalidToken("sub_is_not_a_string");
  if (typeof jti !== "string" || jti === "") throw invalidToken("jti_is_not_a_string");
  if (typeof clientId !== "string" || clientId === "") throw invalidToken("client_id_is_not_a_string");
  const scopes = typeof scope === "string" ? scope.split(" ").filter(Boolean) : [];
  return { sub, jti, clientId, scopes, authorizationDetails };
}

/** Three parts, each in the one spelling that base64url has: libraries accept other spellings of the same bytes. */
function isCanonical(token: string): boolean {
  const parts = token.split(".");
  return (
    parts.length === 3 &&
    parts.every((part) => part !== "" && Buffer.from(part, "base64url").toString("base64url") === part)
  );
}

function reasonOf(error: errors.JOSEError): string {
  const claim = "claim" in error && typeof error.claim === "string" ? `:${error.claim}` : "";
  return `${error.code}${claim}`;
}

/** One answer for every reason; the log has the reason. */
function invalidToken(reason: string): Refusal {
  return new Refusal({
    status: 401,
    error: "invalid_token",
    description: "The access token is not valid here. Get a new one for this shop.",
    headers: { "www-authenticate": `Bearer realm="${REALM}", error="invalid_token"` },
    reason,
  });
}

function insufficientScope(scope: string): Refusal {
  return new Refusal({
    status: 403,
    error: "insufficient_scope",
    description: `This call needs the scope ${scope}.`,
    headers: { "www-authenticate": `Bearer realm="${REALM}", error="insufficient_scope", scope="${scope}"` },
  });
}
