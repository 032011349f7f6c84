import { createServer, type RequestListener } from "node:http";
import fastify from "fastify";
import { fastifyAuth } from "./fastify.ts";
import { listen } from "./issuer/testing.ts";
import { appSuite } from "./suite.ts";

appSuite("Fastify", async (t, createAuth) => {
  const server = createServer();
  const origin = await listen(t, server);
  const auth = fastifyAuth(createAuth(origin));
  const app = fastify({
    serverFactory: (handler: RequestListener) => {
      server.on("request", handler);
      return server;
    },
  });
  app.register(auth.routes);
  app.get("/me", { preHandler: auth.requireSession }, async (request) => ({
    userId: auth.sessionOf(request).userId,
  }));
  app.get<{ Querystring: { audience?: string } }>("/token", async (request, reply) => {
    try {
      return { token: await auth.getAccessToken(request, reply, request.query) };
    } catch {
      return reply.code(401).send({});
    }
  });
  await app.ready();
  return origin;
});
