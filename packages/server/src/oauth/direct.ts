import type { AuthorizationCode, Grant, Provider } from "oidc-provider";
import { errors } from "oidc-provider";
import { assert } from "../lib/assert.ts";
import type { Organization, Organizations } from "../organizations/index.ts";
import type { ClientRegistry, StoredClient } from "./clients.ts";
import type { DirectGrant, DirectProof, DirectRefusal } from "./index.ts";
import { type GrantContext, grantTools, issueFromSource } from "./internals.ts";
import type { Resource, Resources } from "./resources.ts";

/** What every direct grant may say of the tokens it wants. */
const TARGET_PARAMETERS = ["scope", "resource", "organization"];
/** Scopes that belong to no API. */
const OIDC_SCOPES = ["openid", "profile", "email", "offline_access"];

export interface DirectDeps {
  readonly provider: Provider;
  readonly clients: ClientRegistry;
  readonly resources: Resources;
  readonly organizations: Pick<Organizations, "find" | "membershipOf" | "allowedConnections" | "bindGrant">;
}

/**
 * Makes the core answer grants in which a user proves who they are to the app itself, without a browser redirect:
 * a passkey, a code by mail, a second factor, a password. The slice that brings a `DirectGrant` judges the proof
 * and nothing else. Here, in this order:
 *
 * 1. the core authenticates the client (public clients too) and refuses one whose `grantTypes` lack the grant's name;
 * 2. a client that needs consent is refused (`unauthorized_client`), as there is no page to ask on;
 * 3. a DPoP proof and the audience are checked, so that a request that must fail spends no proof;
 * 4. `prove()` uses the proof up and says whose it was, or refuses;
 * 5. the user must be a member of the `organization` asked for, by a connection that it takes (`access_denied`);
 * 6. ID token (scope `openid`), access token (for `audience`) and refresh token (scope `offline_access`, a client
 *    with `refresh_token`) are issued as after a code, with the proof's `amr`, `acr` and time. Scopes that the client
 *    may not have are left out and the answer's `scope` says which remain.
 *
 * A user who was switched off gets `invalid_grant`. The audit names the grant type.
 * To add one: a name in `grantTypes` of `config-schema.ts`, its grant type in `CORE_GRANT_TYPES` of `clients.ts`, and
 * a line in `createSlices` of `main.ts` (`oauth.addDirectGrants`).
 */
export function addDirectGrants(deps: DirectDeps, grants: readonly DirectGrant[]): void {
  for (const grant of grants)
    deps.provider.registerGrantType(grant.grantType, directGrant(deps, grant), [
      ...grant.parameters,
      ...TARGET_PARAMETERS,
    ]);
}

function directGrant(deps: DirectDeps, grant: DirectGrant): (ctx: GrantContext) => Promise<void> {
  const { provider, clients, resources } = deps;
  const issue = issueFromSource(provider);

  return async (ctx) => {
    const client = await clients.find(ctx.oidc.client.clientId);
    assert(client, "an authenticated client exists");
    if (!client.firstParty) throw new errors.UnauthorizedClient("this grant is for first-party clients");
    const dPoP = await grantTools.validateDpop(provider, ctx);
    grantTools.checkDpopRequired(provider, ctx, dPoP);
    const cert = grantTools.checkMtlsCert(provider, ctx);
    const asked = resolveTarget(resources, ctx, client);

    checkOrganizationParameter(ctx, client);
    const answer = await grant.prove({ client, params: paramsOf(ctx, grant) });
    if ("error" in answer) throw refusal(ctx, answer);
    const target = answer.target ? resolveTarget(resources, withTarget(ctx, answer.target), client) : asked;
    const organization = await enterOrganization(deps, ctx, answer);
    const { stored, source } = await makeSource(provider, ctx, answer, target);
    // Before any token comes of it: claims and roles are those of the organization.
    if (organization) await deps.organizations.bindGrant(stored.jti, organization.id, answer.userId);
    await issue(ctx, source, stored, { gty: grant.name, entityLabel: "proof", cert, dPoP });
    Object.assign(ctx.body as object, answer.members);
  };
}

function withTarget(
  ctx: GrantContext,
  { audience, scope }: NonNullable<DirectProof["target"]>,
): GrantContext {
  Object.assign(ctx.oidc.params, { resource: audience, scope, organization: undefined });
  return ctx;
}

