import type { AdapterPayload } from "oidc-provider";
import {
  type ApiConfig,
  type ClientConfig,
  type ClientMetadata,
  type Config,
  certificatesOf,
  clientMetadataSchema,
  hasCertificate,
  hasKeys,
} from "../config.ts";
import { equalInConstantTime, keyedHash } from "../crypto/hash.ts";
import { assert } from "../lib/assert.ts";
import { type CertificateName, certificateThumbprint, parseCertificate } from "../lib/certificates.ts";
import type { Clock } from "../lib/clock.ts";
import { reveal, type Secret } from "../lib/secret.ts";
import type { Storage } from "../storage/index.ts";
import type { ClientDocuments } from "./client-documents.ts";
import type { Client, Clients } from "./index.ts";
import type { ClientWithApis } from "./resources.ts";
import type { OAuthTables } from "./store.ts";
import { STRANGER_PREFIX } from "./strangers.ts";

/** A client with what only the OAuth slice needs of it. */
export interface StoredClient extends ClientWithApis {
  readonly secretHash: string | undefined;
  /** How it proves who it is: the one way, whatever else a request brings. */
  readonly authentication: "secret" | "keys" | "certificate" | "none";
  readonly jwks: ClientMetadata["jwks"];
  readonly jwksUri: ClientMetadata["jwksUri"];
  /** The name its certificate must carry; absent for one whose certificates are known themselves. */
  readonly tlsClientAuth: CertificateName | undefined;
  /** `x5t#S256` of each of those. */
  readonly certificateThumbprints: ReadonlySet<string>;
  /** Its access tokens are bound to the certificate it asks for them with. */
  readonly certificateBoundTokens: boolean;
  readonly rotateRefreshTokens: boolean;
  readonly idTokenAlgorithm: "RS256" | "ES256";
  readonly backchannelLogoutUri: string | undefined;
  readonly backchannelLogoutFormat: "form" | "json";
}

/** Clients with their secrets' hashes; for the OAuth slice and the administrator's API. */
export interface ClientRegistry extends Clients {
  find(id: string): Promise<StoredClient | undefined>;
  list(): Promise<readonly Client[]>;
  /** Whether `secret` is the client's; takes the same time for any two values. */
  matchesSecret(client: StoredClient, secret: string): boolean;
  /** Forgets what is cached of a client, after it was changed. */
  changed(id: string): void;
}

/** How long another process's change may stay unseen. */
const CACHE_MS = 1_000;
const MAX_CACHED = 10_000;
/** Ids are short names, or the address of a document; nothing else is looked up or remembered. */
const CLIENT_ID = /^[\x21-\x7e]{1,2048}$/;

/** Names of the grants that the core answers; the others are answered without it. */
const CORE_GRANT_TYPES: Readonly<Record<string, string | readonly string[]>> = {
  authorization_code: "authorization_code",
  refresh_token: "refresh_token",
  client_credentials: "client_credentials",
  ciba: "urn:openid:params:grant-type:ciba",
  mfa: ["http://auth0.com/oauth/grant-type/mfa-otp", "http://auth0.com/oauth/grant-type/mfa-recovery-code"],
  passkey: "urn:okta:params:oauth:grant-type:webauthn",
  device_code: "urn:ietf:params:oauth:grant-type:device_code",
};

export function createClients(deps: {
  storage: Storage;
  config: Pick<Config, "clients">;
  /** Keys of the secrets' hashes, the one of new hashes first: a secret may have been hashed under any of them. */
  secretKeys: readonly Buffer[];
  clock: Clock;
  /** Finds clients by the address of their document; absent while that is switched off. */
  documents?: ClientDocuments | undefined;
}): ClientRegistry {
  const { storage, clock, secretKeys } = deps;
  const newestKey = newest(secretKeys);
  const configured = new Map(deps.config.clients.map((entry) => [entry.id, entry]));
  const cache = new Map<string, { client: StoredClient | undefined; until: number }>();
  const table = () => storage.db<OAuthTables>();

  async function load(id: string): Promise<StoredClient | undefined> {
    const entry = configured.get(id);
    if (entry) {
      const row = await table()
        .selectFrom("client_switches")
        .selectAll()
        .where("id", "=", id)
        .executeTakeFirst();
      return fromConfig(entry, newestKey, row?.disabled_at ?? undefined);
    }
    const row = await table().selectFrom("clients").selectAll().where("id", "=", id).executeTakeFirst();
    return row ? fromRow(row) : deps.documents?.find(id);
  }

  async function find(id: string): Promise<StoredClient | undefined> {
    // Also called with what strangers sent, before anything has checked that it is text.
    if (typeof id !== "string" || !CLIENT_ID.test(id)) return undefined;
    const now = clock.now();
    const hit = cache.get(id);
    if (hit && hit.until > now) return hit.client;
    const client = await load(id);
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(id, { client, until: now + CACHE_MS });
    return client;
  }

  return {
    find,
    async list() {
      const rows = await table().selectFrom("clients").select("id").orderBy("created_at").execute();
      const ids = [...configured.keys(), ...rows.map((row) => row.id)];
      return (await Promise.all(ids.map(find))).filter((client) => client !== undefined);
    },
    matchesSecret(client, secret) {
      const { secretHash = "" } = client;
      // Every key is tried, whatever the first ones say.
      const matches = secretKeys.filter((key) => equalInConstantTime(secretHash, keyedHash(key, secret)));
      return client.secretHash !== undefined && matches.length > 0;
    },
    changed: (id) => void cache.delete(id),
  };
}

