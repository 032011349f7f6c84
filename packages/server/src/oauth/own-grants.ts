import type { IncomingMessage, ServerResponse } from "node:http";
import type { ClientRegistry, StoredClient } from "./clients.ts";
import type { FormParams } from "./form.ts";
import type { GrantResponse, OwnGrant } from "./index.ts";

/** Grants that are answered without the core. */
export interface OwnGrants {
  add(grants: readonly OwnGrant[]): void;
  handles(grantType: string | undefined): boolean;
  /** `proven` is the client when it has proven itself by other means than a secret. */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    params: FormParams,
    proven: StoredClient | undefined,
  ): Promise<void>;
}

const HEADERS = { "content-type": "application/json", "cache-control": "no-store", pragma: "no-cache" };

/** Authenticates the client, checks that it may use the grant, and hands over. */
export function createOwnGrants(deps: { clients: ClientRegistry }): OwnGrants {
  const byType = new Map<string, OwnGrant>();

  async function answer(
    request: IncomingMessage,
    params: FormParams,
    proven: StoredClient | undefined,
  ): Promise<GrantResponse> {
    const grant = byType.get(params["grant_type"] ?? "");
    if (!grant) return refuse(400, "unsupported_grant_type", "unsupported grant_type requested");
    const client = proven ?? (await authenticate(deps.clients, request.headers.authorization, params));
    if (!client) return refuse(401, "invalid_client", "client authentication failed");
    if (!client.grantTypes.includes(grant.name))
      return refuse(403, "unauthorized_client", "the client may not use this grant");
    const allowed = Object.entries(params).filter(([name]) => grant.parameters.includes(name));
    return grant.handle({ client, params: Object.fromEntries(allowed) });
  }

  return {
    add(grants) {
      for (const grant of grants) byType.set(grant.grantType, grant);
    },
    handles: (grantType) => grantType !== undefined && byType.has(grantType),
    async handle(request, response, params, proven) {
      const { status, body, headers } = await answer(request, params, proven);
      response.writeHead(status, { ...HEADERS, ...headers });
      response.end(JSON.stringify(body));
    },
  };
}

function refuse(status: number, error: string, description: string): GrantResponse {
  const challenge: Record<string, string> = status === 401 ? { "www-authenticate": "Basic" } : {};
  return { status, body: { error, error_description: description }, headers: challenge };
}

/**
 * A confidential client that proves itself by secret, in the body or by HTTP Basic; both at once only when
 * they agree on the id. An unknown client costs as much as a wrong secret.
 * @see RFC 6749 section 2.3.1
 */
async function authenticate(
  clients: ClientRegistry,
  authorization: string | undefined,
  params: FormParams,
): Promise<StoredClient | undefined> {
  const basic = authorization === undefined ? undefined : parseBasic(authorization);
  if (authorization !== undefined && (!basic || params["client_secret"] !== undefined)) return undefined;
  const id = basic?.id ?? params["client_id"];
  const secret = basic?.secret ?? params["client_secret"];
  if (!id || !secret || (params["client_id"] ?? id) !== id) return undefined;
  const client = await clients.find(id);
  if (!client || client.disabledAt !== undefined || !clients.matchesSecret(client, secret)) return undefined;
  return client;
}

function parseBasic(header: string): { id: string; secret: string } | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  const text = encoded && Buffer.from(encoded, "base64").toString("utf8");
  const colon = text ? text.indexOf(":") : -1;
  if (!text || colon < 0) return undefined;
  try {
    const decode = (part: string) => decodeURIComponent(part.replaceAll("+", "%20"));
    return { id: decode(text.slice(0, colon)), secret: decode(text.slice(colon + 1)) };
  } catch {
    return undefined; // Not form-encoded as section 2.3.1 asks.
  }
}
