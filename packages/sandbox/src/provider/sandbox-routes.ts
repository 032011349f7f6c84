import type { Hono } from "hono";
import { readJsonObject } from "../support/body.ts";
import type { Clock } from "../support/clock.ts";
import type { Database } from "../support/database.ts";
import { Refusal } from "../support/refusal.ts";
import { ACCOUNTS, type Account, findAccount } from "./accounts.ts";
import { type EventStore, parseNewEvent } from "./events.ts";
import type { ProviderEnv } from "./faults.ts";
import type { GrantStore } from "./store.ts";
import type { Switchboard } from "./switchboard.ts";

/** What the routes below `/_sandbox` need. */
export type SandboxDeps = {
  db: Database;
  grants: GrantStore;
  events: EventStore;
  switchboard: Switchboard;
  clock: Clock;
};

/** Adds the routes with which a test or the demo plays the provider's operator, and the account's owner. */
export function addSandboxRoutes(app: Hono<ProviderEnv>, deps: SandboxDeps): void {
  app.get("/_sandbox/switches", (c) => c.json(deps.switchboard.get()));

  app.put("/_sandbox/switches", async (c) => {
    const problems = deps.switchboard.set(await readJsonObject(c.req.raw));
    if (problems.length > 0) throw badRequest(`${problems.join("; ")}.`, { problems });
    return c.json(deps.switchboard.get());
  });

  app.get("/_sandbox/accounts", (c) => c.json({ accounts: ACCOUNTS }));

  app.post("/_sandbox/events", async (c) => {
    const { account, ...event } = await readJsonObject(c.req.raw);
    return c.json(deps.events.add(requireAccount(account).id, parseNewEvent(event)), 201);
  });

  app.get("/_sandbox/grants", (c) => c.json({ grants: deps.grants.grants().map(tellGrant) }));

  // What a person does in the provider's own settings: the application is not told.
  app.post("/_sandbox/grants/revoke", async (c) => {
    const { account } = await readJsonObject(c.req.raw);
    const revoked = deps.grants.revokeAccount(requireAccount(account).id, "revoked_by_user", deps.clock());
    return c.json({ revoked });
  });

  app.post("/_sandbox/reset", (c) => {
    resetProvider(deps.db);
    return c.body(null, 204);
  });
}

/** Forgets every grant, token, added event, switch and log entry. */
export function resetProvider(db: Database): void {
  const tables = [
    "access_tokens",
    "refresh_tokens",
    "codes",
    "grants",
    "questions",
    "events",
    "settings",
    "requests",
  ];
  db.transaction(() => {
    for (const table of tables) db.run(`DELETE FROM ${table}`);
  });
}

function tellGrant(grant: ReturnType<GrantStore["grants"]>[number]) {
  return {
    id: grant.id,
    clientId: grant.client_id,
    account: findAccount(grant.account_id)?.email ?? grant.account_id,
    scope: grant.scope,
    createdAt: new Date(grant.created_at).toISOString(),
    /** How often the refresh token was rotated. */
    generation: grant.generation,
    revokedAt: grant.revoked_at === null ? null : new Date(grant.revoked_at).toISOString(),
    revokedBecause: grant.revoked_because,
  };
}

function requireAccount(account: unknown): Account {
  const found = typeof account === "string" ? findAccount(account) : undefined;
  if (found) return found;
  throw badRequest(`account must be one of: ${ACCOUNTS.map(({ email }) => email).join(", ")}.`);
}

function badRequest(description: string, members: Record<string, unknown> = {}): Refusal {
  return new Refusal({ status: 400, error: "invalid_request", description, members });
}