function newest(keys: readonly Buffer[]): Buffer {
  const [first] = keys;
  assert(first, "there is a key for client secrets");
  return first;
}

function fromConfig(entry: ClientConfig, secretKey: Buffer, disabledAt: number | undefined): StoredClient {
  return build(entry.id, "configuration", entry, hashOf(entry.secret, secretKey), disabledAt);
}

function hashOf(secret: Secret | undefined, key: Buffer): string | undefined {
  return secret && keyedHash(key, reveal(secret));
}

function fromRow(row: OAuthTables["clients"]): StoredClient {
  const metadata = clientMetadataSchema.parse(JSON.parse(row.metadata));
  const client = build(
    row.id,
    "runtime",
    metadata,
    row.secret_hash ?? undefined,
    row.disabled_at ?? undefined,
  );
  return row.id.startsWith(`${STRANGER_PREFIX}_`) ? { ...client, unverified: true } : client;
}

function build(
  id: string,
  source: Client["source"],
  entry: ClientMetadata,
  secretHash: string | undefined,
  disabledAt: number | undefined,
): StoredClient {
  const authentication = authenticationOf(entry, secretHash);
  const confidential = authentication !== "none";
  return {
    id,
    source,
    secretHash: authentication === "secret" ? secretHash : undefined,
    authentication,
    jwks: entry.jwks,
    jwksUri: entry.jwksUri,
    tlsClientAuth: entry.tlsClientAuth,
    certificateThumbprints: new Set(
      certificatesOf(entry)
        .map(parseCertificate)
        .filter((certificate) => certificate !== undefined)
        .map(certificateThumbprint),
    ),
    certificateBoundTokens: entry.tlsClientCertificateBoundAccessTokens,
    disabledAt,
    confidential,
    name: entry.name,
    redirectUris: entry.redirectUris,
    postLogoutRedirectUris: entry.postLogoutRedirectUris,
    grantTypes: entry.grantTypes,
    apis: entry.apis,
    firstParty: entry.firstParty,
    organizations: entry.organizations,
    // FAPI 2.0 section 5.3.2.1: rotation protects public clients; a confidential one proves itself each time.
    rotateRefreshTokens: entry.rotateRefreshTokens ?? !confidential,
    idTokenAlgorithm: entry.idTokenAlgorithm,
    webOrigins: entry.webOrigins,
    backchannelLogoutUri: entry.backchannelLogoutUri,
    backchannelLogoutFormat: entry.backchannelLogoutFormat,
    agent: entry.agent,
  };
}

function authenticationOf(
  entry: ClientMetadata,
  secretHash: string | undefined,
): StoredClient["authentication"] {
  if (hasCertificate(entry)) return "certificate";
  if (hasKeys(entry)) return "keys";
  return secretHash === undefined ? "none" : "secret";
}

/** The client as the OAuth core wants it; `undefined` for a disabled one, which then does not exist. */
export function toCoreMetadata(client: StoredClient, apis: readonly ApiConfig[]): AdapterPayload | undefined {
  if (client.disabledAt !== undefined) return undefined;
  const grantTypes = client.grantTypes
    .flatMap((type) => CORE_GRANT_TYPES[type])
    .filter((type) => type !== undefined);
  return {
    client_id: client.id,
    client_name: client.name,
    // The core compares secrets through matchesSecret(); what it holds is only the hash. Of a client that proves
    // itself by other means it asks whether that was done, and holds nothing.
    ...(client.confidential ? { client_secret: client.secretHash ?? "none" } : {}),
    token_endpoint_auth_method: client.confidential ? "client_secret_post" : "none",
    redirect_uris: [...client.redirectUris],
    post_logout_redirect_uris: [...client.postLogoutRedirectUris],
    grant_types: grantTypes,
    response_types: client.grantTypes.includes("authorization_code") ? ["code"] : [],
    id_token_signed_response_alg: client.idTokenAlgorithm,
    ...(client.certificateBoundTokens ? { tls_client_certificate_bound_access_tokens: true } : {}),
    ...(client.grantTypes.includes("ciba")
      ? {
          backchannel_token_delivery_mode: "poll" as const,
          authorization_details_types: detailTypesOf(client, apis),
        }
      : {}),
  };
}

/** Types of the APIs the client may use, and the general one for tool calls. */
function detailTypesOf(client: StoredClient, apis: readonly ApiConfig[]): string[] {
  const own = apis.filter((api) => api.audience in client.apis);
  return ["tool_call", ...new Set(own.flatMap((api) => Object.keys(api.detailTypes)))];
}
