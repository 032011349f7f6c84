import {
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
} from "jose";
import type { ProviderEndpoints } from "../../../http/discovery.ts";
import { type Egress, EgressError } from "../../../http/egress.ts";
import type { Clock } from "../../../lib/clock.ts";
import { reveal, type Secret } from "../../../lib/secret.ts";
import { accessTokenHash } from "./at-hash.ts";

/** What a provider signed about a person who logged in there. Whatever is not a string of good length is left out. */
export interface IdTokenClaims {
  readonly sub: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Why an ID token is not believed; for the log alone. */
export class IdTokenError extends Error {
  override readonly name = "IdTokenError";
}

/** Signatures that need a key of the provider's. Never `none`, and never a shared secret. */
const ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];
const CLOCK_SKEW_SECONDS = 60;
/** It was made for this log-in, a moment ago. */
const MAX_AGE_SECONDS = 600;
const MAX_TOKEN_LENGTH = 32_768;
const MAX_SUB_LENGTH = 255;
const MAX_KEYS = 100;
const KEYS_TTL_MS = 15 * 60_000;
/** A token with an unknown key asks for the keys again, but not each one that somebody invents. */
const KEYS_RETRY_MS = 30_000;

/** @see createIdTokens */
export type IdTokens = ReturnType<typeof createIdTokens>;

/** Believes ID tokens, or says why not. Providers' keys are kept for a quarter of an hour. */
export function createIdTokens(deps: { egress: Egress; clock: Clock }) {
  const { egress, clock } = deps;
  const cache = new Map<string, { at: number; keys: Promise<JSONWebKeySet> }>();

  async function fetchKeys(uri: string): Promise<JSONWebKeySet> {
    const response = await egress.fetch(uri);
    if (response.status !== 200) throw new IdTokenError(`the keys answer ${response.status}`);
    const body: unknown = await response.json().catch(() => undefined);
    const keys =
      typeof body === "object" && body !== null && "keys" in body && Array.isArray(body.keys)
        ? body.keys
        : [];
    if (keys.length === 0 || keys.length > MAX_KEYS) throw new IdTokenError("the keys are no key set");
    // A shared secret in a public document is nobody's proof.
    return { keys: keys.filter((key) => typeof key === "object" && key !== null && key.kty !== "oct") };
  }

  function keysOf(uri: string, olderThanMs: number): Promise<JSONWebKeySet> {
    const kept = cache.get(uri);
    if (kept && clock.now() - kept.at < olderThanMs) return kept.keys;
    const entry = { at: clock.now(), keys: fetchKeys(uri) };
    cache.set(uri, entry);
    entry.keys.catch(() => {
      if (cache.get(uri) === entry) cache.delete(uri);
    });
    return entry.keys;
  }

  /**
   * @see OpenID Connect Core section 3.1.3.7
   * @throws IdTokenError, EgressError
   */
  return async function verify(
    token: Secret,
    expected: {
      readonly endpoints: ProviderEndpoints;
      readonly clientId: string;
      readonly nonce: string;
      readonly accessToken: Secret;
    },
  ): Promise<IdTokenClaims> {
    const { endpoints, clientId } = expected;
    const text = reveal(token);
    const { jwksUri, issuer } = endpoints;
    if (jwksUri === undefined || issuer === undefined) throw new IdTokenError("the provider has no keys");
    if (text.length > MAX_TOKEN_LENGTH) throw new IdTokenError("too long");
    const algorithms = ALGORITHMS.filter((name) => endpoints.idTokenAlgorithms.includes(name));
    const check = async (keys: JSONWebKeySet) =>
      jwtVerify(text, createLocalJWKSet(keys), {
        algorithms,
        issuer,
        audience: clientId,
        requiredClaims: ["sub", "iat", "exp", "nonce"],
        clockTolerance: CLOCK_SKEW_SECONDS,
        maxTokenAge: MAX_AGE_SECONDS,
        currentDate: new Date(clock.now()),
      });
    try {
      const { payload } = await check(await keysOf(jwksUri, KEYS_TTL_MS)).catch(async (error: unknown) => {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        return check(await keysOf(jwksUri, KEYS_RETRY_MS));
      });
      checkClaims(payload, expected, decodeProtectedHeader(text).alg);
      return { sub: payload.sub ?? "", claims: payload };
    } catch (error) {
      if (error instanceof EgressError || error instanceof IdTokenError) throw error;
      const code = error instanceof errors.JOSEError ? error.code : "unreadable";
      const claim = error instanceof errors.JWTClaimValidationFailed ? ` ${error.claim}` : "";
      throw new IdTokenError(`${code}${claim}`);
    }
  };
}

/** What is left once signature, issuer and times are right. */
function checkClaims(
  payload: JWTPayload,
  expected: { clientId: string; nonce: string; accessToken: Secret },
  alg: string | undefined,
): void {
  const { sub, aud, nonce } = payload;
  const problems: readonly [boolean, string][] = [
    [typeof sub !== "string" || !/^[\x20-\x7e]+$/.test(sub) || sub.length > MAX_SUB_LENGTH, "sub"],
    // One audience: a token that is good elsewhere too was not made for this log-in.
    [Array.isArray(aud) && aud.length !== 1, "aud has others"],
    [payload["azp"] !== undefined && payload["azp"] !== expected.clientId, "azp"],
    [nonce !== expected.nonce, "nonce"],
    [
      payload["at_hash"] !== undefined &&
        payload["at_hash"] !== accessTokenHash(reveal(expected.accessToken), alg ?? ""),
      "at_hash",
    ],
  ];
  const failed = problems.find(([wrong]) => wrong);
  if (failed) throw new IdTokenError(failed[1]);
}
