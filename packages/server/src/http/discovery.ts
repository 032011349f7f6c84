import type { Clock } from "../lib/clock.ts";
import { type Egress, EgressError } from "./egress.ts";

/** The part of a connection that says where its provider is. */
export interface ProviderAddress {
  readonly kind: "oauth2" | "oidc";
  readonly issuer?: string | undefined;
  readonly authorizationEndpoint?: string | undefined;
  readonly tokenEndpoint?: string | undefined;
  readonly userinfoEndpoint?: string | undefined;
  readonly revocationEndpoint?: string | undefined;
}

/** Where a provider is talked to. What the configuration says goes before what the provider says. */
export interface ProviderEndpoints {
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  readonly userinfoEndpoint: string | undefined;
  readonly revocationEndpoint: string | undefined;
  /** The provider's own keys; `oidc` alone. */
  readonly jwksUri: string | undefined;
  /** What `iss` of an authorization response must be, if it is there. */
  readonly issuer: string | undefined;
  /** Whether an authorization response without `iss` is somebody else's (RFC 9207 section 2.4). */
  readonly mustSendIssuer: boolean;
  /** `id_token_signing_alg_values_supported`. */
  readonly idTokenAlgorithms: readonly string[];
}

/** Finds providers' endpoints. */
export interface Discovery {
  /**
   * Asks an `oidc` provider at most once an hour; any number of callers at once make one request.
   * @throws EgressError when it does not answer, or not as the issuer it should be
   */
  endpointsOf(connection: ProviderAddress): Promise<ProviderEndpoints>;
  /** What is known without asking; `undefined` when nobody has asked yet. */
  known(connection: ProviderAddress): ProviderEndpoints | undefined;
}

const TTL_MS = 3_600_000;
/** A provider that is down is not asked by every visitor. */
const RETRY_MS = 10_000;
const TIMEOUT_MS = 10_000;
const MAX_ADDRESS_LENGTH = 2_048;

interface Asked {
  readonly at: number;
  readonly answer: Promise<ProviderEndpoints>;
  endpoints?: ProviderEndpoints;
  failed?: boolean;
}

export function createDiscovery(deps: { egress: Egress; clock: Clock }): Discovery {
  const { egress, clock } = deps;
  const asked = new Map<ProviderAddress, Asked>();

  async function ask(connection: ProviderAddress, issuer: string): Promise<ProviderEndpoints> {
    const address = metadataAddress(issuer);
    const response = await egress.fetch(address, { timeoutMs: TIMEOUT_MS });
    if (response.status !== 200) throw unusable(issuer, `its metadata answers ${response.status}`);
    return believeMetadata(connection, issuer, await response.text());
  }

  return {
    async endpointsOf(connection) {
      if (connection.kind === "oauth2") return configured(connection);
      const before = asked.get(connection);
      const age = before ? clock.now() - before.at : Number.POSITIVE_INFINITY;
      if (before && age < (before.failed ? RETRY_MS : TTL_MS)) return before.answer;
      const entry: Asked = { at: clock.now(), answer: ask(connection, connection.issuer ?? "") };
      asked.set(connection, entry);
      try {
        entry.endpoints = await entry.answer;
        return entry.endpoints;
      } catch (error) {
        entry.failed = true;
        // An hour-old answer is worth more than none.
        if (!before?.endpoints) throw error;
        asked.set(connection, { ...before, at: clock.now() - TTL_MS + RETRY_MS });
        return before.endpoints;
      }
    },
    known: (connection) =>
      connection.kind === "oauth2" ? configured(connection) : asked.get(connection)?.endpoints,
  };
}

/** OpenID Connect Discovery section 4: appended to the issuer, without its final slash. */
export function metadataAddress(issuer: string): string {
  return `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
}

/** The configuration's check has made sure of the two. */
function configured(connection: ProviderAddress): ProviderEndpoints {
  const { authorizationEndpoint = "", tokenEndpoint = "", issuer } = connection;
  return {
    authorizationEndpoint,
    tokenEndpoint,
    userinfoEndpoint: connection.userinfoEndpoint,
    revocationEndpoint: connection.revocationEndpoint,
    jwksUri: undefined,
    issuer,
    mustSendIssuer: issuer !== undefined,
    idTokenAlgorithms: [],
  };
}

/**
 * Reads a provider's metadata.
 * @see OpenID Connect Discovery section 4.3: the issuer is the one that was asked, byte for byte
 * @throws EgressError
 */
export function believeMetadata(
  connection: ProviderAddress,
  issuer: string,
  text: string,
): ProviderEndpoints {
  const body = parseObject(text);
  if (!body) throw unusable(issuer, "its metadata is no JSON object");
  if (body["issuer"] !== issuer) throw unusable(issuer, "its metadata names another issuer");
  const at = (name: string): string | undefined => {
    const value = body[name];
    if (typeof value !== "string" || value.length > MAX_ADDRESS_LENGTH) return undefined;
    const url = URL.parse(value);
    // A provider that is asked in the clear, on this machine, may answer so.
    const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && issuer.startsWith("http:"));
    return url && isSafe && !url.username && !url.hash ? value : undefined;
  };
  const authorizationEndpoint = connection.authorizationEndpoint ?? at("authorization_endpoint");
  const tokenEndpoint = connection.tokenEndpoint ?? at("token_endpoint");
  const jwksUri = at("jwks_uri");
  if (!authorizationEndpoint || !tokenEndpoint || !jwksUri)
    throw unusable(issuer, "its metadata lacks an endpoint or its keys");
  const algorithms = body["id_token_signing_alg_values_supported"];
  return {
    authorizationEndpoint,
    tokenEndpoint,
    jwksUri,
    issuer,
    userinfoEndpoint: connection.userinfoEndpoint ?? at("userinfo_endpoint"),
    revocationEndpoint: connection.revocationEndpoint ?? at("revocation_endpoint"),
    mustSendIssuer: body["authorization_response_iss_parameter_supported"] === true,
    idTokenAlgorithms: Array.isArray(algorithms)
      ? algorithms.filter((item): item is string => typeof item === "string")
      : ["RS256"],
  };
}

/** An answer of another issuer is somebody's attempt to mix providers up (RFC 9207 section 2.4). */
export function isIssuerRight(
  endpoints: Pick<ProviderEndpoints, "issuer" | "mustSendIssuer">,
  sent: readonly string[],
): boolean {
  if (sent.length === 0) return !endpoints.mustSendIssuer;
  return endpoints.issuer === undefined || (sent.length === 1 && sent[0] === endpoints.issuer);
}

function unusable(issuer: string, why: string): EgressError {
  return new EgressError("egress.unreachable", `${issuer} cannot be used: ${why}`);
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // An object that is no array has string keys.
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // Not JSON: the caller says so.
  }
}
