import type { Organization } from "../organizations/index.ts";
import type { UserMetadata } from "../roles/index.ts";

/** What claims of the configuration are made of. */
export interface ClaimSources {
  readonly user?: {
    readonly id: string;
    readonly email: string;
    readonly roles: readonly string[];
    readonly metadata: UserMetadata;
  };
  readonly organization: Organization | undefined;
}

export type ClaimTemplates = Readonly<Record<string, string | number | boolean>>;

/** All custom claims of one token together: a header has to carry it. */
const MAX_CLAIMS_BYTES = 4_096;

/**
 * The claims whose source has a value. One that would make the token too big is left out, so that nobody is
 * permitted anything by it.
 */
export function customClaims(templates: ClaimTemplates, sources: ClaimSources): Record<string, unknown> {
  const claims: Record<string, unknown> = {};
  let size = 0;
  for (const [name, template] of Object.entries(templates)) {
    const value = claimValue(template, sources);
    if (value === undefined) continue;
    size += name.length + JSON.stringify(value).length;
    if (size <= MAX_CLAIMS_BYTES) claims[name] = value;
  }
  return claims;
}

function claimValue(template: string | number | boolean, { user, organization }: ClaimSources): unknown {
  if (typeof template !== "string" || !/^(user|organization)\./.test(template)) return template;
  const [owner, member, key = ""] = template.split(".");
  if (owner === "organization") {
    if (member === "metadata") return own(organization?.metadata, key);
    return member === "id" ? organization?.id : organization?.name;
  }
  if (member === "metadata") return own(user?.metadata.app, key);
  if (member === "user_metadata") return own(user?.metadata.user, key);
  if (member === "roles") return user?.roles;
  return member === "id" ? user?.id : user?.email;
}

const own = (object: Readonly<Record<string, unknown>> | undefined, key: string): unknown =>
  object && Object.hasOwn(object, key) ? object[key] : undefined;
