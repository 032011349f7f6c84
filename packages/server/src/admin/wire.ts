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

/** `redirectUris` in the spelling of the wire: `redirect_uris`. */
export const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : Name;
type InWireSpelling<T> = { [Name in keyof T as SnakeCase<Name & string>]: T[Name] };

/** The same members in the spelling of the wire. Every member of the schema takes part, also one added tomorrow. */
function toWireSpelling<T extends object>(members: T): InWireSpelling<T> {
  const entries = Object.entries(members).map(([name, value]) => [snakeCase(name), value]);
  // The type says of each name what snakeCase() makes of it.
  return Object.fromEntries(entries) as InWireSpelling<T>;
}

type Fields = typeof clientMetadataSchema.shape;
const fields: Fields = clientMetadataSchema.shape;

export const newClientBody = z.strictObject({
  ...toWireSpelling(fields),
  /** A confidential client without `jwks` or `jwks_uri` gets a secret; a public one authenticates with PKCE alone. */
  confidential: z.boolean().default(true),
});

/** What a change may say of a member: its value, or for an optional one `null`, which takes it away. */
type Replacement<Field> =
  Field extends z.ZodDefault<infer Inner>
    ? z.ZodOptional<Inner>
    : Field extends z.ZodOptional<infer Inner>
      ? z.ZodOptional<z.ZodNullable<Inner>>
      : Field extends z.ZodType
        ? z.ZodOptional<Field>
        : never;

function replacement(field: z.ZodType): z.ZodType {
  // The members of the schema are zod's own types: what they unwrap to is one of them too.
  if (field instanceof z.ZodDefault) return (field.unwrap() as z.ZodType).optional();
  if (field instanceof z.ZodOptional) return (field.unwrap() as z.ZodType).nullable().optional();
  return field.optional();
}

const replacements = Object.fromEntries(
  Object.entries(fields).map(([name, field]) => [name, replacement(field)]),
  // As replacement() makes them, one for each member.
) as { [Name in keyof Fields]: Replacement<Fields[Name]> };

/** Members to replace; what is left out stays, and `null` takes an optional one away. */
export const clientChangeBody = z.strictObject(toWireSpelling(replacements));

export type NewClient = z.infer<typeof newClientBody>;

/** @throws ApiError `request.invalid` that lists every member that is wrong, never its value. */
export function parseWire<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  throw httpError("request.invalid", { detail: problems.join("; "), members: { problems } });
}

/** The members that a body gives, as the database names them. */
export function toMembers(body: Readonly<Record<string, unknown>>): MetadataChange {
  const given = Object.keys(fields).filter((name) => body[snakeCase(name)] !== undefined);
  return Object.fromEntries(given.map((name) => [name, body[snakeCase(name)]]));
}

/** What the database keeps of a new client. */
export const toMetadata = (body: Omit<NewClient, "confidential">): ClientMetadata =>
  clientMetadataSchema.parse(toMembers(body));

/** Members to replace; `null` takes an optional one away. */
export type MetadataChange = { readonly [Name in keyof ClientMetadata]?: ClientMetadata[Name] | null };

/** Metadata with the members of `change` in place of its own. */
export function withChange(metadata: ClientMetadata, change: MetadataChange): ClientMetadata {
  const merged = Object.entries({ ...metadata, ...change }).filter(([, value]) => value != null);
  return clientMetadataSchema.parse(Object.fromEntries(merged));
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
    ...toWireSpelling(client.metadata),
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
    issuer: connection.issuer ?? null,
    login: connection.login !== undefined,
    vault: connection.vault,
    authorization_endpoint: connection.authorizationEndpoint ?? null,
    token_endpoint: connection.tokenEndpoint ?? null,
    revocation_endpoint: connection.revocationEndpoint ?? null,
    client_id: connection.clientId,
    scopes: connection.scopes,
    rotation: connection.rotation,
  };
}

const time = (ms: number | null | undefined): string | null =>
  ms == null ? null : new Date(ms).toISOString();
