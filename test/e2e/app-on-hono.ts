// #region app
import type { Behalf } from "@behalf/sdk";
import { createAppAuth } from "@behalf/sdk/app";
import { honoAuth } from "@behalf/sdk/app/hono";
import { Hono } from "hono";

/** A web app: everything under `/auth/`, and a page that needs a login. */
export function createApp(behalf: Behalf, { appUrl, secret }: { appUrl: string; secret: string }) {
  const auth = honoAuth(createAppAuth({ behalf, appBaseUrl: appUrl, secret }));
  const app = new Hono();
  app.all("/auth/*", auth.routes);
  app.get("/orders", auth.requireSession, async (c) => {
    const wish = { audience: "https://shop.sandbox.example/", scope: "openid orders:read" };
    const authorization = `Bearer ${await auth.getAccessToken(c, wish)}`;
    const orders = await fetch(`${appUrl}/api/orders`, { headers: { authorization } });
    return c.json({ user: auth.sessionOf(c).userId, orders: await orders.json() });
  });
  return app;
}

// #endregion

// #region api
import { createApiGuard } from "@behalf/sdk/verify";
import { honoGuard } from "@behalf/sdk/verify/hono";

/** An API: takes access tokens of this issuer for this audience, with the scope that a route needs. */
export function createApi({ issuer }: { issuer: string }) {
  const guard = createApiGuard({ issuer, audience: "https://shop.sandbox.example/" });
  const { requireToken, claimsOf, protectedResourceMetadata } = honoGuard(guard);
  const api = new Hono();
  api.get("/.well-known/oauth-protected-resource", protectedResourceMetadata);
  api.get("/api/orders", requireToken({ scopes: ["orders:read"] }), (c) => c.json({ of: claimsOf(c).sub }));
  return api;
}
// #endregion
