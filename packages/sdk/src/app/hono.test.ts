import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { honoAuth } from "./hono.ts";
import { listen } from "./issuer/testing.ts";
import { appSuite } from "./suite.ts";

appSuite("Hono", async (t, createAuth) => {
  const server = createServer();
  const origin = await listen(t, server);
  const auth = honoAuth(createAuth(origin));
  const app = new Hono();
  app.all("/auth/*", auth.routes);
  app.get("/me", auth.requireSession, (c) => c.json({ userId: auth.sessionOf(c).userId }));
  app.get("/token", async (c) => {
    const audience = c.req.query("audience");
    try {
      return c.json({ token: await auth.getAccessToken(c, audience ? { audience } : {}) });
    } catch {
      return c.json({}, 401);
    }
  });
  server.on("request", getRequestListener(app.fetch));
  return origin;
});
