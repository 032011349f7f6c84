import { type NodeRequest, type NodeResponse, sendWebResponse, webRequestHead } from "../app/node.ts";
import type { AccessTokenClaims } from "./access-token.ts";
import type { ApiGuard, TokenNeeds } from "./guard.ts";

type Next = (error?: unknown) => void;

/** An API's guard for Express, of version 4 and 5. */
export interface ExpressGuard {
  /** Middleware: lets requests with a good token on; see `ApiGuard.authorize`. */
  requireToken(
    needs?: TokenNeeds,
  ): (request: NodeRequest, response: NodeResponse, next: Next) => Promise<void>;
  /** The claims that `requireToken` found for the request of this response. */
  claimsOf(response: NodeResponse): AccessTokenClaims;
  /** For `/.well-known/oauth-protected-resource`. */
  protectedResourceMetadata(request: NodeRequest, response: NodeResponse): Promise<void>;
}

export function expressGuard(guard: ApiGuard): ExpressGuard {
  const found = new WeakMap<NodeResponse, AccessTokenClaims>();
  return {
    requireToken: (needs) => async (request, response, next) => {
      try {
        const claims = await guard.authorize(webRequestHead(request, guard.origin), needs);
        if (claims instanceof Response) return await sendWebResponse(claims, response);
        found.set(response, claims);
      } catch (error) {
        return next(error); // Express 4 does not look at what a middleware's promise became
      }
      next();
    },
    claimsOf(response) {
      const claims = found.get(response);
      if (!claims) throw new TypeError("claimsOf is for routes behind requireToken");
      return claims;
    },
    protectedResourceMetadata: (_request, response) =>
      sendWebResponse(guard.protectedResourceMetadata(), response),
  };
}
