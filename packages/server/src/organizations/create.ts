import type { Hono } from "hono";
import type { AdminExtension } from "../admin/index.ts";
import type { BrowserSessions, Users } from "../login/index.ts";
import type { Interactions } from "../oauth/index.ts";
import { createAccess } from "./access.ts";
import type { Organizations, SendMail } from "./index.ts";
import { createInvitations, type Invitations } from "./invitations.ts";
import { createManage, type ManageOrganizations, type SliceDeps } from "./manage.ts";
import { createMembers, type Members, type UnknownRoles } from "./members.ts";
import { organizationPages } from "./pages.ts";
import { organizationRoutes } from "./routes.ts";
import { createSettings, type Settings } from "./settings.ts";

/** Customers of business apps: who belongs to them, how they log in, and what was granted in them. */
export interface OrganizationsSlice extends Organizations {
  readonly manage: ManageOrganizations;
  readonly members: Members;
  readonly invitations: Invitations;
  readonly settings: Settings;
  /** Under the administrator's API. */
  readonly adminRoutes: AdminExtension;
  /** The page on which a person accepts an invitation. */
  pages(deps: { interactions: Interactions; sessions: BrowserSessions; users: Users }): Hono;
}

export function createOrganizations(
  deps: SliceDeps & {
    issuer: string;
    unknownRoles: UnknownRoles;
    loginConnections: ReadonlySet<string>;
    clientExists: (id: string) => Promise<boolean>;
    /** Absent while no mail is configured: the administrator then hands the address over. */
    mail: SendMail | undefined;
  },
): OrganizationsSlice {
  const manage = createManage(deps);
  const members = createMembers(deps);
  const invitations = createInvitations(deps);
  const settings = createSettings(deps);
  const access = createAccess({ ...deps, invitations });
  return {
    ...access,
    manage,
    members,
    invitations,
    settings,
    adminRoutes: (tools) => organizationRoutes({ manage, members, invitations, settings, tools }),
    pages: (late) => organizationPages({ ...late, ...access, invitations }),
  };
}
