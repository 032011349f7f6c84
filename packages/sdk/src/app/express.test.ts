import { createServer } from "node:http";
import express from "express";
import { expressAuth } from "./express.ts";
import type { AppAuth } from "./index.ts";
import { listen } from "./issuer/testing.ts";
import { appSuite } from "./suite.ts";

function appOf(auth: AppAuth, { parseFirst }: { parseFirst: boolean }) {
  const { routes, requireSession, sessionOf, getAccessToken } = expressAuth(auth);
  const app = express();
  if (parseFirst) app.use(express.json(), express.urlencoded());
  app.use(routes);
  app.get("/me", requireSession, (_request, response) => {
    response.json({ userId: sessionOf(response).userId });
  });
  app.get("/token", async (request, response) => {
    const audience = request.query["audience"];
    try {
      const wish = typeof audience === "string" ? { audience } : {};
      response.json({ token: await getAccessToken(request, response, wish) });
    } catch {
      response.status(401).json({});
    }
  });
  return app;
}

for (const parseFirst of [false, true]) {
  appSuite(parseFirst ? "Express behind body parsers" : "Express", async (t, createAuth) => {
    const server = createServer();
    const origin = await listen(t, server);
    server.on("request", appOf(createAuth(origin), { parseFirst }));
    return origin;
  });
}
