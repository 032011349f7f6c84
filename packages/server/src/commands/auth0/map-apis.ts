import { entries, hasPlaceholder, text, texts } from "./names.ts";
import type { Entry } from "./read-tenant.ts";

/** What a part of the configuration file is made of, and what of the export is not in it. */
export interface Mapped {
  readonly name: string;
  /** For the configuration file; a sentence when nothing can be made of it, `undefined` when nothing is needed. */
  readonly made: Readonly<Record<string, unknown>> | string | undefined;
  readonly notes: readonly string[];
}

const MAX_TTL_SECONDS = 86_400;
const MIN_TTL_SECONDS = 30;
const MAX_SCOPES = 1_000;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/;

/** A resource server as an entry of `apis`. */
export function mapApi(api: Entry): Mapped {
  const audience = text(api, "identifier") ?? "";
  const name = text(api, "name") ?? audience;
  if (api["is_system"] === true || /\/(api\/v2|me)\/$/.test(audience))
    return { name, made: undefined, notes: [] };
  const notes: string[] = [];
  if (!URL.canParse(audience) || audience.includes("#") || hasPlaceholder(audience))
    return { name, made: `the identifier ${JSON.stringify(audience)} is no absolute URI`, notes };
  const { scopes, dropped } = scopesOf(api);
  if (dropped > 0) notes.push(`${dropped} scopes are none and left out`);
  const algorithm = text(api, "signing_alg");
  const isKnown = algorithm === "RS256" || algorithm === "ES256";
  if (algorithm !== undefined && !isKnown)
    notes.push(`${algorithm} signs no tokens here: keys.defaultAlgorithm does`);
  const lifetime = typeof api["token_lifetime"] === "number" ? api["token_lifetime"] : undefined;
  const ttl = lifetime && Math.round(Math.min(Math.max(lifetime, MIN_TTL_SECONDS), MAX_TTL_SECONDS));
  if (lifetime !== ttl) notes.push(`tokens live ${ttl} seconds, not ${lifetime}`);
  if (text(api, "token_dialect")?.startsWith("rfc9068"))
    notes.push("claims of tokens are those of this server, near RFC 9068");
  return {
    name,
    notes,
    made: {
      audience,
      name: name.slice(0, 200),
      scopes,
      ...(isKnown ? { signingAlgorithm: algorithm } : {}),
      ...(ttl ? { accessTokenTtlSeconds: ttl } : {}),
      rbac: {
        enforce: api["enforce_policies"] === true,
        permissionsClaim: text(api, "token_dialect")?.endsWith("_authz") ?? false,
      },
    },
  };
}

function scopesOf(api: Entry): { scopes: Record<string, string>; dropped: number } {
  const given = entries(api, "scopes");
  const fit = given.filter((scope) => SCOPE.test(text(scope, "value") ?? "")).slice(0, MAX_SCOPES);
  const scopes = fit.map((scope) => {
    const value = text(scope, "value") ?? "";
    return [value, (text(scope, "description") ?? value).slice(0, 300)] as const;
  });
  return { scopes: Object.fromEntries(scopes), dropped: given.length - fit.length };
}

/** A role as an entry of `roles`; its name is in lower case here. */
export function mapRole(role: Entry, audiences: ReadonlyMap<string, ReadonlySet<string>>): Mapped {
  const given = text(role, "name") ?? "";
  const name = given
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9:._-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, 64);
  if (name === "") return { name: given, made: "has no name", notes: [] };
  const notes = name === given ? [] : [`is called ${name} here`];
  const permissions: Record<string, string[]> = {};
  for (const permission of entries(role, "permissions")) {
    const audience = text(permission, "resource_server_identifier") ?? "";
    const scope = text(permission, "permission_name") ?? "";
    if (audiences.get(audience)?.has(scope))
      permissions[audience] = [...(permissions[audience] ?? []), scope];
    else notes.push(`the permission ${JSON.stringify(scope)} is of no API that is taken`);
  }
  const description = (text(role, "description") ?? "").slice(0, 300);
  return { name: given, notes, made: { name, description, permissions } };
}

/** Scopes that clients were granted at APIs: by the name or the id of the client. */
export function grantsOf(grants: readonly Entry[], client: { id: string | undefined; name: string }) {
  return grants
    .filter((grant) => [client.id, client.name].includes(text(grant, "client_id")))
    .map((grant) => ({ audience: text(grant, "audience") ?? "", scopes: texts(grant, "scope") }));
}
