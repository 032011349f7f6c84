import type { BrowserSession } from "../login/index.ts";
import type { Organization, Organizations } from "../organizations/index.ts";
import type { Client } from "./index.ts";

/**
 * For which organization a person logs a device in: the one that the request names, or the only one they belong to
 * where there must be one. `refused` for everything else; strangers cannot tell why.
 */
export async function organizationOfDevice(
  organizations: Pick<Organizations, "find" | "organizationsOf" | "membershipOf" | "admits">,
  request: {
    readonly client: Client;
    readonly asked: unknown;
    readonly session: Pick<BrowserSession, "userId" | "methods">;
  },
): Promise<Organization | "none" | "refused"> {
  const { client, asked, session } = request;
  const isNamed = typeof asked === "string" && asked !== "";
  if (client.organizations === "none" || (client.organizations === "optional" && !isNamed)) return "none";
  const candidates = isNamed
    ? [await organizations.find(asked)]
    : await organizations.organizationsOf(session.userId);
  const [only] = candidates;
  if (!only || candidates.length > 1) return "refused";
  if (!(await organizations.membershipOf(session.userId, only.id))) return "refused";
  return (await organizations.admits(only.id, session.methods)) ? only : "refused";
}
