import { importJWK, type JWK, SignJWT } from "jose";
import type { BehalfConfig } from "./config.ts";
import { BehalfError } from "./errors.ts";
import { badAnswer, isObject, type JsonAnswer, type JsonObject, requestJson, text, texts } from "./http.ts";
import { epochSeconds } from "./time.ts";

/** What discovery says, as far as this SDK uses it. */
export interface ServerMetadata {
  authorizationEndpoint: string;
  tokenEndpoint: string;
  jwksUri: string;
  backchannelAuthenticationEndpoint?: string;
  deviceAuthorizationEndpoint?: string;
  endSessionEndpoint?: string;
  revocationEndpoint?: string;
  idTokenAlgs: string[];
}

/** The server, as this client sees it. Safe for concurrent use. */
export interface OAuthClient {
  /** Read once and kept for an hour; concurrent callers share one request. */
  metadata(): Promise<ServerMetadata>;
  /** Posts a form with this client's credentials. Any status is an answer. */
  post(endpoint: string, form: Record<string, string | undefined>): Promise<JsonAnswer>;
  /** `post` to the token endpoint. */
  token(form: Record<string, string | undefined>): Promise<JsonAnswer>;
}

/** How long discovery is believed. Endpoints move with deployments, not between requests. */
const METADATA_TTL_MS = 60 * 60 * 1000;
/** Life of a client assertion; one is made for each request. */
const ASSERTION_TTL_SECONDS = 60;

/** @see OpenID Connect Discovery 1.0 section 4, RFC 6749 section 2.3.1, RFC 7523 section 2.2 */
export function createOAuthClient(config: BehalfConfig): OAuthClient {
  let cached: { metadata: Promise<ServerMetadata>; until: number } | undefined;

  function metadata(): Promise<ServerMetadata> {
    const now = config.clock.now();
    if (cached && cached.until > now) return cached.metadata;
    const found = discover(config);
    const entry = { metadata: found, until: now + METADATA_TTL_MS };
    cached = entry;
    found.catch(() => {
      if (cached === entry) cached = undefined; // a failure is reported once and not remembered
    });
    return found;
  }

  async function post(endpoint: string, form: Record<string, string | undefined>): Promise<JsonAnswer> {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...form, ...(await credentials(config)) })) {
      if (value !== undefined) body.set(name, value);
    }
    return requestJson(config, { url: endpoint, method: "POST", body });
  }

  return {
    metadata,
    post,
    async token(form) {
      return post((await metadata()).tokenEndpoint, form);
    },
  };
}

async function discover(config: BehalfConfig): Promise<ServerMetadata> {
  const url = `${config.issuer}.well-known/openid-configuration`;
  const { status, body } = await requestJson(config, { url });
  const origin = new URL(config.issuer).origin;
  if (status !== 200) throw badAnswer(origin, status, "no discovery document");
  return believeMetadata(body, config.issuer, origin);
}

function believeMetadata(body: JsonObject, issuer: string, origin: string): ServerMetadata {
  // Byte for byte, or another server's tokens would be taken for this one's (RFC 8414 section 3.3).
  if (body["issuer"] !== issuer) {
    const message = `Discovery at ${issuer} names another issuer; set BEHALF_ISSUER to the one it names.`;
    throw new BehalfError("server.issuer_mismatch", message);
  }
  const required = (member: string): string => {
    const value = text(body, member);
    if (!value || !URL.canParse(value)) throw badAnswer(origin, 200, `discovery without ${member}`);
    return value;
  };
  const optional = (member: string) => text(body, member);
  return withoutUndefined({
    authorizationEndpoint: required("authorization_endpoint"),
    tokenEndpoint: required("token_endpoint"),
    jwksUri: required("jwks_uri"),
    backchannelAuthenticationEndpoint: optional("backchannel_authentication_endpoint"),
    deviceAuthorizationEndpoint: optional("device_authorization_endpoint"),
    endSessionEndpoint: optional("end_session_endpoint"),
    revocationEndpoint: optional("revocation_endpoint"),
    idTokenAlgs: texts(body, "id_token_signing_alg_values_supported"),
  });
}

async function credentials({ clientId, clientAuth, issuer, clock }: BehalfConfig) {
  if (clientAuth.method === "client_secret_post") {
    return { client_id: clientId, client_secret: clientAuth.clientSecret };
  }
  const { key, alg } = clientAuth;
  const now = epochSeconds(clock);
  const assertion = new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(issuer)
    .setIssuedAt(now)
    .setExpirationTime(now + ASSERTION_TTL_SECONDS);
  return {
    client_id: clientId,
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: await assertion.sign(isJwk(key) ? await importJWK(key, alg) : key),
  };
}

function isJwk(key: object): key is JWK {
  return isObject(key) && "kty" in key;
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The same object without its undefined members, as exact optional properties want it. */
export function withoutUndefined<T extends object>(value: T): Defined<T> {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(entries) as Defined<T>; // the same members, minus the undefined ones
}
