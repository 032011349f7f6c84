import { Hono } from "hono";
import { z } from "zod";
import type { AdminTools } from "../admin/index.ts";
import type { Role, Roles, UserMetadata } from "./index.ts";

const permissions = z.record(z.string().min(1).max(2_048), z.array(z.string().min(1).max(255)).max(200));
const description = z.string().max(300);
const newRoleBody = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9:._-]{0,63}$/, "lower-case letters, digits, : . _ - (at most 64)"),
  description: description.default(""),
  permissions: permissions.default({}),
});
const roleChangeBody = z.strictObject({ description, permissions }).partial();
const rolesBody = z.strictObject({ roles: z.array(z.string().min(1).max(128)).max(50) });
const members = z.record(z.string().min(1).max(64), z.json());
const metadataBody = z.strictObject({ app_metadata: members, user_metadata: members }).partial();

/** `/admin/v1/roles`, and the roles and metadata of a user; described in `spec/openapi.yaml`. */
export function roleRoutes({ roles, tools }: { roles: Omit<Roles, "adminRoutes">; tools: AdminTools }): Hono {
  const app = new Hono();
  app.get("/roles", async (c) => c.json({ roles: await roles.list() }));
  app.post("/roles", async (c) => c.json(await roles.create(await tools.body(c, newRoleBody)), 201));
  app.get("/roles/:id", async (c) => c.json(await roles.get(c.req.param("id"))));
  app.patch("/roles/:id", async (c) => {
    const { description, permissions } = await tools.body(c, roleChangeBody);
    const change: Partial<Omit<Role, "name" | "source">> = {
      ...(description === undefined ? {} : { description }),
      ...(permissions === undefined ? {} : { permissions }),
    };
    return c.json(await roles.change(c.req.param("id"), change));
  });
  app.delete("/roles/:id", async (c) => {
    await roles.remove(c.req.param("id"));
    return c.body(null, 204);
  });
  app.get("/users/:id/roles", async (c) =>
    c.json({ roles: await roles.rolesOf(c.req.param("id"), undefined) }),
  );
  app.put("/users/:id/roles", async (c) => {
    const body = await tools.body(c, rolesBody);
    return c.json({ roles: await roles.assign(c.req.param("id"), body.roles) });
  });
  app.get("/users/:id/metadata", async (c) =>
    c.json(metadataToWire(await roles.metadataOf(c.req.param("id")))),
  );
  app.patch("/users/:id/metadata", async (c) => {
    const body = await tools.body(c, metadataBody);
    const change: Partial<UserMetadata> = {
      ...(body.app_metadata === undefined ? {} : { app: body.app_metadata }),
      ...(body.user_metadata === undefined ? {} : { user: body.user_metadata }),
    };
    return c.json(metadataToWire(await roles.changeMetadata(c.req.param("id"), change)));
  });
  return app;
}

const metadataToWire = ({ app, user }: UserMetadata) => ({ app_metadata: app, user_metadata: user });
