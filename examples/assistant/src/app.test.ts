import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createMemoryStore } from "@behalf/sdk";
import { createAppAuth } from "@behalf/sdk/app";
import { createBehalf } from "@behalf/sdk/vercel";
import { createApp } from "./app.ts";
import { createConversations } from "./chat.ts";
import { createChatStore } from "./chat-store.ts";
import { openDatabase } from "./database.ts";
import { createOfflineModel } from "./offline-model.ts";
import { createShop } from "./tools/shop.ts";

const APP = "http://localhost:3000";
const ISSUER = "http://localhost:4000/";

/** The app with nobody logged in; nothing outside of it is asked. */
function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "assistant-test-"));
  const db = openDatabase(folder);
  t.after(() => {
    db.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const store = createChatStore(db, Date.now);
  const secret = "a-secret-of-more-than-32-characters";
  const behalf = createBehalf({
    issuer: ISSUER,
    clientId: "assistant",
    clientSecret: secret,
    store: createMemoryStore(),
  });
  const model = { model: createOfflineModel(), label: "Scripted, offline", offline: true };
  const asset = (path: string) => ({ path, type: "text/plain", body: path });
  const app = createApp({
    appUrl: APP,
    issuer: ISSUER,
    calendarConnection: "calendar",
    session: createAppAuth({ behalf, appBaseUrl: APP, secret }),
    store,
    conversations: createConversations({ behalf, store, model: model.model, logError: () => undefined }),
    shop: createShop({ url: "http://127.0.0.1:9" }),
    model,
    assets: { script: asset("/assets/s.js"), style: asset("/assets/s.css"), close: asset("/assets/c.js") },
    tools: () => assert.fail("no tool may be made for nobody"),
    welcome: () => assert.fail("nobody can be welcomed"),
    logError: () => undefined,
  });
  const { id } = store.create("anne");
  return { app, messages: `${APP}/api/chats/${id}/messages`, chat: `${APP}/chat/${id}` };
}

const JSON_BODY = { "content-type": "application/json" };

describe("the app without a login", () => {
  it("shows the start page with a policy that lets nothing foreign in", async (t) => {
    const { app } = setUp(t);
    const response = await app.request(`${APP}/`);
    assert.equal(response.status, 200);
    assert.match(await response.text(), /Create an account/);
    const policy = response.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|\*/);
    assert.equal(response.headers.get("x-frame-options"), "DENY");
  });

  it("leads from a conversation to the start page", async (t) => {
    const { app, chat } = setUp(t);
    const response = await app.request(chat);
    assert.deepEqual([response.status, response.headers.get("location")], [303, "/"]);
  });

  it("answers the API with login.required", async (t) => {
    const { app, messages } = setUp(t);
    const response = await app.request(messages, {
      method: "POST",
      headers: { ...JSON_BODY, origin: APP },
      body: JSON.stringify({ message: { id: "m", text: "hello" } }),
    });
    assert.equal(response.status, 401);
    assert.equal((await response.json()).code, "login.required");
  });

  for (const [what, headers] of [
    ["another site", { origin: "https://evil.example" }],
    ["another port of this host", { origin: "http://localhost:4000" }],
    ["a page without an origin", { origin: "null" }],
    ["a cross-site form", { "sec-fetch-site": "cross-site" }],
    ["a same-site form", { "sec-fetch-site": "same-site" }],
  ] as const)
    it(`refuses what ${what} sends`, async (t) => {
      const { app, messages } = setUp(t);
      const response = await app.request(messages, { method: "POST", headers: { ...JSON_BODY, ...headers } });
      assert.equal(response.status, 403);
      assert.equal((await response.json()).code, "request.foreign");
    });

  it("refuses a body that is too large before reading it", async (t) => {
    const { app, messages } = setUp(t);
    const body = "x".repeat(40_000);
    const headers = { ...JSON_BODY, origin: APP, "content-length": String(body.length) };
    const response = await app.request(messages, { method: "POST", headers, body });
    assert.equal(response.status, 413);
  });

  it("sends whoever opened it under another name of this machine to its own address", async (t) => {
    const { app } = setUp(t);
    const response = await app.request("http://127.0.0.1:3000/chat?x=1");
    assert.deepEqual([response.status, response.headers.get("location")], [307, `${APP}/chat?x=1`]);
  });

  it("does not put what an address says into the page for connected accounts", async (t) => {
    const { app } = setUp(t);
    const odd = await app.request(`${APP}/connected?connect_error=%22%3E%3Cscript%3E`);
    assert.doesNotMatch(await odd.text(), /<script>/);
    const refused = await app.request(`${APP}/connected?connect_error=access_denied`);
    assert.match(await refused.text(), /You did not allow the access/);
  });
});
