import type { KoaContextWithOIDC } from "oidc-provider";
import type { Users } from "../login/index.ts";
import type { Organization, Organizations } from "../organizations/index.ts";
import type { Roles } from "../roles/index.ts";
import type { ClientRegistry } from "./clients.ts";
import { type ClaimSources, type ClaimTemplates, customClaims } from "./custom-claims.ts";
import { ORGANIZATION } from "./grants/client-credentials.ts";
import type { Resource, Resources } from "./resources.ts";

/** The part of a token of the core that its claims depend on. */
interface IssuedToken {
  readonly clientId?: string | undefined;
  readonly accountId?: string | undefined;
  readonly grantId?: string | undefined;
  readonly scope?: string | undefined;
  readonly resourceServer?: { identifier(): string } | undefined;
}

/** What organization, roles and configuration add to tokens; read anew for each one. */
export interface AuthorizationClaims {
  /** `org_id`, `org_name`, `permissions` and the API's own claims. */
  ofAccessToken(ctx: KoaContextWithOIDC, token: IssuedToken): Promise<Record<string, unknown>>;
  /** `org_id`, `org_name` and the claims of ID tokens; `undefined` when the user has left the grant's organization. */
  ofAccount(
    userId: string,
    email: string,
    grantId: string | undefined,
  ): Promise<Record<string, unknown> | undefined>;
  /** Those of `scopes` that the user's roles permit, where the API enforces them. */
  permitted(
    of: { userId: string; grantId: string | undefined },
    resource: Resource,
    scopes: readonly string[],
  ): Promise<readonly string[]>;
}

export function createAuthorizationClaims(deps: {
  organizations: Organizations;
  roles: Roles;
  users: Users;
  clients: ClientRegistry;
  resources: Resources;
  idTokenClaims: ClaimTemplates;
}): AuthorizationClaims {
  const { organizations, roles, users, clients, resources } = deps;

  /** `undefined` outside of any; `"left"` when what the grant was made in is no longer the user's. */
  async function organizationOf(
    grantId: string | undefined,
    userId: string,
  ): Promise<Organization | "left" | undefined> {
    const id = grantId === undefined ? undefined : await organizations.organizationOfGrant(grantId);
    if (id === undefined) return undefined;
    const member = await organizations.membershipOf(userId, id);
    return (member && (await organizations.find(id))) ?? "left";
  }

  async function sourcesOf(
    userId: string,
    email: string,
    organization: Organization | undefined,
  ): Promise<ClaimSources> {
    const names = await roles.rolesOf(userId, organization?.id);
    return {
      organization,
      user: { id: userId, email, roles: names, metadata: await roles.metadataOf(userId) },
    };
  }

  const names = (organization: Organization | undefined) =>
    organization ? { org_id: organization.id, org_name: organization.name } : {};

  return {
    async ofAccessToken(ctx, token) {
      const resource = resources.find(token.resourceServer?.identifier() ?? "");
      if (token.accountId === undefined) {
        const organization = ctx?.state?.[ORGANIZATION] as Organization | undefined;
        const permissions = resource?.rbac.permissionsClaim ? { permissions: wordsOf(token.scope) } : {};
        return {
          ...customClaims(resource?.claims ?? {}, { organization }),
          ...names(organization),
          ...permissions,
        };
      }
      const found = await organizationOf(token.grantId, token.accountId);
      // Nobody looks at such a token's claims: the grant is over. It says nothing all the same.
      if (found === "left" || !resource) return found === "left" ? {} : names(found);
      const user = await users.find(token.accountId);
      const sources = await sourcesOf(token.accountId, user?.email ?? "", found);
      const client = await clients.find(token.clientId ?? "");
      return {
        ...customClaims(resource.claims, sources),
        ...names(found),
        ...(resource.rbac.permissionsClaim
          ? { permissions: await permissionsFor(token, resource, found?.id, client) }
          : {}),
      };
    },

    async ofAccount(userId, email, grantId) {
      const found = await organizationOf(grantId, userId);
      if (found === "left") return undefined;
      const wanted = Object.keys(deps.idTokenClaims).length > 0;
      const own = wanted ? customClaims(deps.idTokenClaims, await sourcesOf(userId, email, found)) : {};
      return { ...own, ...names(found) };
    },

    async permitted({ userId, grantId }, resource, scopes) {
      if (!resource.rbac.enforce) return scopes;
      const found = await organizationOf(grantId, userId);
      if (found === "left") return [];
      const permissions = await roles.permissionsOf(userId, found?.id, resource.audience);
      return scopes.filter((scope) => permissions.has(scope));
    },
  };

  /** What the user may do there, as far as the client may do it for them: a token delegates, it does not add. */
  async function permissionsFor(
    token: IssuedToken,
    resource: Resource,
    organizationId: string | undefined,
    client: Awaited<ReturnType<ClientRegistry["find"]>>,
  ): Promise<readonly string[]> {
    const all = await roles.permissionsOf(token.accountId ?? "", organizationId, resource.audience);
    const delegated = client?.firstParty ? (resource.scopesFor(client) ?? []) : wordsOf(token.scope);
    return [...all].filter((scope) => delegated.includes(scope)).sort();
  }
}

const wordsOf = (scope: string | undefined): string[] => scope?.split(" ").filter(Boolean) ?? [];
