import type { Tx } from "../storage/index.ts";
import type { OrganizationRow } from "./store.ts";

export { createOrganizations, type OrganizationsSlice } from "./create.ts";

/** A customer of a business app, as the rest of the server sees it. */
export interface Organization {
  readonly id: string;
  /** Lower-case slug. */
  readonly name: string;
  readonly displayName: string;
  readonly branding: { readonly logo?: string | undefined; readonly colour?: string | undefined };
  readonly metadata: Readonly<Record<string, string>>;
  readonly disabledAt: number | undefined;
}

/** What log-in and OAuth ask about organizations. A disabled one is as good as none. */
export interface Organizations {
  /** An id (`org_…`, exactly) or a name (in any case). */
  find(idOrName: string): Promise<Organization | undefined>;
  /** When the user joined; `undefined` for others and in a disabled organization. */
  membershipOf(userId: string, organizationId: string): Promise<{ readonly joinedAt: number } | undefined>;
  /** Those of a user that are not disabled, by display name; at most 200. */
  organizationsOf(userId: string): Promise<readonly Organization[]>;
  /** Where addresses of a verified domain belong. */
  forEmailDomain(
    domain: string,
  ): Promise<{ readonly organization: Organization; readonly connection: string | undefined } | undefined>;
  /** Methods and connections by which members log in; `undefined` for all. */
  allowedConnections(organizationId: string): Promise<ReadonlySet<string> | undefined>;
  /**
   * Whether an organization takes a log-in by these methods (names of log-in methods, `connection:<name>`), and by
   * which of its connections; without a connection where it takes all. `undefined`: it does not.
   */
  admits(
    organizationId: string,
    methods: readonly string[],
  ): Promise<{ readonly connection: string | undefined } | undefined>;
  /**
   * Makes a person a member who has just logged in by a connection that brings membership. Safe to call twice.
   * @returns whether they are a member now
   */
  joinThrough(userId: string, organizationId: string, connection: string): Promise<boolean>;
  /** What an invitation that can still be accepted leads to. */
  peekInvitation(token: string): Promise<Invitation | undefined>;
  /**
   * Accepts an invitation, at most once of any number of callers, and only for the address it was sent to once
   * that is proven.
   */
  acceptInvitation(
    token: string,
    user: { readonly id: string; readonly email: string; readonly emailVerified: boolean },
  ): Promise<InvitationAnswer>;
  /** Whether the client may have tokens of its own in the organization. */
  allowsClient(organizationId: string, clientId: string): Promise<boolean>;
  /** Notes that a grant was made in an organization; before any token comes of it. */
  bindGrant(grantId: string, organizationId: string, userId: string): Promise<void>;
  /** In which organization a grant was made, whether or not that still exists. */
  organizationOfGrant(grantId: string): Promise<string | undefined>;
}

export interface Invitation {
  readonly id: string;
  readonly organization: Organization;
  readonly email: string;
  readonly expiresAt: number;
}

export type InvitationAnswer =
  | { readonly outcome: "joined"; readonly organization: Organization }
  | { readonly outcome: "invalid" | "other_address" | "unproven" };

/** Sends a message once the transaction is there; the messages slice's. */
export type SendMail = (
  tx: Tx,
  mail: {
    readonly to: string;
    readonly language: string;
    readonly template: "organization_invitation";
    readonly values: { readonly path: string; readonly organization: string };
    readonly expiresAt: number;
  },
) => Promise<void>;

export type { OrganizationRow };
