import type { Context } from "hono";
import { Refusal } from "../support/refusal.ts";
import { sameSecret } from "../support/secrets.ts";
import { StartError } from "../support/start-error.ts";

/** An application that is registered at the provider. */
export type Client = {
  clientId: string;
  /** Null for a public client, which must use PKCE. */
  clientSecret: string | null;
  /** Compared byte for byte; at least one. */
  redirectUris: readonly string[];
  /** Shown to the person who is asked. Default: the client id. */
  name?: string;
};

/**
 * The clients by id.
 *
 * @throws StartError when a redirect URI is not absolute, has a fragment, or is plain http outside of loopback.
 */
export function registerClients(clients: readonly Client[]): ReadonlyMap<string, Client> {
  for (const client of clients) {
    if (client.redirectUris.length === 0)
      throw new StartError(
        `The client ${client.clientId} has no redirect URI. Give one with --redirect-uri.`,
        {
          exitCode: 2,
        },
      );
    for (const uri of client.redirectUris) checkRedirectUri(uri);
  }
  return new Map(clients.map((client) => [client.clientId, client]));
}

function checkRedirectUri(uri: string): void {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  const loopback = url !== undefined && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  const secure = url?.protocol === "https:" || (url?.protocol === "http:" && loopback);
  // RFC 6749 section 3.1.2: absolute, without a fragment.
  if (secure && !uri.includes("#") && url.username === "") return;
  throw new StartError(
    `The redirect URI ${JSON.stringify(uri)} is refused. Give an absolute https address (http on loopback only) ` +
      "without a fragment.",
    { exitCode: 2 },
  );
}

/**
 * The client that sent this request, by `client_secret_basic`, `client_secret_post`, or (a public client) its
 * `client_id` alone (RFC 6749 section 2.3.1).
 *
 * @throws Refusal 401 `invalid_client`; 400 `invalid_request` when two methods are used at once.
 */
export function authenticateClient(
  clients: ReadonlyMap<string, Client>,
  c: Context,
  form: ReadonlyMap<string, string>,
): Client {
  const header = c.req.header("authorization");
  const basic = header === undefined ? undefined : basicCredentials(header);
  if (basic && form.has("client_secret"))
    throw new Refusal({
      status: 400,
      error: "invalid_request",
      description: "Authenticate once: with the Authorization header or with client_secret, not with both.",
    });
  const clientId = basic?.clientId ?? form.get("client_id");
  const secret = basic?.secret ?? form.get("client_secret");
  if (basic && form.has("client_id") && form.get("client_id") !== basic.clientId)
    throw invalidClient("client_id_differs", true);
  const client = clientId === undefined ? undefined : clients.get(clientId);
  if (!client) throw invalidClient("unknown_client", header !== undefined);
  if (client.clientSecret === null) {
    if (secret !== undefined) throw invalidClient("public_client_sent_secret", header !== undefined);
    return client;
  }
  if (secret === undefined || !sameSecret(secret, client.clientSecret))
    throw invalidClient("wrong_client_secret", header !== undefined);
  return client;
}

function basicCredentials(header: string): { clientId: string; secret: string } {
  const encoded = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(header)?.[1];
  const pair = encoded === undefined ? "" : Buffer.from(encoded, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  if (colon < 0) throw invalidClient("malformed_authorization_header", true);
  return { clientId: formDecode(pair.slice(0, colon)), secret: formDecode(pair.slice(colon + 1)) };
}

/** Both halves are form-encoded before they are joined (RFC 6749 section 2.3.1). */
function formDecode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw invalidClient("malformed_authorization_header", true);
  }
}

function invalidClient(reason: string, usedHeader: boolean): Refusal {
  return new Refusal({
    status: 401,
    error: "invalid_client",
    description: "The client is unknown or its secret is wrong. Check the client id and secret.",
    reason,
    // RFC 6749 section 5.2: answered with the scheme that the client tried.
    ...(usedHeader ? { headers: { "www-authenticate": 'Basic realm="sandbox calendar"' } } : {}),
  });
}
