import type { Organization, Organizations } from "../organizations/index.ts";
import type { MethodName } from "./amr.ts";
import type { Flow } from "./flows.ts";

/** What log-in asks about organizations. */
export type LoginOrganizations = Pick<
  Organizations,
  "find" | "forEmailDomain" | "allowedConnections" | "admits" | "peekInvitation"
>;

/** Where a person belongs, and by what people who belong there log in. */
export interface HomeRealm {
  /** The organization that a log-in is for; `undefined` for none, and for one that is gone. */
  organizationOf(flow: Pick<Flow, "organizationId">): Promise<Organization | undefined>;
  /** Whether a first factor counts in this log-in. */
  takes(flow: Pick<Flow, "organizationId">, method: MethodName): Promise<boolean>;
  /**
   * Where an e-mail address belongs by its domain alone: whether somebody has the address makes no difference.
   * `connection` when that is the one way to log in there.
   */
  discover(email: string): Promise<{ organizationId: string; connection: string | undefined } | undefined>;
}

/** Ways to log in that are ours; everything else an organization names is a connection. */
const OWN: ReadonlySet<string> = new Set(["password", "passkey", "code"]);

export function createHomeRealm(organizations: LoginOrganizations): HomeRealm {
  return {
    organizationOf: async ({ organizationId }) =>
      organizationId === undefined ? undefined : organizations.find(organizationId),

    async takes({ organizationId }, method) {
      if (organizationId === undefined) return true;
      return (await organizations.admits(organizationId, [method])) !== undefined;
    },

    async discover(email) {
      const domain = email.trim().split("@").at(-1) ?? "";
      const found = email.includes("@") ? await organizations.forEmailDomain(domain) : undefined;
      if (!found) return undefined;
      const { id } = found.organization;
      const [only, ...more] = (await organizations.allowedConnections(id)) ?? [];
      const single = more.length === 0 ? only : undefined;
      const connection = found.connection ?? single;
      return {
        organizationId: id,
        connection: connection === undefined || OWN.has(connection) ? undefined : connection,
      };
    },
  };
}
