import type { KoaContextWithOIDC, Provider } from "oidc-provider";
import { revokeGrant } from "./internals.ts";

/**
 * Ends a code that another client presents: whoever else holds it, it is in the wrong hands now, and its own
 * client asks again. One that was redeemed before takes what it brought with it, as when it is replayed.
 * @see RFC 6749 section 4.1.2, RFC 9700 section 4.5
 */
export function endStolenCodes(provider: Provider) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next();
    if (ctx.oidc?.route !== "token" || ctx.status !== 400) return;
    const { client, params } = ctx.oidc;
    if (!client || params?.["grant_type"] !== "authorization_code") return;
    const presented = params["code"];
    if (typeof presented !== "string" || presented === "") return;
    const code = await provider.AuthorizationCode.find(presented, { ignoreExpiration: true });
    if (!code || code.clientId === client.clientId) return;
    // Set when it has been redeemed; the core publishes no type for it.
    const { consumed } = code as { consumed?: number };
    if (consumed !== undefined && code.grantId) await revokeGrant(ctx, code.grantId);
    else await code.destroy();
  };
}
