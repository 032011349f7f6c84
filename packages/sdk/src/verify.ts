import { parseStrictJson, sameJson, toJsonValue } from "./canonical-json.ts";
import { BehalfError } from "./errors.ts";
import { isObject, type JsonObject } from "./http.ts";
import { systemClock } from "./store.ts";
import {
  type AccessTokenClaims,
  createTokenReader,
  DEFAULT_TOLERANCE_SECONDS,
  invalidToken,
  type VerifierOptions,
} from "./verify/access-token.ts";

export type { AccessTokenClaims, VerifierOptions } from "./verify/access-token.ts";
export type { DpopMode } from "./verify/dpop.ts";
export { type ApiGuard, type ApiGuardOptions, createApiGuard, type TokenNeeds } from "./verify/guard.ts";
export type { IntrospectionOptions } from "./verify/introspection.ts";

export interface Verifier {
  /**
   * The claims of a valid token that is bound to no key. Says nothing about what the token allows: check `scopes` and details.
   * @throws BehalfError `token.missing`, `token.expired`, `token.invalid` (answer 401 to all three), or
   * `network.*` and `server.*` when the keys could not be fetched (answer 503)
   */
  verify(token: string | null | undefined): Promise<AccessTokenClaims>;
  /**
   * Counts the token as used: of all calls with one token, in all processes that share the store, one
   * returns. Call it right before the effect.
   * @throws BehalfError `token.replayed`
   */
  consume(claims: AccessTokenClaims): Promise<void>;
}

/**
 * Verifies this server's access tokens in any API. Keys are fetched once and again when one is unknown.
 * @see RFC 9068 section 4
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { store, clock = systemClock } = options;
  const reader = createTokenReader(options);
  return {
    async verify(token) {
      const claims = await reader.read(token);
      // A token that is bound to a key proves nothing in the hands of a mere bearer (RFC 9449 section 7.2).
      if (claims.payload["cnf"] !== undefined) throw invalidToken();
      return claims;
    },
    async consume(claims) {
      if (!store)
        throw new BehalfError("config.invalid", "consume needs a store: pass one to createVerifier.");
      const key = `behalf:jti:${JSON.stringify([claims.iss, claims.jti])}`;
      const tolerance = options.clockToleranceSeconds ?? DEFAULT_TOLERANCE_SECONDS;
      const ttlSeconds = Math.max(1, claims.exp - clock.now() / 1000 + tolerance);
      if (await store.put(key, "used", { ttlSeconds, expect: null })) return;
      throw new BehalfError("token.replayed", "This access token was used already.", { status: 401 });
    },
  };
}

/** The token of an `Authorization: Bearer` header (RFC 6750 section 2.1); undefined when there is none. */
export function bearerToken(request: Request): string | undefined {
  return /^Bearer +([\w.~+/-]+=*)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}

/**
 * The approved detail that is exactly this request; compared as canonical JSON (RFC 8785), so that any
 * changed, added or missing member is a difference.
 * @param type the detail type (RFC 9396 section 2)
 * @param body the request as the API will carry it out: an object, or JSON text (refused when it names a
 * member twice). It is compared with the detail's members other than `type`; for details of type
 * `tool_call` that is `{ tool, arguments }`.
 * @throws BehalfError `token.details_missing`, `token.details_mismatch` (answer 403 to both)
 */
export function requireDetails(claims: AccessTokenClaims, type: string, body: unknown): JsonObject {
  const details = claims.authorizationDetails.filter((detail) => detail["type"] === type);
  if (details.length === 0) {
    throw new BehalfError("token.details_missing", `The token approves nothing of type ${type}.`, {
      status: 403,
    });
  }
  const request = typeof body === "string" ? strictObject(body) : toJsonValue(body);
  const found = isObject(request) && details.find((detail) => sameJson(detail, { ...request, type }));
  if (found) return found;
  const message = "The request differs from what the user approved.";
  throw new BehalfError("token.details_mismatch", message, { status: 403 });
}

/**
 * All of them.
 * @throws BehalfError `token.insufficient_scope` (answer 403, RFC 6750 section 3.1)
 */
export function requireScopes(claims: AccessTokenClaims, ...scopes: string[]): void {
  const missing = scopes.filter((scope) => !claims.scopes.includes(scope));
  if (missing.length === 0) return;
  const message = `The token lacks the scope ${missing.join(" ")}.`;
  throw new BehalfError("token.insufficient_scope", message, { status: 403 });
}

function strictObject(body: string): unknown {
  try {
    return parseStrictJson(body);
  } catch (cause) {
    throw new BehalfError("token.details_mismatch", "The request body is not plain JSON.", {
      status: 403,
      cause,
    });
  }
}
