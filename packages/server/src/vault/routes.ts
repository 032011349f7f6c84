import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import type { ConnectionConfig } from "../config.ts";
import { ApiError, httpError, problemResponse } from "../http/errors.ts";
import { readJson } from "../http/limits.ts";
import type { Log } from "../lib/log.ts";
import type { Users } from "../login/index.ts";
import type { Client, Clients, RequireToken } from "../oauth/index.ts";
import type { Connect } from "./connect.ts";
import { policyFor } from "./exchange.ts";
import { parseComplete, parsePage, parseStart } from "./parse.ts";
import type { Revoker } from "./revoke.ts";
import { type AccountRow, type AccountStore, splitScopes } from "./store.ts";

export interface MeRouteDeps {
  readonly connect: Connect;
  readonly revoker: Revoker;
  readonly accounts: AccountStore;
  readonly connections: readonly ConnectionConfig[];
  readonly clients: Clients;
  readonly users: Users;
  readonly requireToken: RequireToken;
  readonly issuer: string;
  readonly log: Log;
}

const BASE = "/me/v1/connected-accounts";
const PREFLIGHT_SECONDS = 600;

/** The My Account API: a user's connected accounts, for applications with the user's token. */
export function createMeRoutes(deps: MeRouteDeps): Hono {
  const app = new Hono();
  // Bearer tokens only, no cookie: a page of any origin may call, with a token it has.
  app.use(
    `${BASE}/*`,
    cors({
      origin: "*",
      allowMethods: ["GET", "POST", "DELETE"],
      allowHeaders: ["authorization", "content-type", "dpop", "auth0-client"],
      exposeHeaders: ["dpop-nonce", "www-authenticate", "x-request-id"],
      maxAge: PREFLIGHT_SECONDS,
    }),
  );
  app.onError((error, c) => {
    if (!ApiError.is(error)) throw error;
    if (error.reason) deps.log.info("refused", { code: error.code, reason: error.reason });
    return problemResponse(c, error);
  });

  /** Who calls, for whom: both exist and neither is switched off. */
  async function caller(c: Context, action: "create" | "read" | "delete") {
    const token = await deps.requireToken(c.req.raw, {
      audience: `${deps.issuer}me/`,
      scopes: [`${action}:me:connected_accounts`],
    });
    const client = await deps.clients.find(token.clientId);
    const user = token.userId === undefined ? undefined : await deps.users.find(token.userId);
    if (!client || client.disabledAt !== undefined || !user || user.disabledAt !== undefined)
      throw httpError("auth.token_invalid", { reason: "its user or client is unknown or switched off" });
    return { client, userId: user.id };
  }

  app.post(`${BASE}/connect`, async (c) => {
    const { client, userId } = await caller(c, "create");
    const started = await deps.connect.start(client, userId, parseStart(await readJson(c.req.raw)));
    const { authSession, connectUri, ticket, expiresInSeconds } = started;
    return c.json(
      {
        auth_session: authSession,
        connect_uri: connectUri,
        connect_params: { ticket },
        expires_in: expiresInSeconds,
      },
      201,
      NO_STORE,
    );
  });

  app.post(`${BASE}/complete`, async (c) => {
    const { client, userId } = await caller(c, "create");
    const account = await deps.connect.complete(client, userId, parseComplete(await readJson(c.req.raw)));
    return c.json(tellAccount(account), 201, NO_STORE);
  });

  app.get(`${BASE}/accounts`, async (c) => {
    const { userId } = await caller(c, "read");
    const { connection, take, after } = parsePage(c.req.url);
    const rows = await deps.accounts.listLive(userId, { connection, after, limit: take + 1 });
    const { page, next } = cut(rows, take, (row) => row.id);
    return c.json({ accounts: page.map(tellAccount), ...next }, 200, NO_STORE);
  });

  app.get(`${BASE}/connections`, async (c) => {
    const { client } = await caller(c, "read");
    const { take, after } = parsePage(c.req.url);
    const usable = connectionsOf(client, deps.connections).filter(
      ({ name }) => after === undefined || name > after,
    );
    const { page, next } = cut(usable, take, ({ name }) => name);
    return c.json({ connections: page, ...next }, 200, NO_STORE);
  });

  app.delete(`${BASE}/accounts/:id`, async (c) => {
    const { client, userId } = await caller(c, "delete");
    await deps.revoker.disconnect(userId, c.req.param("id"), { clientId: client.id });
    return c.body(null, 204);
  });

  return app;
}

const NO_STORE = { "cache-control": "no-store" };

function tellAccount(row: AccountRow) {
  return {
    id: row.id,
    connection: row.connection,
    // Beside what the published API has: what the person recognises the account by.
    label: row.label,
    access_type: "offline",
    scopes: splitScopes(row.scopes),
    created_at: new Date(row.created_at).toISOString(),
    // With a refresh token the account has no end of its own.
    ...(row.sealed_refresh === null && row.expires_at !== null
      ? { expires_at: new Date(row.expires_at).toISOString() }
      : {}),
  };
}

function connectionsOf(client: Client, connections: readonly ConnectionConfig[]) {
  return connections
    .flatMap(({ name, kind }) => {
      const policy = policyFor(client, name);
      return policy ? [{ name, strategy: kind, scopes: policy.scopes }] : [];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The first `take` rows, and the cursor when there are more. */
function cut<T>(rows: readonly T[], take: number, cursor: (row: T) => string) {
  const page = rows.slice(0, take);
  const last = page.at(-1);
  return { page, next: rows.length > take && last ? { next: cursor(last) } : {} };
}
