import type { Provider } from "oidc-provider";
import { errors } from "oidc-provider";
import type { Organizations } from "../../organizations/index.ts";
import type { ClientRegistry } from "../clients.ts";
import { type GrantContext, stockClientCredentialsGrant } from "../internals.ts";

export const parameters: readonly string[] = ["scope", "resource", "organization"];

/** Where the grant leaves the organization for the claims of its token. */
export const ORGANIZATION = "organization";

/**
 * The stock grant, in an organization when the request names one that lets this client act in it.
 * @see RFC 6749 section 4.4
 */
export function clientCredentialsGrant(deps: {
  provider: Provider;
  clients: ClientRegistry;
  organizations: Organizations;
}): (ctx: GrantContext) => Promise<void> {
  const issueTokens = stockClientCredentialsGrant(deps.provider);
  return async (ctx) => {
    const asked = ctx.oidc.params["organization"];
    const client = await deps.clients.find(ctx.oidc.client.clientId);
    if (typeof asked === "string" && asked !== "") {
      const organization =
        client?.organizations === "none" ? undefined : await deps.organizations.find(asked);
      const allowed =
        organization && (await deps.organizations.allowsClient(organization.id, client?.id ?? ""));
      // One answer: a client learns nothing of organizations that do not let it in.
      if (!allowed) throw new errors.AccessDenied("the client may not act in this organization");
      ctx.state[ORGANIZATION] = organization;
    } else if (client?.organizations === "required") {
      throw new errors.InvalidRequest("missing required parameter organization");
    }
    await issueTokens(ctx);
  };
}
