import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import { isLoopback } from "../config.ts";
import { BehalfError } from "../errors.ts";
import {
  badAnswer,
  isObject,
  type JsonObject,
  requestJson,
  scopeWords,
  type Transport,
  text,
} from "../http.ts";
import { type Clock, type Store, systemClock } from "../store.ts";

const DEFAULT_TIMEOUT_MS = 5_000;
/** How far clocks may differ unless told otherwise. */
export const DEFAULT_TOLERANCE_SECONDS = 5;
/** What the server signs access tokens with; `none` and shared-secret algorithms are never accepted. */
const ALGORITHMS = ["ES256", "RS256", "EdDSA"] as const;

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
  /** What tokens may be signed with. Default: ES256, RS256 and EdDSA. A token's header chooses nothing. */
  algorithms?: readonly (typeof ALGORITHMS)[number][];
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

/** Reads this server's access tokens, and knows where else to ask about them. */
export interface TokenReader {
  /** The claims of a valid token, which may be bound to a key (`cnf`): see `Verifier.verify` for errors. */
  read(token: string | null | undefined): Promise<AccessTokenClaims>;
  introspectionEndpoint(): Promise<string | undefined>;
}

/** @see RFC 9068 section 4 */
export function createTokenReader(options: VerifierOptions): TokenReader {
  const { issuer, audience, clock = systemClock } = options;
  assertIssuer(issuer);
  const discovery = createDiscovery(options);
  return {
    async read(token) {
      if (!token)
        throw new BehalfError("token.missing", "The request carries no access token.", { status: 401 });
      const { keys } = await discovery();
      try {
        const { payload } = await jwtVerify(token, keys, {
          issuer,
          audience,
          algorithms: [...(options.algorithms ?? ALGORITHMS)],
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
    introspectionEndpoint: async () => (await discovery()).introspectionEndpoint,
  };
}

function assertIssuer(issuer: string): void {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const secure = url && (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname)));
  if (secure && issuer.endsWith("/")) return;
  const message = `issuer must be a https URL (http on loopback) that ends in "/".`;
  throw new BehalfError("config.invalid", message);
}

/** What of the server's metadata (RFC 8414) an API uses. */
interface ServerDiscovery {
  keys: JWTVerifyGetKey;
  introspectionEndpoint: string | undefined;
}

/** Read once; a failure is reported and tried again at the next call. */
function createDiscovery(options: VerifierOptions): () => Promise<ServerDiscovery> {
  const transport = transportOf(options);
  let found: Promise<ServerDiscovery> | undefined;
  return async () => {
    found ??= discover(options.issuer, transport);
    try {
      return await found;
    } catch (error) {
      found = undefined;
      throw error;
    }
  };
}

export function transportOf(options: VerifierOptions): Transport {
  return { fetch: options.fetch ?? fetch, timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS };
}

async function discover(issuer: string, transport: Transport): Promise<ServerDiscovery> {
  const { status, body } = await requestJson(transport, { url: `${issuer}.well-known/openid-configuration` });
  const jwksUri = text(body, "jwks_uri");
  if (status !== 200 || body["issuer"] !== issuer || !jwksUri || !URL.canParse(jwksUri)) {
    throw badAnswer(issuer, status, "no discovery document of its own");
  }
  const keys = createRemoteJWKSet(new URL(jwksUri), {
    timeoutDuration: transport.timeoutMs,
    [customFetch]: transport.fetch,
  });
  return { keys, introspectionEndpoint: text(body, "introspection_endpoint") };
}

function claimsOf(payload: JWTPayload): AccessTokenClaims {
  const { iss, sub, aud, exp, iat, jti } = payload;
  const clientId = payload["client_id"];
  const details = payload["authorization_details"];
  // A signature says who wrote the claims, not that they have the types of RFC 9068 section 2.2.
  if (
    !isText(iss) ||
    !isText(sub) ||
    !(isText(aud) || (Array.isArray(aud) && aud.every(isText))) ||
    exp === undefined ||
    iat === undefined ||
    !isText(jti) ||
    !isText(clientId)
  ) {
    throw invalidToken();
  }
  if (details !== undefined && !(Array.isArray(details) && details.every(isObject))) throw invalidToken();
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

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
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
  return invalidToken(error);
}

/** jose passes failures of `fetch` through and reports a bad status as a plain `JOSEError`. */
function isKeyFetchFailure(error: unknown): boolean {
  return !(error instanceof errors.JOSEError) || error.code === "ERR_JOSE_GENERIC";
}

/** The caller learns nothing of which check failed. */
export function invalidToken(cause?: unknown): BehalfError {
  return new BehalfError("token.invalid", "The access token is not valid here.", { status: 401, cause });
}
