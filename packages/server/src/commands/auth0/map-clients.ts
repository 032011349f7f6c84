import { type ClientMetadata, type Config, clientMetadataSchema, clientProblems } from "../../config.ts";
import { grantsOf, type Mapped } from "./map-apis.ts";
import { entry, hasPlaceholder, slug, text, texts } from "./names.ts";
import type { Entry } from "./read-tenant.ts";

/** What clients refer to: what is taken, and what the configuration has already. */
export interface ClientSurroundings {
  readonly issuer: string;
  readonly listen: Config["listen"];
  readonly apis: readonly { readonly audience: string; readonly scopes: Readonly<Record<string, string>> }[];
  readonly grants: readonly Entry[];
}

/** A client for the configuration file; `needsSecret` when it must prove itself. */
export interface MappedClient extends Mapped {
  readonly id: string;
  readonly needsSecret: boolean;
}

/** Grant types there, and as they are called here. */
const GRANTS: Readonly<Record<string, string>> = {
  authorization_code: "authorization_code",
  refresh_token: "refresh_token",
  client_credentials: "client_credentials",
  "urn:ietf:params:oauth:grant-type:device_code": "device_code",
  "urn:openid:params:grant-type:ciba": "ciba",
  "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token": "token_vault",
};
const ORGANIZATIONS: Readonly<Record<string, string>> = {
  deny: "none",
  allow: "optional",
  require: "required",
};
const CLIENT_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** A client as an entry of `clients`. Its secret is never taken: a new one is made. */
export function mapClient(client: Entry, around: ClientSurroundings): MappedClient {
  const name = text(client, "name") ?? "";
  const given = text(client, "client_id");
  const hasId = given !== undefined && CLIENT_ID.test(given);
  const id = hasId ? given : slug(name);
  const isPublic =
    text(client, "token_endpoint_auth_method") === "none" ||
    ["spa", "native"].includes(text(client, "app_type") ?? "");
  const mapped = { name, id, needsSecret: !isPublic };
  const notes: string[] = [];
  if (client["global"] === true) return { ...mapped, made: undefined, notes };
  if (name === "" || id === "") return { ...mapped, made: "has no name", notes };
  if (!hasId) notes.push(`the export has no client_id: the app must be given the id ${id}`);
  if (!isPublic) notes.push("gets a new secret, which the app must be given");
  if (Object.keys(entry(client, "client_authentication_methods")).length > 0)
    notes.push("its keys are not taken: set jwks, and remove the secret");
  const candidate = {
    name: name.slice(0, 200),
    redirectUris: addresses(texts(client, "callbacks"), around, "redirectUris", notes),
    postLogoutRedirectUris: addresses(
      texts(client, "allowed_logout_urls"),
      around,
      "postLogoutRedirectUris",
      notes,
    ),
    webOrigins: originsOf(client, notes),
    grantTypes: grantTypesOf(client, isPublic, notes),
    apis: apisOf({ id: given, name }, around, notes),
    organizations: ORGANIZATIONS[text(client, "organization_usage") ?? "deny"] ?? "none",
    firstParty: client["is_first_party"] === true,
    ...(text(entry(client, "refresh_token"), "rotation_type") === "rotating"
      ? { rotateRefreshTokens: true }
      : {}),
    ...backchannelOf(client, notes),
  };
  const parsed = clientMetadataSchema.safeParse(candidate);
  if (!parsed.success) return { ...mapped, made: parsed.error.issues[0]?.message ?? "cannot be read", notes };
  const { issuer, listen, apis } = around;
  const config = { issuer, listen, apis, connections: [] };
  const problems = clientProblems(parsed.data, { hasSecret: !isPublic, config });
  if (problems.length > 0) return { ...mapped, made: problems.join("; "), notes };
  return { ...mapped, made: { id, ...candidate }, notes };
}

/** Addresses that our own rules take; the others are named. */
function addresses(
  given: readonly string[],
  around: ClientSurroundings,
  field: "redirectUris" | "postLogoutRedirectUris",
  notes: string[],
): string[] {
  const nothing: ClientMetadata = clientMetadataSchema.parse({
    name: "x",
    grantTypes: ["authorization_code"],
  });
  const config = { ...around, apis: [], connections: [] };
  return [...new Set(given)].filter((uri) => {
    const hasProblem = clientProblems({ ...nothing, [field]: [uri] }, { hasSecret: true, config }).length > 0;
    const why = hasPlaceholder(uri)
      ? "has a placeholder of the export"
      : uri.includes("*")
        ? "has a wildcard: addresses are compared whole here"
        : hasProblem
          ? "must be https, or http on loopback, without fragment"
          : undefined;
    if (why) notes.push(`${JSON.stringify(uri)} ${why}`);
    return why === undefined;
  });
}

function originsOf(client: Entry, notes: string[]): string[] {
  const given = [...texts(client, "web_origins"), ...texts(client, "allowed_origins")];
  const { webOrigins } = clientMetadataSchema.shape;
  const origins = given.map((one) => one.replace(/\/$/, ""));
  return [...new Set(origins)].filter((origin) => {
    const isFit = webOrigins.safeParse([origin]).success && !hasPlaceholder(origin);
    if (!isFit) notes.push(`${JSON.stringify(origin)} is no origin`);
    return isFit;
  });
}

function grantTypesOf(client: Entry, isPublic: boolean, notes: string[]): string[] {
  const given = Array.isArray(client["grant_types"])
    ? texts(client, "grant_types")
    : ["authorization_code", "refresh_token"];
  const known = given.flatMap((type) => GRANTS[type] ?? []);
  const unknown = given.filter((type) => !(type in GRANTS));
  if (unknown.length > 0) notes.push(`the grants ${unknown.join(", ")} are not taken`);
  const forbidden = isPublic
    ? known.filter((type) => ["client_credentials", "ciba", "token_vault"].includes(type))
    : [];
  if (forbidden.length > 0) notes.push(`${forbidden.join(", ")} needs a secret, which the client has not`);
  return known.filter((type) => !forbidden.includes(type));
}

function apisOf(
  client: { id: string | undefined; name: string },
  around: ClientSurroundings,
  notes: string[],
) {
  const apis: Record<string, { scopes: string[] }> = {};
  for (const { audience, scopes } of grantsOf(around.grants, client)) {
    const api = around.apis.find((one) => one.audience === audience);
    if (!api) {
      notes.push(`the grant for ${JSON.stringify(audience)} is of no API that is taken`);
      continue;
    }
    const missing = scopes.filter((scope) => !Object.hasOwn(api.scopes, scope));
    if (missing.length > 0) notes.push(`${audience} has no scope ${missing.join(", ")}`);
    apis[audience] = { scopes: scopes.filter((scope) => Object.hasOwn(api.scopes, scope)) };
  }
  return apis;
}

function backchannelOf(client: Entry, notes: string[]): { backchannelLogoutUri?: string } {
  const [first, ...more] = texts(entry(client, "oidc_logout"), "backchannel_logout_urls");
  if (first === undefined) return {};
  if (more.length > 0) notes.push("one back-channel log-out address is taken of several");
  if (clientMetadataSchema.shape.backchannelLogoutUri.safeParse(first).success)
    return { backchannelLogoutUri: first };
  notes.push(`${JSON.stringify(first)} must be https, or http on loopback`);
  return {};
}
