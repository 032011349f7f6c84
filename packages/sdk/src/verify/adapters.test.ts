import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { type TestContext, test } from "node:test";
import { getRequestListener } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { listen } from "../app/issuer/testing.ts";
import { expressGuard } from "./express.ts";
import { fastifyGuard } from "./fastify.ts";
import { type ApiGuard, createApiGuard } from "./guard.ts";
import { honoGuard } from "./hono.ts";
import { AUDIENCE, ORIGIN, setUpApi } from "./testing.ts";

const METADATA = "/.well-known/oauth-protected-resource/api";
const NEEDS = { scopes: ["orders:read"] };

/** Each serves `GET` and `POST /orders` as `{ user }` for tokens with `orders:read`, and the metadata. */
const FRAMEWORKS: Record<string, (guard: ApiGuard) => RequestListener | Promise<RequestListener>> = {
  Express(guard) {
    const api = expressGuard(guard);
    const app = express();
    app.get(METADATA, api.protectedResourceMetadata);
    app.use(express.json());
    app.all("/orders", api.requireToken(NEEDS), (_request, response) => {
      response.json({ user: api.claimsOf(response).sub });
    });
    return app;
  },
  async Fastify(guard) {
    const api = fastifyGuard(guard);
    let listener: RequestListener | undefined;
    const app = fastify({
      serverFactory: (handler: RequestListener) => {
        listener = handler;
        return createServer(handler);
      },
    });
    app.get(METADATA, api.protectedResourceMetadata);
    app.all("/orders", { preHandler: api.requireToken(NEEDS) }, async (request) => ({
      user: api.claimsOf(request).sub,
    }));
    await app.ready();
    assert.ok(listener);
    return listener;
  },
  Hono(guard) {
    const api = honoGuard(guard);
    const app = new Hono();
    app.get(METADATA, (c) => api.protectedResourceMetadata(c));
    app.all("/orders", api.requireToken(NEEDS), (c) => c.json({ user: api.claimsOf(c).sub }));
    return getRequestListener(app.fetch);
  },
  "a plain handler"(guard) {
    return getRequestListener(async (request) => {
      if (new URL(request.url).pathname === METADATA) return guard.protectedResourceMetadata();
      const claims = await guard.authorize(request, NEEDS);
      return claims instanceof Response ? claims : Response.json({ user: claims.sub });
    });
  },
};

for (const [name, create] of Object.entries(FRAMEWORKS)) {
  const setUp = async (t: TestContext) => {
    const scene = await setUpApi(t, { dpop: "allowed" });
    const server = createServer(await create(createApiGuard(scene.options)));
    return { ...scene, origin: await listen(t, server) };
  };

  test(`${name}: good tokens are let through, others refused with a challenge`, async (t) => {
    const { origin, token } = await setUp(t);
    const ask = async (authorization?: string) =>
      fetch(`${origin}/orders`, authorization ? { headers: { authorization } } : {});
    assert.deepEqual(await (await ask(`Bearer ${await token()}`)).json(), { user: "user:anne" });
    const missing = await ask();
    assert.equal(missing.status, 401);
    assert.match(
      missing.headers.get("www-authenticate") ?? "",
      /Bearer scope="orders:read", resource_metadata="https:\/\/shop/,
    );
    assert.match(missing.headers.get("www-authenticate") ?? "", /DPoP .*algs="ES256 /);
    assert.equal((await ask(`Bearer ${await token({ aud: "https://other.example" })}`)).status, 401);
    const narrow = await ask(`Bearer ${await token({ scope: "orders:create" })}`);
    assert.equal(narrow.status, 403);
    assert.equal((await narrow.json()).code, "token.insufficient_scope");
    assert.equal(narrow.headers.get("cache-control"), "no-store");
  });

  test(`${name}: a proof names the API's own address, not what Host says`, async (t) => {
    const { origin, token, proof, jkt } = await setUp(t);
    const bound = await token({ cnf: { jkt } });
    const ask = async (htu: string) => {
      const headers = { authorization: `DPoP ${bound}`, dpop: await proof(bound, { htu, htm: "POST" }) };
      return (await fetch(`${origin}/orders`, { method: "POST", headers })).status;
    };
    assert.equal(await ask(`${ORIGIN}/orders`), 200);
    assert.equal(await ask(`${origin}/orders`), 401);
  });

  test(`${name}: the metadata names the API and its server`, async (t) => {
    const { origin, peer } = await setUp(t);
    const metadata = await (await fetch(origin + METADATA)).json();
    assert.equal(metadata.resource, AUDIENCE);
    assert.deepEqual(metadata.authorization_servers, [peer.issuer]);
  });

  test(`${name}: 200 interleaved requests each see their own user alone`, async (t) => {
    const { origin, token } = await setUp(t);
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, i) => token({ sub: `user:${i}` })));
    const ask = async (n: number) => {
      const headers = { authorization: `Bearer ${tokens[n % 20]}` };
      const answer = await (await fetch(`${origin}/orders`, { headers })).json();
      assert.deepEqual(answer, { user: `user:${n % 20}` });
    };
    await Promise.all(Array.from({ length: 200 }, (_, n) => ask(n)));
  });
}
