import type { Mapped } from "./map-apis.ts";
import { entry, hasPlaceholder, text, texts } from "./names.ts";
import type { Entry } from "./read-tenant.ts";

/** A connection for the configuration file, with the provider's secret where the export has it. */
export interface MappedConnection extends Mapped {
  readonly providerSecret?: string;
}

/**
 * Providers whose addresses are known; documented, not recorded from a call.
 * @see https://accounts.google.com/.well-known/openid-configuration
 * @see https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
 */
const PROVIDERS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "google-oauth2": {
    displayName: "Google",
    authorizationEndpoint: "https://accounts.google.com/o/oauth2/v2/auth",
    tokenEndpoint: "https://oauth2.googleapis.com/token",
    revocationEndpoint: "https://oauth2.googleapis.com/revoke",
    userinfoEndpoint: "https://openidconnect.googleapis.com/v1/userinfo",
    issuer: "https://accounts.google.com",
  },
  github: {
    displayName: "GitHub",
    authorizationEndpoint: "https://github.com/login/oauth/authorize",
    tokenEndpoint: "https://github.com/login/oauth/access_token",
    userinfoEndpoint: "https://api.github.com/user",
    accountIdField: "id",
    accountLabelField: "login",
  },
};
/** Strategies whose export names the addresses. */
const GENERIC = ["oidc", "okta"];
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/;

/** A connection as an entry of `connections`; the path of its secret is the caller's to add. */
export function mapConnection(connection: Entry): MappedConnection {
  const name = text(connection, "name") ?? "";
  const strategy = text(connection, "strategy") ?? "";
  const options = entry(connection, "options");
  const clientId = text(options, "client_id");
  if (!NAME.test(name)) return { name, made: "has no name that a connection can have", notes: [] };
  const provider = PROVIDERS[strategy] ?? (GENERIC.includes(strategy) ? addressesOf(options) : undefined);
  if (!provider)
    return { name, made: `the strategy ${JSON.stringify(strategy)} is not known here`, notes: [] };
  if (typeof provider === "string") return { name, made: provider, notes: [] };
  if (!clientId || hasPlaceholder(clientId))
    return {
      name,
      made: "the export has no client_id of the provider: shared development keys stay there",
      notes: [],
    };
  const providerSecret = text(options, "client_secret");
  const hasSecret = providerSecret !== undefined && !hasPlaceholder(providerSecret);
  const scopes = new Set([...texts(options, "scope"), ...(text(options, "scope") ?? "").split(/[ ,]+/)]);
  return {
    name,
    ...(hasSecret ? { providerSecret } : {}),
    notes: [
      "allow the callback address of this server at the provider",
      "set login, or people log in by it no longer",
      ...(hasSecret ? [] : ["the export has no client_secret: put it into the file that is named"]),
      ...(texts(connection, "enabled_clients").length > 0
        ? ["which apps offer it is not taken: say so in the agent's policy"]
        : []),
    ],
    made: {
      name,
      displayName: (text(connection, "display_name") ?? name).slice(0, 100),
      ...provider,
      clientId,
      scopes: Object.fromEntries([...scopes].filter((one) => SCOPE.test(one)).map((one) => [one, one])),
    },
  };
}

function addressesOf(options: Entry): Readonly<Record<string, unknown>> | string {
  const addresses = {
    authorizationEndpoint: text(options, "authorization_endpoint"),
    tokenEndpoint: text(options, "token_endpoint"),
    userinfoEndpoint: text(options, "userinfo_endpoint"),
  };
  const isWhole = Object.values(addresses).every((one) => one && URL.parse(one)?.protocol === "https:");
  if (!isWhole) return "the export does not name https addresses for authorization, token and userinfo";
  const issuer = text(options, "issuer");
  return { ...addresses, ...(issuer ? { issuer } : {}) };
}
