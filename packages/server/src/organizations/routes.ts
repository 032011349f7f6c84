import { type Context, Hono } from "hono";
import type { AdminTools } from "../admin/index.ts";
import type { Invitations } from "./invitations.ts";
import type { ManageOrganizations } from "./manage.ts";
import type { Members } from "./members.ts";
import type { Settings } from "./settings.ts";
import {
  clientsBody,
  connectionsBody,
  domainBody,
  domainToWire,
  invitationBody,
  invitationToWire,
  membersBody,
  memberToWire,
  newOrganizationBody,
  organizationChangeBody,
  organizationToWire,
  rolesBody,
} from "./wire.ts";

/** `/admin/v1/organizations`; described in `spec/openapi.yaml`. `{id}` takes a name as well. */
export function organizationRoutes(deps: {
  manage: ManageOrganizations;
  members: Members;
  invitations: Invitations;
  settings: Settings;
  tools: AdminTools;
}): Hono {
  const { manage, members, invitations, settings, tools } = deps;
  const app = new Hono();
  const idOf = (c: Context) => c.req.param("id") ?? "";

  app.get("/organizations", (c) =>
    tools.page(
      c,
      "organizations",
      (filter) => manage.list(filter),
      (row) => row.id,
      organizationToWire,
    ),
  );
  app.post("/organizations", async (c) =>
    c.json(organizationToWire(await manage.create(await tools.body(c, newOrganizationBody))), 201),
  );
  app.get("/organizations/:id", async (c) => c.json(organizationToWire(await manage.get(idOf(c)))));
  app.patch("/organizations/:id", async (c) =>
    c.json(organizationToWire(await manage.change(idOf(c), await tools.body(c, organizationChangeBody)))),
  );
  app.delete("/organizations/:id", async (c) => {
    await manage.remove(idOf(c));
    return c.body(null, 204);
  });
  for (const word of ["disable", "enable"] as const)
    app.post(`/organizations/:id/${word}`, async (c) =>
      c.json(organizationToWire(await manage.setDisabled(idOf(c), word === "disable"))),
    );

  app.get("/organizations/:id/members", (c) =>
    tools.page(
      c,
      "members",
      (filter) => members.list(idOf(c), filter),
      (row) => row.user_id,
      memberToWire,
    ),
  );
  app.post("/organizations/:id/members", async (c) => {
    const body = await tools.body(c, membersBody);
    await members.add(idOf(c), body.members, body.roles);
    return c.body(null, 204);
  });
  app.delete("/organizations/:id/members/:user", async (c) => {
    await members.remove(idOf(c), c.req.param("user"));
    return c.body(null, 204);
  });
  app.put("/organizations/:id/members/:user/roles", async (c) => {
    const { roles } = await tools.body(c, rolesBody);
    return c.json(memberToWire(await members.setRoles(idOf(c), c.req.param("user"), roles)));
  });

  app.get("/organizations/:id/invitations", (c) =>
    tools.page(
      c,
      "invitations",
      (filter) => invitations.list(idOf(c), filter),
      (row) => row.id,
      invitationToWire,
    ),
  );
  app.post("/organizations/:id/invitations", async (c) => {
    const made = await invitations.create(idOf(c), await tools.body(c, invitationBody), tools.actorId());
    return c.json({ ...invitationToWire(made.row), invitation_url: made.address }, 201);
  });
  app.delete("/organizations/:id/invitations/:invitation", async (c) => {
    await invitations.revoke(idOf(c), c.req.param("invitation"));
    return c.body(null, 204);
  });

  app.get("/organizations/:id/connections", async (c) =>
    c.json({ connections: await settings.connections(idOf(c)) }),
  );
  app.put("/organizations/:id/connections", async (c) => {
    const { connections } = await tools.body(c, connectionsBody);
    return c.json({ connections: await settings.setConnections(idOf(c), connections) });
  });
  app.get("/organizations/:id/domains", async (c) =>
    c.json({ domains: (await settings.domains(idOf(c))).map(domainToWire) }),
  );
  app.post("/organizations/:id/domains", async (c) =>
    c.json(domainToWire(await settings.addDomain(idOf(c), await tools.body(c, domainBody))), 201),
  );
  app.delete("/organizations/:id/domains/:domain", async (c) => {
    await settings.removeDomain(idOf(c), c.req.param("domain"));
    return c.body(null, 204);
  });
  app.get("/organizations/:id/clients", async (c) => c.json({ clients: await settings.clients(idOf(c)) }));
  app.put("/organizations/:id/clients", async (c) => {
    const { clients } = await tools.body(c, clientsBody);
    return c.json({ clients: await settings.setClients(idOf(c), clients) });
  });
  return app;
}
