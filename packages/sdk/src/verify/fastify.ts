import { type FastifyReplyLike, type FastifyRequestLike, sendToFastify } from "../app/fastify.ts";
import { webRequest } from "../app/node.ts";
import type { AccessTokenClaims } from "./access-token.ts";
import type { ApiGuard, TokenNeeds } from "./guard.ts";

type Handler = (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown>;

/** An API's guard for Fastify, of version 5. */
export interface FastifyGuard {
  /** A `preHandler`: lets requests with a good token on; see `ApiGuard.authorize`. */
  requireToken(needs?: TokenNeeds): Handler;
  /** The claims that `requireToken` found for this request. */
  claimsOf(request: FastifyRequestLike): AccessTokenClaims;
  /** For `/.well-known/oauth-protected-resource`. */
  protectedResourceMetadata: Handler;
}

export function fastifyGuard(guard: ApiGuard): FastifyGuard {
  const found = new WeakMap<FastifyRequestLike, AccessTokenClaims>();
  return {
    requireToken: (needs) => async (request, reply) => {
      const { method, originalUrl: path, headers } = request;
      const claims = await guard.authorize(webRequest({ method, path, headers }, guard.origin), needs);
      if (claims instanceof Response) return sendToFastify(claims, reply);
      found.set(request, claims);
      return undefined;
    },
    claimsOf(request) {
      const claims = found.get(request);
      if (!claims) throw new TypeError("claimsOf is for routes behind the preHandler requireToken");
      return claims;
    },
    protectedResourceMetadata: (_request, reply) => sendToFastify(guard.protectedResourceMetadata(), reply),
  };
}
