import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import { parseStrictJson, sameJson, toJsonValue } from "./canonical-json.ts";
import { isLoopback } from "./config.ts";
import { BehalfError } from "./errors.ts";
import { badAnswer, isObject, type JsonObject, requestJson, scopeWords, text } from "./http.ts";
import { type Clock, type Store, systemClock } from "./store.ts";

/** What an API knows of whose tokens it accepts. */
export interface VerifierOptions {
  /** Ends in `/`; compared byte for byte with the token's `iss`. */
  issuer: string;
  /** This API's own identifier; the token's `aud` must name it. */
  audience: string;
  /** Where used tokens are remembered; needed for `consume`. Shared by all processes of the API. */
  store?: Store;
  /** How far clocks may differ, in seconds. Default 5. */
  clockToleranceSeconds?: number;
  /** How long one request to the server may take, in milliseconds. Default 5,000. */
  timeoutMs?: number;
  clock?: Clock;
  fetch?: typeof fetch;
}

/** The claims of a verified access token (RFC 9068 section 2.2). */
export interface AccessTokenClaims {
  iss: string;
  sub: string;
  aud: string | string[];
  clientId: string;
  /** Seconds since 1970. */
  exp: number;
  iat: number;
  jti: string;
  scopes: string[];
  /** RFC 9396; empty when the token carries none. */
  authorizationDetails: JsonObject[];
  /** Every claim, as it stands in the token. */
  payload: JWTPayload;
}

export interface Verifier {
  /**
   * The claims of a valid token. Says nothing about what the token allows: check `scopes` and details.
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

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_TOLERANCE_SECONDS = 5;
/** What the server signs access tokens with; `none` and shared-secret algorithms are never accepted. */
const ALGORITHMS = ["ES256", "RS256", "EdDSA"];

/**
 * Verifies this server's access tokens in any API. Keys are fetched once and again when one is unknown.
 * @see RFC 9068 section 4
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, audience, store, clock = systemClock } = options;
  assertIssuer(issuer);
  const keys = createKeys(options);
  return {
    async verify(token) {
      if (!token)
        throw new BehalfError("token.missing", "The request carries no access token.", { status: 401 });
      const getKey = await keys();
      try {
        const { payload } = await jwtVerify(token, getKey, {
          issuer,
          audience,
          algorithms: ALGORITHMS,
          typ: "at+jwt",
          requiredClaims: ["exp", "iat", "sub", "jti", "client_id"],
          clockTolerance: options.clockToleranceSeconds ?? DEFAULT_TOLERANCE_SECONDS,
          currentDate: new Date(clock.now()),
        });
        return claimsOf(payload);
      } catch (error) {
        throw tokenError(error);
      }
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

/** @throws BehalfError `token.insufficient_scope` (answer 403, RFC 6750 section 3.1) */
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

function assertIssuer(issuer: string): void {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const secure = url && (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname)));
  if (secure && issuer.endsWith("/")) return;
  const message = `issuer must be a https URL (http on loopback) that ends in "/".`;
  throw new BehalfError("config.invalid", message);
}

/** Finds the key set through discovery, once; a failure is reported and tried again at the next call. */
function createKeys(options: VerifierOptions): () => Promise<JWTVerifyGetKey> {
  const transport = { fetch: options.fetch ?? fetch, timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS };
  let keys: Promise<JWTVerifyGetKey> | undefined;
  return async () => {
    keys ??= discoverKeys(options.issuer, transport);
    try {
      return await keys;
    } catch (error) {
      keys = undefined;
      throw error;
    }
  };
}

async function discoverKeys(
  issuer: string,
  transport: { fetch: typeof fetch; timeoutMs: number },
): Promise<JWTVerifyGetKey> {
  const { status, body } = await requestJson(transport, { url: `${issuer}.well-known/openid-configuration` });
  const jwksUri = text(body, "jwks_uri");
  if (status !== 200 || body["issuer"] !== issuer || !jwksUri || !URL.canParse(jwksUri)) {
    throw badAnswer(issuer, status, "no discovery document of its own");
  }
  return createRemoteJWKSet(new URL(jwksUri), {
    timeoutDuration: transport.timeoutMs,
    [customFetch]: transport.fetch,
  });
}

function claimsOf(payload: JWTPayload): AccessTokenClaims {
  const { iss, sub, aud, exp, iat, jti } = payload;
  const clientId = payload["client_id"];
  const details = payload["authorization_details"];
  if (
    !iss ||
    !sub ||
    !aud ||
    exp === undefined ||
    iat === undefined ||
    !jti ||
    typeof clientId !== "string"
  ) {
    throw invalid();
  }
  // A token that is bound to a key proves nothing in the hands of a mere bearer (RFC 9449 section 7.2).
  if (payload["cnf"] !== undefined) throw invalid();
  if (details !== undefined && !(Array.isArray(details) && details.every(isObject))) throw invalid();
  const scope = typeof payload["scope"] === "string" ? payload["scope"] : undefined;
  return {
    iss,
    sub,
    aud,
    clientId,
    exp,
    iat,
    jti,
    scopes: scopeWords(scope),
    authorizationDetails: details ?? [],
    payload,
  };
}

/** Which check failed is in `cause`, for the log; the caller is told only what it can act on. */
function tokenError(error: unknown): BehalfError {
  if (BehalfError.is(error)) return error;
  if (error instanceof errors.JWTExpired) {
    return new BehalfError("token.expired", "The access token has expired.", { status: 401, cause: error });
  }
  if (error instanceof errors.JWKSTimeout) {
    const message = "The server's keys could not be fetched in time.";
    return new BehalfError("network.timeout", message, { retryable: true, cause: error });
  }
  if (isKeyFetchFailure(error)) {
    const message = "The server's keys could not be fetched.";
    return new BehalfError("network.unreachable", message, { retryable: true, cause: error });
  }
  return invalid(error);
}

/** jose passes failures of `fetch` through and reports a bad status as a plain `JOSEError`. */
function isKeyFetchFailure(error: unknown): boolean {
  return !(error instanceof errors.JOSEError) || error.code === "ERR_JOSE_GENERIC";
}

function invalid(cause?: unknown): BehalfError {
  return new BehalfError("token.invalid", "The access token is not valid here.", { status: 401, cause });
}
