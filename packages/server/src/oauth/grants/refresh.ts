import type { Account, Grant, Provider, RefreshToken } from "oidc-provider";
import { errors } from "oidc-provider";
import { assert } from "../../lib/assert.ts";
import type { Organizations } from "../../organizations/index.ts";
import type { AuthorizationClaims } from "../authorization-claims.ts";
import { shownThumbprint } from "../certificate-binding.ts";
import type { ClientRegistry, StoredClient } from "../clients.ts";
import { type GrantContext, grantTools, issueIdToken, revokeGrant } from "../internals.ts";
import type { Resource, Resources } from "../resources.ts";
import type { Rotation } from "../rotation.ts";
import type { DemandSecondFactor } from "../second-factor-demand.ts";
import { OIDC_SCOPES } from "../token-claims.ts";

export const parameters: readonly string[] = ["refresh_token", "scope", "resource", "organization"];

/** How the core marks what came of a backchannel request. */
const APPROVED = "ciba";

/** What the refresh grant needs. */
export interface RefreshGrantDeps {
  readonly provider: Provider;
  readonly clients: ClientRegistry;
  readonly resources: Resources;
  readonly rotation: Rotation;
  readonly organizations: Organizations;
  readonly claims: AuthorizationClaims;
  readonly demandSecondFactor: DemandSecondFactor;
  /** Called when a used token came back too late; its whole family is dead by then. */
  readonly onReuse: (token: { clientId: string; userId: string }) => Promise<void>;
}

/**
 * Refresh with three differences to the stock grant: one winner among parallel callers, a retry of a lost
 * answer that works, and tokens for other APIs of the same first-party client (`audience` or `resource`).
 * @see RFC 6749 section 6, RFC 9700 section 4.14
 */
export function refreshGrant(deps: RefreshGrantDeps): (ctx: GrantContext) => Promise<void> {
  const { provider, clients } = deps;
  return async (ctx) => {
    const client = await clients.find(ctx.oidc.client.clientId);
    assert(client, "an authenticated client exists");
    const presented = ctx.oidc.params["refresh_token"];
    if (typeof presented !== "string" || presented === "")
      throw new errors.InvalidRequest("missing refresh_token");

    const proof = await grantTools.validateDpop(provider, ctx);
    const found = await findToken(provider, presented, client);
    grantTools.checkDpopRequired(provider, ctx, proof);
    const cert = grantTools.checkMtlsCert(provider, ctx);
    if (found["x5t#S256"] && found["x5t#S256"] !== shownThumbprint())
      throw new errors.InvalidGrant("failed x5t#S256 verification");
    if (found.jkt && found.jkt !== proof?.thumbprint)
      throw new errors.InvalidGrant("failed jkt verification");
    await grantTools.checkDpopReplay(provider, ctx, proof, client.id, errors.InvalidGrant);
    const grant = await grantTools.validateGrant(provider, ctx, found.grantId ?? "");
    const account = await grantTools.findAccount(provider, ctx, found.accountId, found);
    if (!account || account.accountId !== grant.accountId)
      throw new errors.InvalidGrant("account is invalid");
    ctx.oidc.entity("Grant", grant);
    ctx.oidc.entity("Account", account);

    await checkOrganization(deps.organizations, ctx, found);
    const target = await permittedTarget(
      deps.claims,
      found,
      resolveTarget(deps.resources, ctx, found, client),
    );
    if (target.resource) {
      // A used token that comes back ends its family before anything is asked of its user.
      if (found.consumed) await followSuccessor(deps, ctx, found, await deps.rotation.successorOf(presented));
      const kept = found.scopes.has("offline_access") ? ["offline_access"] : [];
      const scopes = [...new Set([...target.oidcScopes, ...kept, ...target.scopes])];
      await deps.demandSecondFactor(ctx, target.resource, found, scopes);
    }
    const { token, value } = await rotateIfNeeded(deps, ctx, found, presented, client);
    ctx.oidc.entity("RefreshToken", token);
    await issue(provider, ctx, { token, value, grant, account, target, cert, thumbprint: proof?.thumbprint });
  };
}

