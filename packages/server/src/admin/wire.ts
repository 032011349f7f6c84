import { z } from "zod";
import { type ClientMetadata, type ConnectionConfig, clientMetadataSchema, hasKeys } from "../config.ts";
import { httpError } from "../http/errors.ts";
import type { UserRow } from "./store.ts";

/** What the API takes and gives, in the spelling of the wire. `spec/openapi.yaml` describes the same. */

const MAX_SEARCH_LENGTH = 254;

export const userQuery = { email: z.string().min(1).max(MAX_SEARCH_LENGTH).optional() };
export const auditQuery = {
  user_id: z.string().min(1).max(128).optional(),
  action: z.string().min(1).max(128).optional(),
};

export const newUserBody = z.strictObject({
  email: z.string(),
  name: z.string().min(1).max(200).optional(),
  password: z.string().optional(),
  role: z.enum(["user", "admin"]).default("user"),
});

const fields = clientMetadataSchema.shape;
const clientFields = {
  name: fields.name,
  redirect_uris: fields.redirectUris,
  post_logout_redirect_uris: fields.postLogoutRedirectUris,
  grant_types: fields.grantTypes,
  apis: fields.apis,
  organizations: fields.organizations,
  first_party: fields.firstParty,
  rotate_refresh_tokens: fields.rotateRefreshTokens,
  id_token_algorithm: fields.idTokenAlgorithm,
  jwks: fields.jwks,
  jwks_uri: fields.jwksUri,
  agent: fields.agent,
};

export const newClientBody = z.strictObject({
  ...clientFields,
  /** A confidential client without `jwks` or `jwks_uri` gets a secret; a public one authenticates with PKCE alone. */
  confidential: z.boolean().default(true),
});

/** Members to replace; what is left out stays, and `null` takes an optional one away. */
export const clientChangeBody = z
  .strictObject({
    name: fields.name,
    redirect_uris: fields.redirectUris.unwrap(),
    post_logout_redirect_uris: fields.postLogoutRedirectUris.unwrap(),
    grant_types: fields.grantTypes.unwrap(),
    apis: fields.apis.unwrap(),
    organizations: fields.organizations.unwrap(),
    first_party: z.boolean(),
    rotate_refresh_tokens: z.boolean().nullable(),
    id_token_algorithm: fields.idTokenAlgorithm.unwrap(),
    jwks: fields.jwks.unwrap().nullable(),
    jwks_uri: fields.jwksUri.unwrap().nullable(),
    agent: fields.agent.unwrap().nullable(),
  })
  .partial();

export type NewClient = z.infer<typeof newClientBody>;
export type ClientChange = z.infer<typeof clientChangeBody>;

/** @throws ApiError `request.invalid` that lists every member that is wrong, never its value. */
export function parseWire<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  throw httpError("request.invalid", { detail: problems.join("; "), members: { problems } });
}

export function toMetadata(body: Omit<NewClient, "confidential">): ClientMetadata {
  return clientMetadataSchema.parse({
    name: body.name,
    redirectUris: body.redirect_uris,
    postLogoutRedirectUris: body.post_logout_redirect_uris,
    grantTypes: body.grant_types,
    apis: body.apis,
    organizations: body.organizations,
    firstParty: body.first_party,
    rotateRefreshTokens: body.rotate_refresh_tokens,
    idTokenAlgorithm: body.id_token_algorithm,
    jwks: body.jwks,
    jwksUri: body.jwks_uri,
    agent: body.agent,
  });
}

/** Metadata with the members of `change` in place of its own. */
export function withChange(metadata: ClientMetadata, change: ClientChange): ClientMetadata {
  // Members that were left out are absent, not undefined: the value comes from parsed JSON.
  const merged = Object.assign(toWireFields(metadata), change);
  return toMetadata({
    ...merged,
    rotate_refresh_tokens: merged.rotate_refresh_tokens ?? undefined,
    jwks: merged.jwks ?? undefined,
    jwks_uri: merged.jwks_uri ?? undefined,
    agent: merged.agent ?? undefined,
  });
}

function toWireFields(metadata: ClientMetadata) {
  return {
    name: metadata.name,
    redirect_uris: metadata.redirectUris,
    post_logout_redirect_uris: metadata.postLogoutRedirectUris,
    grant_types: metadata.grantTypes,
    apis: metadata.apis,
    organizations: metadata.organizations,
    first_party: metadata.firstParty,
    rotate_refresh_tokens: metadata.rotateRefreshTokens,
    id_token_algorithm: metadata.idTokenAlgorithm,
    jwks: metadata.jwks,
    jwks_uri: metadata.jwksUri,
    agent: metadata.agent,
  };
}

/** A client with what does not stand in its metadata. */
export interface AdminClient {
  readonly id: string;
  readonly source: "configuration" | "runtime";
  readonly hasSecret: boolean;
  readonly metadata: ClientMetadata;
  readonly disabledAt: number | undefined;
  /** Absent for a configured client. */
  readonly createdAt: number | undefined;
}

export function clientToWire(client: AdminClient): Record<string, unknown> {
  return {
    id: client.id,
    source: client.source,
    confidential: client.hasSecret || hasKeys(client.metadata),
    ...toWireFields(client.metadata),
    disabled_at: time(client.disabledAt),
    created_at: time(client.createdAt),
  };
}

export function agentToWire(client: AdminClient): Record<string, unknown> {
  return {
    id: client.id,
    name: client.metadata.name,
    source: client.source,
    ...client.metadata.agent,
    disabled_at: time(client.disabledAt),
  };
}

export function userToWire(user: UserRow): Record<string, unknown> {
  return {
    id: user.id,
    email: user.email,
    email_verified: user.email_verified === 1,
    name: user.name,
    role: user.role,
    disabled_at: time(user.disabled_at),
    created_at: time(user.created_at),
  };
}

export function connectionToWire(connection: ConnectionConfig): Record<string, unknown> {
  return {
    name: connection.name,
    display_name: connection.displayName,
    kind: connection.kind,
    authorization_endpoint: connection.authorizationEndpoint,
    token_endpoint: connection.tokenEndpoint,
    revocation_endpoint: connection.revocationEndpoint ?? null,
    client_id: connection.clientId,
    scopes: connection.scopes,
    rotation: connection.rotation,
  };
}

const time = (ms: number | null | undefined): string | null =>
  ms == null ? null : new Date(ms).toISOString();
