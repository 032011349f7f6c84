import type { Context } from "hono";
import { note } from "../support/base-app.ts";
import { readForm } from "../support/body.ts";
import { Refusal } from "../support/refusal.ts";
import { digest } from "../support/secrets.ts";
import { authenticateClient } from "./clients.ts";
import type { ProviderEnv } from "./faults.ts";
import { invalidGrant, type TokenDeps } from "./token.ts";

/**
 * `POST /revoke` (RFC 7009). A refresh token ends the whole grant, an access token ends itself alone; a token that
 * is not known is answered as revoked (section 2.2). `token_type_hint` is not needed and not looked at.
 *
 * @throws Refusal `invalid_request`, `invalid_client`; `invalid_grant` for another client's token (section 2.1).
 */
export async function handleRevoke(deps: TokenDeps, c: Context<ProviderEnv>): Promise<Response> {
  const form = await readForm(c.req.raw);
  const client = authenticateClient(deps.clients, c, form);
  note(c, { clientId: client.clientId });
  const token = form.get("token");
  if (token === undefined)
    throw new Refusal({
      status: 400,
      error: "invalid_request",
      description: "The parameter token is missing.",
    });
  const hash = digest(token);
  const refresh = deps.grants.refreshToken(hash);
  const found = refresh ?? deps.grants.accessToken(hash);
  if (found) {
    if (deps.grants.grant(found.grant_id)?.client_id !== client.clientId)
      throw invalidGrant("token_of_another_client");
    note(c, { grantId: found.grant_id });
    if (refresh) deps.grants.revokeGrant(found.grant_id, "revoked_by_client", deps.clock());
    else deps.grants.revokeAccessToken(hash, deps.clock());
  }
  return new Response(null, { status: 200, headers: { "cache-control": "no-store" } });
}
