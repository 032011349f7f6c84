import { errors, type KoaContextWithOIDC } from "oidc-provider";
import type { BrowserSessions } from "../login/index.ts";
import type { Invitation, Organization, Organizations } from "../organizations/index.ts";
import type { ClientRegistry } from "./clients.ts";
import { toRequest } from "./request.ts";

/** For which organization an authorization request is answered. */
export type OrganizationChoice =
  | { readonly state: "none" }
  | { readonly state: "chosen"; readonly organization: Organization }
  /** The person belongs to several and has to pick. */
  | { readonly state: "pick" }
  | { readonly state: "invited"; readonly invitation: Invitation }
  /** No member, no such organization, not by this log-in: strangers cannot tell which. */
  | { readonly state: "refused" };

export type ChooseOrganization = (ctx: KoaContextWithOIDC) => Promise<OrganizationChoice>;

/** Decides once a request, from the request, the client and the memberships as they are now. */
export function createOrganizationChoice(deps: {
  organizations: Organizations;
  clients: ClientRegistry;
  sessions: BrowserSessions;
}): ChooseOrganization {
  const { organizations, clients, sessions } = deps;
  const decided = new WeakMap<KoaContextWithOIDC, { account: string; choice: Promise<OrganizationChoice> }>();

  /** A member, by a log-in that the organization takes; a connection of its own makes one a member. */
  async function enter(
    ctx: KoaContextWithOIDC,
    userId: string,
    organization: Organization | undefined,
  ): Promise<OrganizationChoice> {
    if (!organization) return { state: "refused" };
    const session = await sessions.current(toRequest(ctx));
    const admitted = await organizations.admits(organization.id, session?.methods ?? []);
    if (!admitted) return { state: "refused" };
    const member = await organizations.membershipOf(userId, organization.id);
    if (member) return { state: "chosen", organization };
    if (admitted.connection === undefined) return { state: "refused" };
    const joined = await organizations.joinThrough(userId, organization.id, admitted.connection);
    return joined ? { state: "chosen", organization } : { state: "refused" };
  }

  async function decide(ctx: KoaContextWithOIDC, userId: string): Promise<OrganizationChoice> {
    const { params, result, client: core } = ctx.oidc;
    const client = await clients.find(core?.clientId ?? "");
    if (!client || client.organizations === "none") return { state: "none" };
    const asked = textOf(params?.["organization"]);
    const target = asked === undefined ? undefined : await organizations.find(asked);
    // Left by the page on which the person picked or accepted; checked like what a request says.
    const picked = (result as { organization?: { id?: unknown } } | undefined)?.organization?.id;
    if (typeof picked === "string") {
      if (asked !== undefined && target?.id !== picked) return { state: "refused" };
      return enter(ctx, userId, await organizations.find(picked));
    }
    const ticket = textOf(params?.["invitation"]);
    const invitation = ticket === undefined ? undefined : await organizations.peekInvitation(ticket);
    if (invitation && (asked === undefined || target?.id === invitation.organization.id)) {
      const member = await organizations.membershipOf(userId, invitation.organization.id);
      return member ? enter(ctx, userId, invitation.organization) : { state: "invited", invitation };
    }
    if (asked !== undefined) return enter(ctx, userId, target);
    if (ticket !== undefined) return { state: "refused" };
    if (client.organizations === "optional") return { state: "none" };
    const [only, ...others] = await organizations.organizationsOf(userId);
    return others.length > 0 ? { state: "pick" } : enter(ctx, userId, only);
  }

  return (ctx) => {
    const account = ctx.oidc.account?.accountId;
    if (account === undefined) return Promise.resolve({ state: "none" });
    const known = decided.get(ctx);
    if (known?.account === account) return known.choice;
    const choice = decide(ctx, account);
    decided.set(ctx, { account, choice });
    return choice;
  };
}

/**
 * For the core's parameters: a client that is not for organizations asks for none. An approval is given by a person
 * and for no organization, so that a client whose tokens always name one gets none by it.
 */
export const requireOrganizations =
  (clients: ClientRegistry) =>
  async (ctx: KoaContextWithOIDC, value: string | undefined): Promise<void> => {
    const client = await clients.find(ctx.oidc.client?.clientId ?? "");
    // Published SDKs take `invalid_request` here for a person without a device.
    const isApproval = ctx.oidc.route === "backchannel_authentication";
    if (isApproval && (value || client?.organizations === "required"))
      throw new errors.CustomOIDCProviderError(
        "unauthorized_client",
        "approvals are not given for an organization",
      );
    if (!value) return;
    if (!client || client.organizations === "none")
      throw new errors.InvalidRequest("the client is not set up for organizations");
  };

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;
