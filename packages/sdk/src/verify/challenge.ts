import type { BehalfError } from "../errors.ts";
import { type DpopMode, PROOF_ALGORITHMS } from "./dpop.ts";

/** What a refusal says about how to come back. */
export interface Challenge {
  dpop: DpopMode;
  resourceMetadata: string | undefined;
}

/** The error of RFC 6750 section 3.1 and RFC 9449 section 12.2; a request without a token has made none. */
const WIRE_ERRORS: Readonly<Record<string, string>> = {
  "token.invalid": "invalid_token",
  "token.expired": "invalid_token",
  "token.revoked": "invalid_token",
  "token.replayed": "invalid_token",
  "token.insufficient_scope": "insufficient_scope",
  "token.proof_invalid": "invalid_dpop_proof",
  "token.proof_nonce": "use_dpop_nonce",
};

/** 401 or 403 with a challenge; anything that is not the token's fault is 503. */
export function refusal(
  error: BehalfError,
  challenge: Challenge,
  needs: { scopes?: readonly string[]; anyScope?: readonly string[] },
  nonce: string | undefined,
): Response {
  const headers = new Headers({ "cache-control": "no-store" });
  const body = { code: error.code, message: error.message };
  if (!error.code.startsWith("token.")) return Response.json(body, { status: 503, headers });
  for (const value of challenges(error, challenge, needs)) headers.append("www-authenticate", value);
  if (nonce) headers.set("dpop-nonce", nonce);
  return Response.json(body, { status: error.status ?? 401, headers });
}

function challenges(
  error: BehalfError,
  { dpop, resourceMetadata }: Challenge,
  { scopes = [], anyScope = [] }: { scopes?: readonly string[]; anyScope?: readonly string[] },
): string[] {
  const wireError = WIRE_ERRORS[error.code];
  const scope = [...scopes, ...anyScope].join(" ");
  const common = {
    ...(wireError ? { error: wireError, error_description: error.message } : {}),
    ...(scope ? { scope } : {}),
    ...(resourceMetadata ? { resource_metadata: resourceMetadata } : {}),
  };
  const bearer = challengeOf("Bearer", common);
  const proof = challengeOf("DPoP", { ...common, algs: PROOF_ALGORITHMS.join(" ") });
  if (dpop === "disabled") return [bearer];
  return dpop === "required" ? [proof] : [bearer, proof];
}

function challengeOf(scheme: string, parameters: Record<string, string>): string {
  const list = Object.entries(parameters).map(([name, value]) => `${name}="${quoted(value)}"`);
  return list.length > 0 ? `${scheme} ${list.join(", ")}` : scheme;
}

/** RFC 6750 section 3: no quotes, backslashes or anything that is not printable ASCII. */
function quoted(value: string): string {
  return value.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "");
}