async function findToken(provider: Provider, presented: string, client: StoredClient): Promise<RefreshToken> {
  const found = await provider.RefreshToken.find(presented, { ignoreExpiration: true });
  if (!found) throw new errors.InvalidGrant("refresh token not found");
  if (found.clientId !== client.id) throw new errors.InvalidGrant("client mismatch");
  if (found.isExpired) throw new errors.InvalidGrant("refresh token is expired");
  return found;
}

/** Which API the new access token is for, and which scopes it carries. */
interface Target {
  readonly resource: Resource | undefined;
  readonly scopes: readonly string[];
  readonly oidcScopes: readonly string[];
}

/** Never more than was granted, except another API that the client's own policy already opens to it. */
function resolveTarget(
  resources: Resources,
  ctx: GrantContext,
  token: RefreshToken,
  client: StoredClient,
): Target {
  const asked = ctx.oidc.params["scope"];
  const wanted = typeof asked === "string" && asked !== "" ? asked.split(" ") : undefined;
  const granted = [...token.scopes];
  const requested = ctx.oidc.params["resource"];
  if (Array.isArray(requested)) throw new errors.InvalidTarget("ask for one audience at a time");
  const grantedAudiences = [token.resource ?? []].flat();
  const audience = requested ?? grantedAudiences[0];
  const wider = wanted?.filter((scope) => !granted.includes(scope)) ?? [];

  if (typeof audience !== "string") {
    if (wider.length > 0)
      throw new errors.InvalidScope("refresh token missing requested scope", wider.join(" "));
    return { resource: undefined, scopes: [], oidcScopes: wanted ?? granted };
  }
  const resource = resources.find(audience);
  const allowed = resource?.scopesFor(client);
  if (!resource || !allowed) throw new errors.InvalidTarget("the client may not ask for this audience");
  const oidcScopes = (wanted ?? granted).filter(
    (scope) => granted.includes(scope) && !(scope in resource.scopes),
  );
  const isGranted = grantedAudiences.some((name) => resources.find(name) === resource);
  // A token that came of one approval stands for what was approved, not for a login.
  if (!client.firstParty || token.gty?.startsWith(APPROVED)) {
    if (!isGranted) throw new errors.InvalidTarget("the user has not granted access to this audience");
    if (wider.length > 0)
      throw new errors.InvalidScope("refresh token missing requested scope", wider.join(" "));
    return { resource, oidcScopes, scopes: (wanted ?? granted).filter((scope) => allowed.includes(scope)) };
  }
  const all = isGranted ? granted : allowed;
  return { resource, oidcScopes, scopes: (wanted ?? all).filter((scope) => allowed.includes(scope)) };
}

/** A token stands for the organization it was made in, and may be asked for no other. */
async function checkOrganization(
  organizations: Organizations,
  ctx: GrantContext,
  token: RefreshToken,
): Promise<void> {
  const asked = ctx.oidc.params["organization"];
  if (typeof asked !== "string" || asked === "") return;
  const own = await organizations.organizationOfGrant(token.grantId ?? "");
  if (own === undefined || (await organizations.find(asked))?.id !== own)
    throw new errors.InvalidGrant("the refresh token is not for this organization");
}

/** Roles are read again at each refresh. */
async function permittedTarget(
  claims: AuthorizationClaims,
  token: RefreshToken,
  target: Target,
): Promise<Target> {
  if (!target.resource) return target;
  const of = { userId: token.accountId, grantId: token.grantId };
  return { ...target, scopes: await claims.permitted(of, target.resource, target.scopes) };
}

async function rotateIfNeeded(
  deps: RefreshGrantDeps,
  ctx: GrantContext,
  found: RefreshToken,
  presented: string,
  client: StoredClient,
): Promise<{ token: RefreshToken; value: string }> {
  if (found.consumed) return followSuccessor(deps, ctx, found, await deps.rotation.successorOf(presented));
  if (!client.rotateRefreshTokens) return { token: found, value: presented };

  const next = successorToken(deps.provider, ctx, found);
  const value = await next.save();
  const result = await deps.rotation.rotate(presented, value);
  if (result.outcome === "rotated") return { token: next, value };
  // Somebody else's successor counts; ours was never told to anybody.
  await next.destroy();
  return followSuccessor(deps, ctx, found, result.outcome === "repeated" ? result.successor : undefined);
}

