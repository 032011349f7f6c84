import { hash, timingSafeEqual } from "node:crypto";
import { ApiError } from "../http/errors.ts";
import { reveal, type Secret } from "../lib/secret.ts";
import type { RequireToken } from "../oauth/index.ts";
import { fgaError } from "./errors.ts";

/**
 * Lets a request in whose `Authorization` carries a preshared key or an access token of ours for the FGA API;
 * answers at once for a key. @throws FgaApiError `bearer_token_missing`, `unauthenticated`, `forbidden`
 */
export type Authenticate = (authorization: string | undefined) => Promise<void> | undefined;

const BEARER = /^Bearer +([^\s]+)$/i;

/** @see DESIGN section 7; OpenFGA's `preshared` and `oidc` methods */
export function createAuthenticate(deps: {
  presharedKeys: readonly Secret[];
  requireToken: RequireToken;
  audience: string;
}): Authenticate {
  const digests = deps.presharedKeys.map((key) => digestOf(reveal(key)));

  /** Every digest is compared, so that time does not tell which key was nearly right. */
  function isPreshared(token: string): boolean {
    const digest = digestOf(token);
    let found = false;
    for (const known of digests) found = timingSafeEqual(digest, known) || found;
    return found;
  }

  async function requireClient(authorization: string): Promise<void> {
    try {
      const request = new Request(deps.audience, { headers: { authorization } });
      const token = await deps.requireToken(request, { audience: deps.audience, scopes: [] });
      // Whoever may call this API may change who may do what; a token that a user handed to an app must not.
      if (token.userId !== undefined)
        throw fgaError("forbidden", undefined, "the token stands for a user; use client credentials");
    } catch (error) {
      if (!ApiError.is(error)) throw error;
      throw fgaError("unauthenticated", undefined, error.reason ?? error.code);
    }
  }

  return (authorization) => {
    if (!authorization) throw fgaError("bearer_token_missing");
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) throw fgaError("unauthenticated", undefined, "not a bearer token");
    return isPreshared(token) ? undefined : requireClient(authorization);
  };
}

function digestOf(value: string): Buffer {
  return hash("sha256", value, "buffer");
}
