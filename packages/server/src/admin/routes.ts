import { type Context, Hono } from "hono";
import type { Audit, AuditVerdict } from "../audit/index.ts";
import type { Config } from "../config.ts";
import { currentRequest, withRequestContext } from "../http/context.ts";
import { httpError } from "../http/errors.ts";
import { readJson } from "../http/limits.ts";
import type { Ids } from "../lib/ids.ts";
import { reveal, secret } from "../lib/secret.ts";
import type { Accounts, Users } from "../login/index.ts";
import type { RequireToken } from "../oauth/index.ts";
import type { AdminClients } from "./clients.ts";
import { adminError } from "./errors.ts";
import type { AdminExtension, AdminTools } from "./index.ts";
import { type Page, type PageTokens, pageOf, pageQuery } from "./paging.ts";
import type { AdminUsers } from "./users.ts";
import {
  type AdminClient,
  agentToWire,
  auditQuery,
  clientChangeBody,
  clientToWire,
  connectionToWire,
  newClientBody,
  newUserBody,
  parseWire,
  toMembers,
  toMetadata,
  userQuery,
  userToWire,
} from "./wire.ts";

/** The administrator's API under `/admin/v1`; described in `spec/openapi.yaml`. */
export function adminRoutes(deps: {
  config: Pick<Config, "issuer" | "connections">;
  audit: Audit;
  ids: Ids;
  requireToken: RequireToken;
  users: Users;
  createUser: Accounts["create"];
  adminUsers: AdminUsers;
  adminClients: AdminClients;
  pageTokens: PageTokens;
  extensions: readonly AdminExtension[];
}): Hono {
  const { adminUsers, adminClients, pageTokens, audit } = deps;
  const app = new Hono().basePath("/admin/v1");
  const expected = { audience: `${deps.config.issuer}admin/`, scopes: ["admin"] };

  app.use("*", async (c, next) => {
    c.header("cache-control", "no-store");
    const token = await deps.requireToken(c.req.raw, expected);
    // A client's own token needs no role: the scope was given to it by name in the configuration.
    const user = token.userId === undefined ? undefined : await deps.users.find(token.userId);
    const allowed = token.userId === undefined || (user?.role === "admin" && user.disabledAt === undefined);
    if (!allowed) throw adminError("admin.forbidden");
    const request = currentRequest() ?? { requestId: deps.ids.prefixed("req"), ip: undefined };
    await withRequestContext({ ...request, actorId: token.subject }, next);
  });

  app.get("/users", async (c) => {
    const query = parseWire(pageQuery.extend(userQuery), queryOf(c));
    const list = JSON.stringify(["users", query.email ?? null]);
    const after = placeOf(list, query.page_token);
    return c.json(pageJson("users", list, await adminUsers.list({ ...query, after }), userToWire));
  });
  app.post("/users", async (c) => {
    const { password, ...body } = parseWire(newUserBody, await readJson(c.req.raw));
    const user = await deps.createUser({
      ...body,
      ...(password === undefined ? {} : { password: secret(password) }),
    });
    return c.json(userToWire(await adminUsers.get(user.id)), 201);
  });
  app.get("/users/:id", async (c) => c.json(userToWire(await adminUsers.get(c.req.param("id")))));
  app.post("/users/:id/disable", async (c) =>
    c.json(userToWire(await adminUsers.setDisabled(c.req.param("id"), true))),
  );
  app.post("/users/:id/enable", async (c) =>
    c.json(userToWire(await adminUsers.setDisabled(c.req.param("id"), false))),
  );

  app.get("/clients", async (c) => c.json(await clientPage(c, "clients", clientToWire)));
  app.post("/clients", async (c) => {
    const { confidential, ...body } = parseWire(newClientBody, await readJson(c.req.raw));
    const made = await adminClients.create(toMetadata(body), confidential);
    const shown = made.clientSecret ? { client_secret: reveal(made.clientSecret) } : {};
    return c.json({ ...clientToWire(made.client), ...shown }, 201);
  });
  app.get("/clients/:id", async (c) => c.json(clientToWire(await adminClients.get(c.req.param("id")))));
  app.patch("/clients/:id", async (c) => {
    const change = parseWire(clientChangeBody, await readJson(c.req.raw));
    return c.json(clientToWire(await adminClients.change(c.req.param("id"), toMembers(change))));
  });
  app.post("/clients/:id/disable", async (c) =>
    c.json(clientToWire(await adminClients.setDisabled(c.req.param("id"), true))),
  );
  app.post("/clients/:id/enable", async (c) =>
    c.json(clientToWire(await adminClients.setDisabled(c.req.param("id"), false))),
  );

  app.get("/agents", async (c) => c.json(await clientPage(c, "agents", agentToWire)));
  app.post("/agents/:id/disable", async (c) =>
    c.json(agentToWire(await switchAgent(c.req.param("id"), true))),
  );
  app.post("/agents/:id/enable", async (c) =>
    c.json(agentToWire(await switchAgent(c.req.param("id"), false))),
  );

  app.get("/connections", (c) => c.json({ connections: deps.config.connections.map(connectionToWire) }));

  app.get("/audit", async (c) => {
    const query = parseWire(pageQuery.extend(auditQuery), queryOf(c));
    const list = JSON.stringify(["audit", query.user_id ?? null, query.action ?? null]);
    const before = placeOf(list, query.page_token);
    const page = await audit.list({
      limit: query.limit,
      ...(before === undefined ? {} : { before: Number(before) }),
      ...(query.user_id === undefined ? {} : { userId: query.user_id }),
      ...(query.action === undefined ? {} : { action: query.action }),
    });
    const next = page.next === undefined ? undefined : String(page.next);
    return c.json(pageJson("events", list, { items: page.events, next }, (event) => event));
  });
  app.post("/audit/verify", async (c) => c.json(await verify()));

  const tools: AdminTools = {
    body: async (c, schema) => parseWire(schema, await readJson(c.req.raw)),
    async page(c, name, read, placeOfRow, toWire) {
      const query = parseWire(pageQuery, queryOf(c));
      const list = JSON.stringify([name, c.req.path]);
      const rows = await read({ after: placeOf(list, query.page_token), limit: query.limit + 1 });
      return c.json(pageJson(name, list, pageOf(rows, query.limit, placeOfRow), toWire));
    },
    actorId: () => currentRequest()?.actorId,
  };
  for (const extension of deps.extensions) app.route("/", extension(tools));

  app.all("*", () => {
    throw httpError("request.not_found");
  });

  /** One walk serves all who ask while it runs: a long chain takes seconds to read. */
  let walk: Promise<AuditVerdict> | undefined;
  function verify(): Promise<AuditVerdict> {
    walk ??= audit.verify().finally(() => {
      walk = undefined;
    });
    return walk;
  }

  function placeOf(list: string, token: string | undefined): string | undefined {
    return token === undefined ? undefined : pageTokens.read(list, token);
  }

  function pageJson<T>(name: string, list: string, page: Page<T>, toWire: (item: T) => unknown) {
    return {
      [name]: page.items.map(toWire),
      next_page_token: page.next === undefined ? null : pageTokens.issue(list, page.next),
    };
  }

  async function clientPage(
    c: Context,
    name: "clients" | "agents",
    toWire: (client: AdminClient) => unknown,
  ) {
    const query = parseWire(pageQuery, queryOf(c));
    const after = placeOf(name, query.page_token);
    const page = await adminClients.list({ agentsOnly: name === "agents", after, limit: query.limit });
    return pageJson(name, name, page, toWire);
  }

  async function switchAgent(id: string, disabled: boolean): Promise<AdminClient> {
    const client = await adminClients.find(id);
    if (!client?.metadata.agent) throw adminError("admin.agent_unknown");
    return adminClients.setDisabled(id, disabled);
  }

  return app;
}

/** @throws ApiError `request.invalid` when a parameter comes twice: nobody could say which one counts. */
function queryOf(c: Context): Record<string, string> {
  const entries = Object.entries(c.req.queries());
  const repeated = entries.find(([, values]) => values.length > 1);
  if (repeated) throw httpError("request.invalid", { detail: `The parameter ${repeated[0]} comes twice.` });
  return Object.fromEntries(entries.map(([name, values]) => [name, values[0] ?? ""]));
}
