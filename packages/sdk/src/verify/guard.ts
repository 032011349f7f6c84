import { BehalfError } from "../errors.ts";
import { isObject } from "../http.ts";
import { systemClock } from "../store.ts";
import {
  type AccessTokenClaims,
  createTokenReader,
  DEFAULT_TOLERANCE_SECONDS,
  invalidToken,
  transportOf,
  type VerifierOptions,
} from "./access-token.ts";
import { type Challenge, refusal } from "./challenge.ts";
import { createDpopChecker, type DpopChecker, type DpopMode, PROOF_ALGORITHMS } from "./dpop.ts";
import { createRevocationCheck, type IntrospectionOptions } from "./introspection.ts";

/** What an API accepts, and what it says about itself. */
export interface ApiGuardOptions extends VerifierOptions {
  /** Default `disabled`: tokens that are bound to a key are refused. Otherwise needs `store` and `origin`. */
  dpop?: DpopMode;
  /** Proofs must then carry a nonce of ours: at least 32 characters, shared by all processes of the API. */
  dpopNonceSecret?: string;
  /** The API's own origin as callers address it: proofs name it, and `Host` is whatever a caller says. */
  origin?: string;
  /** Asks the server about each token, so that a revoked one is refused before it expires. */
  introspection?: IntrospectionOptions;
  /** What the metadata says there is to ask for. */
  scopesSupported?: readonly string[];
}

/** What a token must allow. */
export interface TokenNeeds {
  /** All of these. */
  scopes?: readonly string[];
  /** At least one of these. */
  anyScope?: readonly string[];
}

/** Stands before an API. Safe for concurrent use; make one for each process. */
export interface ApiGuard {
  /** Where adapters take the requests to be addressed. */
  readonly origin: string;
  /**
   * The token's claims, or the answer to send instead: 401 or 403 with a challenge (RFC 6750 section 3, RFC
   * 9449 section 7.1), 503 when the server's keys or its word on a token could not be fetched. The body is
   * `{ code, message }`.
   */
  authorize(request: Request, needs?: TokenNeeds): Promise<AccessTokenClaims | Response>;
  /** Answers `/.well-known/oauth-protected-resource` (RFC 9728 section 3). */
  protectedResourceMetadata(): Response;
}

const MIN_SECRET_LENGTH = 32;

/** @throws BehalfError `config.invalid`, naming everything that is missing or wrong */
export function createApiGuard(options: ApiGuardOptions): ApiGuard {
  assertOptions(options);
  const { issuer, audience, dpop = "disabled", scopesSupported } = options;
  const reader = createTokenReader(options);
  const clock = options.clock ?? systemClock;
  const proofs = dpopOf(options);
  const origin = options.origin ?? "http://localhost"; // read with DPoP alone, which needs the option
  const checkRevocation =
    options.introspection &&
    createRevocationCheck(options.introspection, { reader, transport: transportOf(options), clock });
  const challenge: Challenge = { dpop, resourceMetadata: metadataUrl(audience) };

  async function believe(request: Request, needs: TokenNeeds): Promise<AccessTokenClaims> {
    const { scheme, token } = credentialsOf(request, dpop);
    const claims = await reader.read(token);
    await checkBinding(request, { scheme, token: token ?? "", claims }, { dpop, proofs, origin });
    await checkRevocation?.(token ?? "", claims);
    checkScopes(claims, needs);
    return claims;
  }

  return {
    origin,
    async authorize(request, needs = {}) {
      try {
        return await believe(request, needs);
      } catch (error) {
        if (!BehalfError.is(error)) throw error;
        return refusal(error, challenge, needs, proofs?.nonce());
      }
    },
    protectedResourceMetadata: () =>
      Response.json({
        resource: audience,
        authorization_servers: [issuer],
        bearer_methods_supported: ["header"],
        ...(scopesSupported ? { scopes_supported: scopesSupported } : {}),
        ...(dpop === "disabled" ? {} : { dpop_signing_alg_values_supported: PROOF_ALGORITHMS }),
        ...(dpop === "required" ? { dpop_bound_access_tokens_required: true } : {}),
      }),
  };
}

