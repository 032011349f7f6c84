import type { Context } from "hono";
import { note } from "../support/base-app.ts";
import { bearerToken } from "../support/bearer.ts";
import { readJsonObject } from "../support/body.ts";
import type { Clock } from "../support/clock.ts";
import { Refusal } from "../support/refusal.ts";
import { digest } from "../support/secrets.ts";
import { type Account, findAccount, splitScope } from "./accounts.ts";
import { type EventStore, parseNewEvent, parseRange } from "./events.ts";
import type { ProviderEnv } from "./faults.ts";
import { userinfoClaims } from "./id-token.ts";
import type { GrantStore } from "./store.ts";

/** What the calendar API needs. */
export type CalendarDeps = { grants: GrantStore; events: EventStore; clock: Clock };

const REALM = "sandbox calendar";

/** `GET /calendar/v1/me`: whose calendar it is. Any valid token will do. */
export function handleMe(deps: CalendarDeps, c: Context<ProviderEnv>): Response {
  const { account } = authorizeCall(deps, c);
  return c.json({ id: account.id, name: account.name, email: account.email });
}

/** `GET /userinfo`: `sub` for any valid token, `name` with the scope `profile`, `email` with `email`. */
export function handleUserinfo(deps: CalendarDeps, c: Context<ProviderEnv>): Response {
  const { account, scopes } = authorizeCall(deps, c);
  return c.json(userinfoClaims(account.id, scopes, c.get("plan").switches));
}

/** `GET /calendar/v1/events?from&to`, scope `calendar.read`. */
export function handleListEvents(deps: CalendarDeps, c: Context<ProviderEnv>): Response {
  const { account } = authorizeCall(deps, c, "calendar.read");
  const [from, to] = parseRange(c.req.query("from"), c.req.query("to"), deps.clock());
  return c.json({ account: account.email, events: deps.events.list(account.id, from, to) });
}

/** `POST /calendar/v1/events`, scope `calendar.write`: 201 with the event. */
export async function handleAddEvent(deps: CalendarDeps, c: Context<ProviderEnv>): Promise<Response> {
  const { account } = authorizeCall(deps, c, "calendar.write");
  const event = parseNewEvent(await readJsonObject(c.req.raw));
  return c.json(deps.events.add(account.id, event), 201);
}

/**
 * The account and scopes of the bearer token.
 *
 * @throws Refusal 401 `invalid_token`, 403 `insufficient_scope` (RFC 6750 section 3.1).
 */
function authorizeCall(
  { grants, clock }: CalendarDeps,
  c: Context<ProviderEnv>,
  needed?: string,
): { account: Account; scopes: string[] } {
  const token = grants.accessToken(digest(bearerToken(c.req.header("authorization"), REALM)));
  if (!token) throw invalidToken("access_token_unknown");
  const grant = grants.grant(token.grant_id);
  const account = grant && findAccount(grant.account_id);
  if (!grant || !account) throw invalidToken("access_token_unknown");
  note(c, { clientId: grant.client_id, grantId: grant.id, account: account.email });
  if (token.expires_at <= clock()) throw invalidToken("access_token_expired");
  if (token.revoked_at !== null) throw invalidToken("access_token_revoked");
  if (grant.revoked_at !== null) throw invalidToken("grant_revoked");
  const scopes = splitScope(token.scope);
  if (needed !== undefined && !scopes.includes(needed)) throw insufficientScope(needed);
  return { account, scopes };
}

function invalidToken(reason: string): Refusal {
  return new Refusal({
    status: 401,
    error: "invalid_token",
    description: "The access token is not valid here. Get a new one.",
    headers: { "www-authenticate": `Bearer realm="${REALM}", error="invalid_token"` },
    reason,
  });
}

function insufficientScope(needed: string): Refusal {
  return new Refusal({
    status: 403,
    error: "insufficient_scope",
    description: `This call needs the scope ${needed}.`,
    headers: { "www-authenticate": `Bearer realm="${REALM}", error="insufficient_scope", scope="${needed}"` },
  });
}