function checkOrganizationParameter({ oidc }: GrantContext, client: StoredClient): void {
  const asked = oidc.params["organization"];
  if (asked !== undefined && client.organizations === "none")
    throw new errors.InvalidRequest("the client is not set up for organizations");
  if (asked === undefined && client.organizations === "required")
    throw new errors.InvalidRequest("missing required parameter organization");
}

/** Strangers cannot tell an organization that does not exist from one that does not let them in. */
async function enterOrganization(
  { organizations }: DirectDeps,
  ctx: GrantContext,
  { userId, connection }: DirectProof,
): Promise<Organization | undefined> {
  const asked = ctx.oidc.params["organization"];
  if (typeof asked !== "string") return undefined;
  const organization = await organizations.find(asked);
  const member = organization && (await organizations.membershipOf(userId, organization.id));
  const allowed = member && (await organizations.allowedConnections(organization.id));
  const isTaken = !allowed || (connection !== undefined && allowed.has(connection));
  if (organization && member && isTaken) return organization;
  throw refusal(ctx, {
    error: "access_denied",
    description: "the user may not act in this organization",
    status: 403,
  });
}

/** The parameters that the grant named, each a string: the edge has refused everything else. */
function paramsOf(ctx: GrantContext, grant: DirectGrant): Readonly<Record<string, string>> {
  const names = [...grant.parameters, ...TARGET_PARAMETERS];
  return Object.fromEntries(
    names
      .map((name) => [name, ctx.oidc.params[name]] as const)
      .filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** Which API the access token is for, and the scopes that the client may have of those it asked for. */
interface Target {
  readonly resource: Resource | undefined;
  readonly oidcScopes: readonly string[];
  readonly apiScopes: readonly string[];
}

function resolveTarget(resources: Resources, ctx: GrantContext, client: StoredClient): Target {
  const { scope, resource: audience } = ctx.oidc.params;
  const asked = typeof scope === "string" ? scope.split(" ") : [];
  const oidcScopes = OIDC_SCOPES.filter((name) => asked.includes(name));
  if (audience === undefined) return { resource: undefined, oidcScopes, apiScopes: [] };
  const resource = typeof audience === "string" ? resources.find(audience) : undefined;
  const allowed = resource?.scopesFor(client);
  if (!resource || !allowed) throw new errors.InvalidTarget("the client may not ask for this audience");
  // One trailing slash more or less is the same API; the core compares as strings.
  ctx.oidc.params["resource"] = resource.audience;
  return { resource, oidcScopes, apiScopes: allowed.filter((name) => asked.includes(name)) };
}

/** What the core issues tokens from: as a code that was just redeemed, but never stored. */
async function makeSource(
  provider: Provider,
  ctx: GrantContext,
  proof: DirectProof,
  { resource, oidcScopes, apiScopes }: Target,
): Promise<{ stored: Grant; source: AuthorizationCode }> {
  const stored = new provider.Grant({ accountId: proof.userId, clientId: ctx.oidc.client.clientId });
  stored.addOIDCScope(oidcScopes.join(" "));
  if (resource) stored.addResourceScope(resource.audience, apiScopes.join(" "));
  const grantId = await stored.save();
  // The core's constructor takes the members it stores; its type asks for all of them.
  const members = {
    accountId: proof.userId,
    acr: proof.acr,
    amr: [...proof.amr],
    authTime: Math.floor(proof.authenticatedAt / 1_000),
    client: ctx.oidc.client,
    grantId,
    resource: resource?.audience,
    scope: [...oidcScopes, ...apiScopes].join(" "),
  } as unknown as ConstructorParameters<Provider["AuthorizationCode"]>[0];
  const source = new provider.AuthorizationCode(members);
  ctx.oidc.entity("Grant", stored);
  // Where the provider's configuration looks for the grant of what is being redeemed.
  ctx.oidc.entity("AuthorizationCode", source);
  return { stored, source };
}

function refusal(ctx: GrantContext, { error, description, status = 400, members }: DirectRefusal): Error {
  ctx.state["errorMembers"] = members;
  return Object.assign(new errors.CustomOIDCProviderError(error, description), {
    status,
    statusCode: status,
  });
}
