import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createAudit } from "../audit/index.ts";
import { randomBytes } from "../crypto/random.ts";
import { createIds } from "../lib/ids.ts";
import type { Storage } from "../storage/index.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { createRegistration } from "./registration.ts";
import type { OAuthTables } from "./store.ts";

const CALLBACK = "https://app.example/callback";
const HOUR_MS = 3_600_000;

/** The registration endpoint on loopback, over a real database. */
async function setUp(t: TestContext, open: () => Promise<Storage>) {
  const storage = await openTestStorage(open);
  const time = { now: Date.UTC(2026, 0, 1) };
  const clock = { now: () => time.now };
  const audit = createAudit({ storage, clock });
  const ids = createIds({ clock, random: randomBytes });
  const registration = createRegistration({ storage, audit, clock, ids });
  const server = createServer((incoming, outgoing) => void registration.handle(incoming, outgoing));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await storage.close();
  });
  const { port } = server.address() as AddressInfo; // a TCP server has one
  return {
    time,
    audit,
    async register(body: unknown) {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: text });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    clients: () => storage.db<OAuthTables>().selectFrom("clients").selectAll().execute(),
  };
}

for (const engine of testEngines())
  describe(`registering a client on ${engine.name}`, () => {
    it("makes a public client with two grants and no API, and records it", async (t) => {
      const { register, clients, audit } = await setUp(t, engine.open);
      const { status, body } = await register({
        client_name: "Notes",
        redirect_uris: [CALLBACK, "http://127.0.0.1:8080/callback"],
        token_endpoint_auth_method: "client_secret_post",
        grant_types: ["client_credentials"],
        apis: { "https://shop.example/": { scopes: ["buy"] } },
      });
      assert.equal(status, 201);
      assert.match(String(body["client_id"]), /^tpc_/);
      assert.equal(body["token_endpoint_auth_method"], "none");
      assert.deepEqual(body["grant_types"], ["authorization_code", "refresh_token"]);
      assert.equal("client_secret" in body, false);
      const [row] = await clients();
      assert.equal(row?.secret_hash, null);
      assert.deepEqual(JSON.parse(row?.metadata ?? ""), {
        name: "Notes",
        redirectUris: [CALLBACK, "http://127.0.0.1:8080/callback"],
        grantTypes: ["authorization_code", "refresh_token"],
      });
      const { events } = await audit.list({ limit: 10 });
      assert.deepEqual(
        events.map((event) => event.client_id),
        [body["client_id"]],
      );
    });

    it("refuses what is malformed as invalid_client_metadata and keeps nothing of it", async (t) => {
      const { register, clients } = await setUp(t, engine.open);
      for (const metadata of [
        "",
        "not json",
        "[]",
        "null",
        {},
        { redirect_uris: [] },
        { redirect_uris: CALLBACK },
        { redirect_uris: [1] },
        { redirect_uris: Array.from({ length: 21 }, (_, i) => `${CALLBACK}/${i}`) },
        { redirect_uris: [`${CALLBACK}/${"x".repeat(2_048)}`] },
        { redirect_uris: [CALLBACK], client_name: "" },
        { redirect_uris: [CALLBACK], client_name: "x".repeat(201) },
      ]) {
        const { status, body } = await register(metadata);
        assert.deepEqual([status, body["error"]], [400, "invalid_client_metadata"], JSON.stringify(metadata));
        assert.equal(typeof body["error_description"], "string");
      }
      assert.deepEqual(await clients(), []);
    });

    it("refuses a body of more than 16 KiB", async (t) => {
      const { register, clients } = await setUp(t, engine.open);
      const { status, body } = await register({ redirect_uris: [CALLBACK], padding: "x".repeat(20_000) });
      assert.deepEqual([status, body["error"]], [413, "invalid_client_metadata"]);
      assert.deepEqual(await clients(), []);
    });

    it("refuses an address that others could read as invalid_redirect_uri", async (t) => {
      const { register, clients } = await setUp(t, engine.open);
      for (const uri of [
        "http://app.example/callback",
        "app:/callback",
        "javascript:alert(1)",
        "https://app.example/callback#fragment",
        "https://user@app.example/callback",
        "https://app.example\\@evil.example/",
        "http://localhost.evil.example/",
      ]) {
        const { status, body } = await register({ redirect_uris: [CALLBACK, uri] });
        assert.deepEqual([status, body["error"]], [400, "invalid_redirect_uri"], uri);
      }
      assert.deepEqual(await clients(), []);
    });

    it("takes twenty registrations an hour from one address", async (t) => {
      const { register, clients, time } = await setUp(t, engine.open);
      const metadata = { redirect_uris: [CALLBACK] };
      const statuses = [];
      for (let i = 0; i < 21; i++) statuses.push((await register(metadata)).status);
      assert.deepEqual(statuses, [...Array(20).fill(201), 429]);
      assert.equal((await clients()).length, 20);
      time.now += HOUR_MS;
      assert.equal((await register(metadata)).status, 201);
    });
  });
