import type { JWTPayload } from "jose";
import type { KoaContextWithOIDC } from "oidc-provider";
import type { ApiConfig } from "../config.ts";
import type { KeptToken, Liveness } from "./liveness.ts";
import type { SignedTokens } from "./signed-tokens.ts";

/** Answers about tokens, to those they concern alone. */
export interface Introspection {
  /** Whether the core may tell `clientId` of a token that it keeps. */
  mayTell(
    clientId: string,
    token: KeptToken & { readonly aud?: string | readonly string[] | undefined },
  ): Promise<boolean>;
  /** Answers a request about a signed token, which the core does not know, once it has authenticated the client. */
  answerSigned(ctx: KoaContextWithOIDC): Promise<void>;
}

const INACTIVE = { active: false };

/**
 * A client learns of its own tokens and of those that name an API it was declared to belong to; of all others it
 * learns that they are not active, as of what is no token.
 * @see RFC 7662
 */
export function createIntrospection(deps: {
  apis: readonly ApiConfig[];
  signedTokens: SignedTokens;
  liveness: Liveness;
}): Introspection {
  const { signedTokens, liveness } = deps;

  function concerns(clientId: string, owner: unknown, aud: unknown): boolean {
    if (owner === clientId) return true;
    const audiences = [aud].flat();
    return deps.apis.some(
      (api) => audiences.includes(api.audience) && api.introspectionClients.includes(clientId),
    );
  }

  async function describe(clientId: string, token: string): Promise<object> {
    const claims = await signedTokens.read(token);
    if (!claims || !concerns(clientId, claims["client_id"], claims.aud)) return INACTIVE;
    return (await liveness.endOfSigned(claims)) === undefined ? answerOf(claims) : INACTIVE;
  }

  return {
    async mayTell(clientId, token) {
      if (!concerns(clientId, token.clientId ?? "", token.aud)) return false;
      return (await liveness.endOfKept(token)) === undefined;
    },
    async answerSigned(ctx) {
      ctx.body = await describe(ctx.oidc.client?.clientId ?? "", String(ctx.oidc.params?.["token"]));
      ctx.status = 200;
    },
  };
}

/** Every claim but those that only we read. */
function answerOf({ grant_id: _grant, session_ref: _session, ...claims }: JWTPayload): object {
  const cnf = claims["cnf"];
  const isBound = typeof cnf === "object" && cnf !== null && "jkt" in cnf;
  return { active: true, ...claims, token_type: isBound ? "DPoP" : "Bearer" };
}
