import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { createServer } from "node:http";
import { test } from "node:test";
import { getRequestListener } from "@hono/node-server";
import { listen } from "./issuer/testing.ts";
import { type NextCookies, nextAuth } from "./next.ts";
import { appSuite } from "./suite.ts";
import { setUpLogin } from "./testing.ts";

/** As `next/headers` does it: the cookies of the request that is being answered. */
const answering = new AsyncLocalStorage<Request>();
const cookies: NextCookies = async () => ({
  getAll: () =>
    (answering.getStore()?.headers.get("cookie") ?? "")
      .split("; ")
      .filter(Boolean)
      .map((pair) => {
        const at = pair.indexOf("=");
        return { name: pair.slice(0, at), value: pair.slice(at + 1) };
      }),
});

appSuite("Next.js's shapes", async (t, createAuth) => {
  const server = createServer();
  const origin = await listen(t, server);
  const app = createAuth(origin);
  const auth = nextAuth(app, { cookies });

  async function answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname.startsWith("/auth/"))
      return request.method === "POST" ? auth.POST(request) : auth.GET(request);
    const audience = searchParams.get("audience");
    if (pathname === "/token") {
      const headers = new Headers();
      try {
        const token = await app.getAccessToken(request, audience ? { audience } : {}, headers);
        return Response.json({ token }, { headers });
      } catch {
        return Response.json({}, { status: 401 });
      }
    }
    const session = await auth.getSession();
    const passed = await auth.proxy(request, new Response());
    if (passed.status !== 200) return passed;
    return Response.json({ userId: session?.userId }, { headers: passed.headers });
  }
  server.on(
    "request",
    getRequestListener((request) => answering.run(request, () => answer(request))),
  );
  return origin;
});

test("a server component gets a held token, and in cookie mode no token that it could not keep", async (t) => {
  const scene = await setUpLogin(t, { sessionsIn: "cookie" });
  const auth = nextAuth(scene.session, { cookies });
  await scene.browser.logIn();
  await answering.run(scene.browser.request("/"), async () => {
    assert.equal(await auth.getAccessToken(), "at-login");
    await assert.rejects(auth.getAccessToken({ audience: "https://shop.example" }), {
      code: "session.answer_missing",
    });
  });
});