/** A repeat gets the same successor, unless that one was used too: then a copy of the token is about. */
async function followSuccessor(
  deps: RefreshGrantDeps,
  ctx: GrantContext,
  used: RefreshToken,
  successor: string | undefined,
): Promise<{ token: RefreshToken; value: string }> {
  const token = successor === undefined ? undefined : await deps.provider.RefreshToken.find(successor);
  if (successor !== undefined && token && !token.consumed) return { token, value: successor };
  await revokeGrant(ctx, used.grantId ?? "");
  await deps.onReuse({ clientId: used.clientId ?? "", userId: used.accountId });
  throw new errors.InvalidGrant("refresh token already used");
}

function successorToken(provider: Provider, ctx: GrantContext, old: RefreshToken): RefreshToken {
  const { accountId, acr, amr, authTime, claims, expiresWithSession, iiat, grantId, gty, nonce, resource } =
    old;
  const { rotations, scope, sessionUid, sid, rar, jkt, "x5t#S256": x5t } = old;
  // The core's constructor takes the members it stores; its type asks for all of them.
  const members = {
    accountId,
    acr,
    amr,
    authTime,
    claims,
    client: ctx.oidc.client,
    expiresWithSession,
    iiat,
    grantId,
    gty,
    nonce,
    resource,
    rotations: (rotations ?? 0) + 1,
    scope,
    sessionUid,
    sid,
    rar,
    jkt,
    "x5t#S256": x5t,
  } as unknown as ConstructorParameters<Provider["RefreshToken"]>[0];
  return new provider.RefreshToken(members);
}

async function issue(
  provider: Provider,
  ctx: GrantContext,
  parts: {
    token: RefreshToken;
    value: string;
    grant: Grant;
    account: Account;
    target: Target;
    thumbprint: string | undefined;
    cert: ReturnType<typeof grantTools.checkMtlsCert>;
  },
): Promise<void> {
  const { token, grant, account, target } = parts;
  const { resource } = target;
  // As above: the members that are stored.
  const accessToken = new provider.AccessToken({
    accountId: account.accountId,
    client: ctx.oidc.client,
    expiresWithSession: token.expiresWithSession,
    grantId: token.grantId,
    gty: `${token.gty} refresh_token`,
    sessionUid: token.sessionUid,
    sid: token.sid,
  } as unknown as ConstructorParameters<Provider["AccessToken"]>[0]);
  if (parts.cert) accessToken.setThumbprint("x5t", parts.cert);
  if (parts.thumbprint) accessToken.setThumbprint("jkt", parts.thumbprint);
  if (resource) {
    accessToken.resourceServer = new provider.ResourceServer(resource.audience, toCoreResource(resource));
    accessToken.scope = target.scopes.join(" ");
  } else {
    accessToken.claims = token.claims;
    accessToken.scope = grant.getOIDCScopeFiltered(new Set(target.oidcScopes));
  }
  ctx.state[OIDC_SCOPES] = target.oidcScopes;
  ctx.oidc.entity("AccessToken", accessToken);
  const value = await accessToken.save();
  // No authorization request waits for this one; strict clients refuse a nonce that they did not send.
  // @see OpenID Connect Core section 12.2
  const withoutNonce: RefreshToken = Object.create(token, { nonce: { value: undefined } });
  const oidcScopes = new Set(target.oidcScopes);
  const idToken = await issueIdToken(provider, ctx, withoutNonce, accessToken, grant, oidcScopes);
  ctx.body = grantTools.buildTokenResponse(provider, {
    accessToken: value,
    expiresIn: accessToken.expiration,
    idToken,
    refreshToken: parts.value,
    scope: [...new Set([...target.oidcScopes, ...target.scopes])].join(" "),
    tokenType: accessToken.tokenType,
  });
}

/** An API as the core wants it. */
export function toCoreResource(resource: Resource, scopes: readonly string[] = Object.keys(resource.scopes)) {
  return {
    scope: scopes.join(" "),
    audience: resource.audience,
    accessTokenTTL: resource.accessTokenTtlSeconds,
    accessTokenFormat: "jwt" as const,
    jwt: { sign: { alg: resource.signingAlgorithm } },
  };
}
