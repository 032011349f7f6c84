import type { HonoContextLike } from "../app/hono.ts";
import type { AccessTokenClaims } from "./access-token.ts";
import type { ApiGuard, TokenNeeds } from "./guard.ts";

/** An API's guard for Hono, of version 4. */
export interface HonoGuard {
  /** Middleware: lets requests with a good token on; see `ApiGuard.authorize`. */
  requireToken(
    needs?: TokenNeeds,
  ): (context: HonoContextLike, next: () => Promise<void>) => Promise<Response | undefined>;
  /** The claims that `requireToken` found for this request. */
  claimsOf(context: HonoContextLike): AccessTokenClaims;
  /** For `/.well-known/oauth-protected-resource`. */
  protectedResourceMetadata(context: HonoContextLike): Response;
}

export function honoGuard(guard: ApiGuard): HonoGuard {
  const found = new WeakMap<Request, AccessTokenClaims>();
  return {
    requireToken: (needs) => async (context, next) => {
      const claims = await guard.authorize(context.req.raw, needs);
      if (claims instanceof Response) return claims;
      found.set(context.req.raw, claims);
      await next();
      return undefined;
    },
    claimsOf(context) {
      const claims = found.get(context.req.raw);
      if (!claims) throw new TypeError("claimsOf is for routes behind requireToken");
      return claims;
    },
    protectedResourceMetadata: () => guard.protectedResourceMetadata(),
  };
}
