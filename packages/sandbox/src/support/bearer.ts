import { Refusal } from "./refusal.ts";

/**
 * The token of an `Authorization: Bearer` header. A token in the query or in the body is not looked at
 * (RFC 6750 sections 2.2 and 2.3, RFC 9700 section 4.3.2).
 *
 * @throws Refusal 401: without an error code when there is no token (RFC 6750 section 3.1).
 */
export function bearerToken(header: string | undefined, realm: string): string {
  const token = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(header ?? "")?.[1];
  if (token !== undefined) return token;
  throw new Refusal({
    status: 401,
    error: "missing_token",
    description: "Send an access token as `Authorization: Bearer <token>`.",
    headers: { "www-authenticate": `Bearer realm="${realm}"` },
  });
}