function assertOptions(options: ApiGuardOptions): void {
  const { dpop = "disabled", store, origin, dpopNonceSecret: secret } = options;
  const problems: string[] = [];
  if (dpop !== "disabled" && !store) problems.push("dpop needs a store, where used proofs are remembered");
  if (dpop !== "disabled" && !origin) problems.push("dpop needs the API's origin, which proofs name");
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).origin !== origin))
    problems.push("origin must be one, such as https://api.example");
  if (secret !== undefined && secret.length < MIN_SECRET_LENGTH)
    problems.push(`dpopNonceSecret must have at least ${MIN_SECRET_LENGTH} characters`);
  if (problems.length > 0)
    throw new BehalfError("config.invalid", `The API is not configured:\n- ${problems.join("\n- ")}`);
}

function dpopOf(options: ApiGuardOptions): DpopChecker | undefined {
  const { dpop = "disabled", store, clock = systemClock, dpopNonceSecret: nonceSecret } = options;
  if (dpop === "disabled" || !store) return undefined;
  const toleranceSeconds = options.clockToleranceSeconds ?? DEFAULT_TOLERANCE_SECONDS;
  return createDpopChecker({ store, clock, toleranceSeconds, nonceSecret });
}

interface Credentials {
  scheme: "bearer" | "dpop";
  token: string | undefined;
}

/** RFC 6750 section 2.1, RFC 9449 section 7.1. Two headers arrive as one text with a comma, and are none. */
function credentialsOf(request: Request, dpop: DpopMode): Credentials {
  const header = request.headers.get("authorization") ?? "";
  const [, scheme = "", token] = /^(Bearer|DPoP) +([\w.~+/-]+=*)$/i.exec(header) ?? [];
  const isDpop = scheme.toLowerCase() === "dpop";
  if (isDpop && dpop === "disabled") return { scheme: "bearer", token: undefined };
  return { scheme: isDpop ? "dpop" : "bearer", token };
}

/** A token and its scheme must agree: a bound token sent as a bearer's was stolen (RFC 9449 section 7.2). */
async function checkBinding(
  request: Request,
  { scheme, token, claims }: { scheme: Credentials["scheme"]; token: string; claims: AccessTokenClaims },
  { dpop, proofs, origin }: { dpop: DpopMode; proofs: DpopChecker | undefined; origin: string },
): Promise<void> {
  const { cnf } = claims.payload;
  if (cnf === undefined) {
    if (scheme === "dpop" || dpop === "required") throw invalidToken();
    return;
  }
  const thumbprint = isObject(cnf) && Object.keys(cnf).length === 1 ? cnf["jkt"] : undefined;
  if (scheme !== "dpop" || !proofs || typeof thumbprint !== "string") throw invalidToken();
  const { method, headers } = request;
  const url = origin + new URL(request.url).pathname;
  await proofs.check({ method, url, proof: headers.get("dpop"), accessToken: token, thumbprint });
}

function checkScopes(claims: AccessTokenClaims, { scopes = [], anyScope = [] }: TokenNeeds): void {
  const has = (scope: string) => claims.scopes.includes(scope);
  if (scopes.every(has) && (anyScope.length === 0 || anyScope.some(has))) return;
  const needed = [...scopes.filter((scope) => !has(scope)), ...(anyScope.some(has) ? [] : anyScope)];
  const message = `The token lacks the scope ${needed.join(" ")}.`;
  throw new BehalfError("token.insufficient_scope", message, { status: 403 });
}

/** RFC 9728 section 3.1: the well-known part stands between host and path. */
function metadataUrl(audience: string): string | undefined {
  if (!/^https?:/.test(audience) || !URL.canParse(audience)) return undefined;
  const { origin, pathname } = new URL(audience);
  return `${origin}/.well-known/oauth-protected-resource${pathname === "/" ? "" : pathname}`;
}
