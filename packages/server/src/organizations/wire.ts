import { z } from "zod";
import type { Organization } from "./index.ts";
import type { DomainRow, InvitationRow, OrganizationRow } from "./store.ts";

/** What the API takes and gives, in the spelling of the wire. `spec/openapi.yaml` describes the same. */

/** Never begins like an id, so that the two cannot be confused. */
export const ORGANIZATION_NAME = /^(?!org_)[a-z0-9][a-z0-9_-]{0,49}$/;
/** A picture that the page holds in itself or that this server has: pages ask no third party for anything. */
const LOGO =
  /^(data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}|\/assets\/[A-Za-z0-9][A-Za-z0-9._-]*)$/;
const MAX_LOGO_LENGTH = 32_768;
const MAX_METADATA = 25;
export const MAX_ROLES = 50;
export const MAX_CONNECTIONS = 100;
const DOMAIN = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])$/;
const DEFAULT_INVITATION_SECONDS = 7 * 86_400;
const MAX_INVITATION_SECONDS = 30 * 86_400;

const branding = z.strictObject({
  logo: z.string().max(MAX_LOGO_LENGTH).regex(LOGO, "a data: image, or a path under /assets/").optional(),
  colour: z
    .string()
    .regex(/^#[0-9a-f]{6}$/i, "a colour like #2347c5")
    .optional(),
});
const metadata = z
  .record(z.string().min(1).max(64), z.string().max(500))
  .refine((value) => Object.keys(value).length <= MAX_METADATA, `at most ${MAX_METADATA} members`);
const displayName = z.string().trim().min(1).max(200);
const id = z.string().min(1).max(128);
const roles = z.array(z.string().min(1).max(128)).max(MAX_ROLES);

export const newOrganizationBody = z.strictObject({
  name: z
    .string()
    .regex(ORGANIZATION_NAME, "lower-case letters, digits, - _ (at most 50), not beginning with org_"),
  display_name: displayName.optional(),
  branding: branding.default({}),
  metadata: metadata.default({}),
});
export const organizationChangeBody = z
  .strictObject({ display_name: displayName, branding, metadata })
  .partial();
export const membersBody = z.strictObject({ members: z.array(id).min(1).max(100), roles: roles.default([]) });
export const rolesBody = z.strictObject({ roles });
export const invitationBody = z.strictObject({
  email: z.string().min(3).max(254),
  roles: roles.default([]),
  ttl_seconds: z.number().int().min(60).max(MAX_INVITATION_SECONDS).default(DEFAULT_INVITATION_SECONDS),
  language: z.string().max(20).default("en"),
});
export const connectionsBody = z.strictObject({
  connections: z
    .array(
      z.strictObject({ connection: z.string().min(1).max(128), auto_membership: z.boolean().default(false) }),
    )
    .max(MAX_CONNECTIONS),
});
export const clientsBody = z.strictObject({ clients: z.array(id).max(MAX_CONNECTIONS) });
export const domainBody = z.strictObject({
  domain: z
    .string()
    .transform((text) => text.trim().toLowerCase())
    .pipe(z.string().regex(DOMAIN, "a domain like example.com")),
  /** An administrator who knows whose domain it is; until then nobody is led anywhere by it. */
  verified: z.boolean().default(false),
  connection: z.string().min(1).max(128).optional(),
});

export type NewOrganization = z.infer<typeof newOrganizationBody>;
export type OrganizationChange = z.infer<typeof organizationChangeBody>;
export type NewInvitation = z.infer<typeof invitationBody>;
export type NewDomain = z.infer<typeof domainBody>;

export function fromRow(row: OrganizationRow): Organization {
  return {
    id: row.id,
    name: row.name,
    displayName: row.display_name,
    // Written by us from checked bodies.
    branding: branding.parse(JSON.parse(row.branding)),
    metadata: metadata.parse(JSON.parse(row.metadata)),
    disabledAt: row.disabled_at ?? undefined,
  };
}

export function organizationToWire(row: OrganizationRow): Record<string, unknown> {
  return {
    id: row.id,
    name: row.name,
    display_name: row.display_name,
    branding: JSON.parse(row.branding),
    metadata: JSON.parse(row.metadata),
    disabled_at: time(row.disabled_at),
    created_at: time(row.created_at),
  };
}

export interface MemberRow {
  readonly user_id: string;
  readonly email: string;
  readonly name: string | null;
  readonly joined_at: number;
  readonly roles: readonly string[];
}

export function memberToWire(member: MemberRow): Record<string, unknown> {
  return { ...member, joined_at: time(member.joined_at) };
}

export function invitationToWire(row: InvitationRow): Record<string, unknown> {
  return {
    id: row.id,
    email: row.email,
    roles: JSON.parse(row.roles),
    inviter_id: row.inviter_id,
    created_at: time(row.created_at),
    expires_at: time(row.expires_at),
    accepted_at: time(row.consumed_at),
  };
}

export function domainToWire(row: DomainRow): Record<string, unknown> {
  return {
    domain: row.domain,
    connection: row.connection,
    verified: row.verified_at !== null,
    created_at: time(row.created_at),
  };
}

const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
