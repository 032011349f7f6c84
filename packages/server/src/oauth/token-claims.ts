import type { AccessToken, ClientCredentials, KoaContextWithOIDC } from "oidc-provider";
import { sessionRef } from "./liveness.ts";

/** The audience that opens `/userinfo`, beside the API's own. */
export const userinfoAudience = (issuer: string) => `${issuer}userinfo`;

/** Where the refresh grant leaves the OpenID scopes of this answer, which may be fewer than were granted. */
export const OIDC_SCOPES = "oidcScopes";

/** How the core marks what came of a backchannel request. */
const APPROVED = "ciba";

/**
 * What a signed access token carries beyond the core's claims. `grant_id` and `session_ref` name what it was
 * issued under, so that it ends with that. When the user logged in with `openid`, the token opens `/userinfo`
 * too, as published SDKs expect: `aud` then names both, and `scope` has the OpenID scopes. A token that came of
 * an approval stands for what was approved, and for nothing beside it.
 * @see RFC 9068 section 2.2
 */
export function addClaims(
  issuer: string,
  ctx: KoaContextWithOIDC,
  token: AccessToken | ClientCredentials,
  claims: Record<string, unknown>,
): void {
  if (token.kind !== "AccessToken" || !("grantId" in token) || token.grantId === undefined) return;
  claims["grant_id"] = token.grantId;
  if (token.expiresWithSession && token.sid) claims["session_ref"] = sessionRef(token.sid);
  if (token.gty?.startsWith(APPROVED)) return;
  const scopes = oidcScopesOf(ctx);
  if (!scopes.includes("openid")) return;
  claims["aud"] = [claims["aud"], userinfoAudience(issuer)];
  claims["scope"] = [...scopes, ...(token.scope ? [token.scope] : [])].join(" ");
}

function oidcScopesOf(ctx: KoaContextWithOIDC): readonly string[] {
  const { AuthorizationCode, DeviceCode, RefreshToken, Grant } = ctx.oidc.entities;
  // Set by the refresh grant.
  const narrowed = ctx.state[OIDC_SCOPES] as readonly string[] | undefined;
  const asked = narrowed ?? [...((AuthorizationCode ?? DeviceCode ?? RefreshToken)?.scopes ?? [])];
  return Grant?.getOIDCScopeFiltered(new Set(asked)).split(" ").filter(Boolean) ?? [];
}

/**
 * Whether `aud` is exactly this audience, or it and `/userinfo`: a token that names any other API beside is
 * not one of ours.
 */
export function isForAudience(aud: unknown, audience: string, issuer: string): boolean {
  if (typeof aud === "string") return aud === audience;
  return Array.isArray(aud) && aud.length === 2 && aud[0] === audience && aud[1] === userinfoAudience(issuer);
}
