import type { ApiConfig, Config } from "../config.ts";
import type { Client } from "./index.ts";

/** An API that accepts our access tokens, as token issuing sees it. */
export interface Resource {
  readonly audience: string;
  readonly name: string;
  /** Scope to what it lets one do, in plain words. */
  readonly scopes: Readonly<Record<string, string>>;
  readonly signingAlgorithm: ApiConfig["signingAlgorithm"];
  readonly accessTokenTtlSeconds: number;
  readonly rbac: ApiConfig["rbac"];
  /** Its users' tokens need a log-in with two factors. */
  readonly requireSecondFactor: boolean;
  /** Claims of its access tokens, by name. */
  readonly claims: ApiConfig["claims"];
  /** Which of the scopes a client may have; `undefined` when it may not ask for this API at all. */
  scopesFor(client: ClientWithApis): readonly string[] | undefined;
}

/** A client with the APIs it may use. */
export type ClientWithApis = Client & {
  readonly apis: Readonly<Record<string, { readonly scopes: readonly string[] }>>;
};

/** All APIs of a deployment: the configured ones and our own. */
export interface Resources {
  /** By audience; one trailing slash more or less is the same API. */
  find(audience: string): Resource | undefined;
  readonly all: readonly Resource[];
}

/** Scopes of the connected accounts API. */
export const ME_SCOPES = {
  "create:me:connected_accounts": "Connect accounts",
  "read:me:connected_accounts": "See connected accounts",
  "delete:me:connected_accounts": "Disconnect accounts",
};

/** Audiences of our own APIs, below the issuer. */
export const audiencesOf = (issuer: string) => ({
  me: `${issuer}me/`,
  admin: `${issuer}admin/`,
  fga: `${issuer}fga/`,
  /** Tokens that carry an approval of an action no API takes part in. */
  approvals: `${issuer}approvals/`,
});

const OWN_TOKEN_TTL_SECONDS = 3_600;

export function createResources(config: Pick<Config, "issuer" | "apis">): Resources {
  const own = audiencesOf(config.issuer);
  const all: Resource[] = [
    ownResource(own.me, "Your account", ME_SCOPES, (client) =>
      client.grantTypes.includes("authorization_code") && !client.unverified
        ? Object.keys(ME_SCOPES)
        : undefined,
    ),
    ownResource(own.approvals, "Approvals", {}, (client) =>
      client.grantTypes.includes("ciba") ? [] : undefined,
    ),
    ownResource(own.admin, "Administration", { admin: "Administer this server" }, (client) =>
      client.apis[own.admin]?.scopes.filter((scope) => scope === "admin"),
    ),
    ownResource(own.fga, "Fine-grained authorization", {}, (client) =>
      client.apis[own.fga] ? [] : undefined,
    ),
    ...config.apis.map(
      (api): Resource => ({
        audience: api.audience,
        name: api.name,
        scopes: api.scopes,
        signingAlgorithm: api.signingAlgorithm,
        accessTokenTtlSeconds: api.accessTokenTtlSeconds,
        rbac: api.rbac,
        requireSecondFactor: api.requireSecondFactor,
        claims: api.claims,
        scopesFor: (client) => client.apis[api.audience]?.scopes.filter((scope) => scope in api.scopes),
      }),
    ),
  ];
  const byAudience = new Map(all.map((resource) => [withoutSlash(resource.audience), resource]));
  return { all, find: (audience) => byAudience.get(withoutSlash(audience)) };
}

function ownResource(
  audience: string,
  name: string,
  scopes: Readonly<Record<string, string>>,
  scopesFor: Resource["scopesFor"],
): Resource {
  return {
    audience,
    name,
    scopes,
    signingAlgorithm: "ES256",
    accessTokenTtlSeconds: OWN_TOKEN_TTL_SECONDS,
    requireSecondFactor: false,
    rbac: { enforce: false, permissionsClaim: false },
    claims: {},
    scopesFor,
  };
}

/** MCP clients add or drop one trailing slash; both name the same API (RFC 8707 compares as strings). */
const withoutSlash = (audience: string) => audience.replace(/\/$/, "");
