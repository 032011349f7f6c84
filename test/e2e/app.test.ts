import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { createBehalf, createMemoryStore } from "@behalf/sdk";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { signUp } from "../support/person.ts";
import { freePort, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { createUserAgent } from "../support/user-agent.ts";
import { createApi, createApp } from "./app-on-hono.ts";

/** The app and the API of the guides, against a whole server. */
describe("an app and an API on the SDK", () => {
  let server: TestServer;
  let appUrl: string;
  const http = createServer();

  before(async () => {
    const port = await freePort();
    appUrl = `http://localhost:${port}`;
    server = await startTestServer((config) => {
      const [app] = config["clients"] as Record<string, unknown>[]; // as `testConfig` makes it
      Object.assign(app ?? {}, {
        redirectUris: [`${appUrl}/auth/callback`, "http://localhost:3999/auth/callback"],
        postLogoutRedirectUris: [appUrl],
      });
    });
    const store = createMemoryStore();
    const issuer = server.url;
    const behalf = createBehalf({ issuer, clientId: "assistant", clientSecret: TEST_SECRET, store });
    const secret = "a-cookie-secret-of-at-least-32-characters";
    const all = new Hono()
      .route("/", createApi({ issuer }))
      .route("/", createApp(behalf, { appUrl, secret }));
    http.on("request", getRequestListener(all.fetch));
    await new Promise<void>((resolve) => http.listen(port, "localhost", resolve));
  });
  after(async () => {
    http.closeAllConnections();
    http.close();
    await server.close();
  });

  it("log a person in, call the API with a token of theirs, and end all of it", async () => {
    const { agent, userId, email } = await signUp(server.url);
    const page = await agent.open(`${appUrl}/auth/login?returnTo=/orders`);
    assert.equal(page.address, `${appUrl}/orders`);
    assert.deepEqual(JSON.parse(page.text), { user: userId, orders: { of: userId } });
    const profile = await (await agent.fetch(`${appUrl}/auth/profile`)).json();
    assert.equal(profile.email, email);
    const kept = agent.cookies(appUrl);
    const sent = await agent.fetch(`${appUrl}/auth/logout`, { method: "POST", headers: { origin: appUrl } });
    const left = await agent.open(sent.headers.get("location") ?? "", {
      stopAt: (address) => address.startsWith(appUrl),
    });
    assert.equal(
      left.address.replace(/\/$/, ""),
      appUrl,
      "the server asked nothing: the hint says who it is",
    );
    const replayed = await fetch(`${appUrl}/auth/profile`, { headers: { cookie: kept } });
    assert.equal(replayed.status, 401);
    assert.match((await agent.open(`${appUrl}/auth/login`)).text, /Log in/, "the server's login ended too");
  });

  it("refuse what is not theirs: no token, an ID token's place, another browser", async () => {
    assert.equal((await fetch(`${appUrl}/api/orders`)).status, 401);
    const forged = { authorization: "Bearer abc" };
    assert.equal((await fetch(`${appUrl}/api/orders`, { headers: forged })).status, 401);
    const { agent } = await signUp(server.url);
    const stopAt = (address: string) => address.startsWith(`${appUrl}/auth/callback`);
    const { address } = await agent.open(`${appUrl}/auth/login`, { stopAt });
    assert.equal((await createUserAgent().fetch(address)).status, 400);
    assert.equal((await agent.fetch(address)).status, 303);
    assert.equal((await agent.fetch(address)).status, 400, "an answer counts once");
  });
});
