import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ConsistencyPreference, CredentialsMethod, type OpenFgaClient, type TupleKey } from "@openfga/sdk";
import { engines } from "../support/engines.ts";
import { allowFga, credentials, FGA_KEY, fgaClient, MODEL, startFgaProcess } from "../support/fga.ts";
import { startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";

const ANNE: TupleKey = { user: "user:anne", relation: "viewer", object: "document:1" };
const consistency = ConsistencyPreference.HigherConsistency;

/** A store with the model, chosen by the client. */
async function newStore(client: OpenFgaClient): Promise<OpenFgaClient> {
  client.storeId = (await client.createStore({ name: "e2e" })).id;
  await client.writeAuthorizationModel(MODEL);
  return client;
}

for (const engine of engines)
  for (const [method, credentialsOf] of Object.entries(credentials))
    describe(`OpenFGA's SDK with ${method} on ${engine.name}`, () => {
      let server: TestServer;
      let client: OpenFgaClient;

      before(async () => {
        const storage = await engine.storage();
        server = await startTestServer(
          (config) => {
            config["storage"] = storage;
            allowFga(config);
          },
          { env: { FGA_KEY } },
        );
        client = fgaClient(server.url, { credentials: credentialsOf(server.url) });
      });
      after(() => server.close());

      it("makes, shows, lists and deletes stores", async () => {
        const { id } = await client.createStore({ name: "one store" });
        assert.equal((await client.getStore({ storeId: id })).name, "one store");
        const { stores } = await client.listStores({ name: "one store" });
        assert.deepEqual(
          stores.map((store) => store.id),
          [id],
        );
        await client.deleteStore({ storeId: id });
        await assert.rejects(client.getStore({ storeId: id }), {
          statusCode: 404,
          apiErrorCode: "store_id_not_found",
        });
      });

      it("writes and reads models", async () => {
        const own = await newStore(client);
        const { authorization_model_id: id } = await own.writeAuthorizationModel(MODEL);
        const { authorization_models: models } = await own.readAuthorizationModels();
        assert.equal(models.length, 2);
        assert.equal(models[0]?.id, id);
        const { authorization_model: latest } = await own.readLatestAuthorizationModel();
        assert.equal(latest?.id, id);
        const { authorization_model: found } = await own.readAuthorizationModel({ authorizationModelId: id });
        assert.equal(found?.type_definitions.length, 3);
      });

      it("writes, reads, checks and deletes tuples", async () => {
        const own = await newStore(client);
        await own.writeTuples([ANNE, { ...ANNE, object: "document:2" }]);
        const { tuples } = await own.read({ object: "document:1" });
        assert.deepEqual(
          tuples.map(({ key }) => key.user),
          ["user:anne"],
        );
        assert.equal((await own.check(ANNE)).allowed, true);
        await own.deleteTuples([ANNE]);
        assert.equal((await own.check(ANNE)).allowed, false);
      });

      it("checks in batches, and lists which relations a user has", async () => {
        const own = await newStore(client);
        await own.writeTuples([ANNE]);
        const { result } = await own.batchCheck({
          checks: Array.from({ length: 60 }, (_, i) => ({
            ...ANNE,
            object: `document:${i}`,
            correlationId: String(i),
          })),
        });
        assert.equal(result.length, 60);
        const allowed = result.filter((item) => item.allowed).map((item) => item.correlationId);
        assert.deepEqual(allowed, ["1"]);
        const relations = await own.listRelations({ ...ANNE, relations: ["viewer"] });
        assert.deepEqual(relations.relations, ["viewer"]);
      });

      it("lists objects, also as a stream, and users", async () => {
        const own = await newStore(client);
        await own.writeTuples([
          { user: "user:anne", relation: "member", object: "group:eng" },
          { user: "group:eng#member", relation: "viewer", object: "document:1" },
        ]);
        const request = { user: "user:anne", relation: "viewer", type: "document" };
        assert.deepEqual((await own.listObjects(request)).objects, ["document:1"]);
        const streamed = [];
        for await (const { object } of own.streamedListObjects(request)) streamed.push(object);
        assert.deepEqual(streamed, ["document:1"]);
        const { users } = await own.listUsers({
          object: { type: "document", id: "1" },
          relation: "viewer",
          user_filters: [{ type: "user" }],
        });
        assert.deepEqual(users, [{ object: { type: "user", id: "anne" } }]);
      });

      it("expands a relation and reads changes until there are none", async () => {
        const own = await newStore(client);
        await own.writeTuples([ANNE]);
        const { tree } = await own.expand({ relation: "viewer", object: "document:1" });
        assert.deepEqual(tree?.root?.leaf?.users?.users, ["user:anne"]);
        const first = await own.readChanges();
        assert.deepEqual(
          first.changes.map(({ operation }) => operation),
          ["TUPLE_OPERATION_WRITE"],
        );
        const token = first.continuation_token ?? "";
        const next = await own.readChanges(undefined, { continuationToken: token });
        assert.deepEqual([next.changes, next.continuation_token], [[], token]);
      });

      it("keeps assertions", async () => {
        const own = await newStore(client);
        const { authorization_model_id: id } = await own.writeAuthorizationModel(MODEL);
        await own.writeAssertions([{ ...ANNE, expectation: true }], { authorizationModelId: id });
        const { assertions } = await own.readAssertions({ authorizationModelId: id });
        assert.equal(assertions?.[0]?.expectation, true);
      });

      it("is told by code and message what is wrong, with the id of the request", async () => {
        const own = await newStore(client);
        await own.writeTuples([ANNE]);
        const error = await own.writeTuples([ANNE]).then(
          () => assert.fail("a tuple that is there must be refused"),
          (reason: { statusCode: number; apiErrorCode: string; requestId: string }) => reason,
        );
        assert.deepEqual([error.statusCode, error.apiErrorCode], [400, "write_failed_due_to_invalid_input"]);
        assert.match(error.requestId, /^req_/);
      });
    });

for (const engine of engines)
  describe(`the FGA API on ${engine.name} as a server gives it`, () => {
    let server: TestServer;
    let client: OpenFgaClient;
    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer(
        (config) => {
          config["storage"] = storage;
          allowFga(config);
        },
        { env: { FGA_KEY } },
      );
      client = await newStore(fgaClient(server.url));
    });
    after(() => server.close());

    const raw = (path: string, init: RequestInit & { key?: string | null } = {}) =>
      fetch(`${server.url}stores/${client.storeId}/${path}`, {
        method: "POST",
        ...init,
        headers: init.key === null ? {} : { authorization: `Bearer ${init.key ?? FGA_KEY}` },
      });

    it("refuses a wrong key and no key before it reads anything", async () => {
      for (const path of ["check", "write"]) {
        const wrong = await raw(path, { key: "wrong", body: "{" });
        assert.deepEqual([wrong.status, (await wrong.json()).code], [401, "unauthenticated"]);
        const none = await raw(path, { key: null, body: "{" });
        assert.deepEqual([none.status, (await none.json()).code], [401, "bearer_token_missing"]);
      }
    });

    it("refuses an access token for another API", async () => {
      const answer = await fetch(`${server.url}oauth/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          grant_type: "client_credentials",
          client_id: "assistant",
          client_secret: TEST_SECRET,
          audience: "https://shop.sandbox.example/",
        }),
      });
      const { access_token: token } = await answer.json();
      assert.ok(token);
      const response = await raw("check", { key: token, body: "{}" });
      assert.deepEqual([response.status, (await response.json()).code], [401, "unauthenticated"]);
    });

    it("gives no token for it to a client that may not have one", async () => {
      const strange = fgaClient(server.url, {
        storeId: client.storeId ?? "",
        credentials: {
          method: CredentialsMethod.ClientCredentials,
          config: {
            clientId: "other",
            clientSecret: TEST_SECRET,
            apiTokenIssuer: `${server.url}oauth/token`,
            apiAudience: `${server.url}fga/`,
          },
        },
      });
      await assert.rejects(strange.check(ANNE), { name: "FgaApiAuthenticationError" });
    });

    it("names request, store and model in headers, and refuses what is no UTF-8 or too large", async () => {
      const good = await raw("check", { body: JSON.stringify({ tuple_key: ANNE }) });
      assert.equal(good.headers.get("openfga-store-id"), client.storeId);
      assert.match(good.headers.get("openfga-authorization-model-id") ?? "", /^[0-9A-Z]{26}$/);
      assert.match(good.headers.get("x-request-id") ?? "", /^req_/);
      for (const path of ["check", "write"]) {
        const bytes = await raw(path, { body: Buffer.from([0x7b, 0xff, 0x7d]) });
        assert.deepEqual([bytes.status, (await bytes.json()).code], [400, "validation_error"]);
        const large = await raw(path, { body: "x".repeat(700_000) });
        assert.deepEqual([large.status, (await large.json()).code], [400, "exceeded_entity_limit"]);
      }
    });

    it("serves the next request of a connection after one that was refused", async () => {
      for (let i = 0; i < 3; i++) {
        await (await raw("check", { key: "wrong", body: "x".repeat(100_000) })).text();
        const next = await raw("check", { body: JSON.stringify({ tuple_key: ANNE }) });
        assert.equal(next.status, 200);
      }
    });

    it("has no such path behind an endpoint, and none without store", async () => {
      for (const path of ["check/more", "check/"]) {
        const response = await raw(path, { body: "{}" });
        assert.deepEqual([response.status, (await response.json()).code], [404, "undefined_endpoint"], path);
      }
      const get = await raw("check", { method: "GET" });
      assert.deepEqual([get.status, (await get.json()).code], [404, "undefined_endpoint"]);
    });

    it("lets exactly one of 40 writers of one key win", async () => {
      const key = { ...ANNE, object: "document:contended" };
      const results = await Promise.allSettled(Array.from({ length: 40 }, () => client.writeTuples([key])));
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
      assert.equal((await client.check(key)).allowed, true);
    });
  });

describe("servers on one PostgreSQL database", () => {
  const postgres = engines.find(({ name }) => name === "PostgreSQL");

  it("see each other's writes and deletes at once with higher consistency", {
    skip: postgres ? false : "BEHALF_TEST_POSTGRES is not set",
  }, async () => {
    const storage = (await postgres?.storage()) ?? "";
    const servers = [await startFgaProcess(storage), await startFgaProcess(storage)] as const;
    try {
      const one = await newStore(fgaClient(servers[0].url));
      const other = fgaClient(servers[1].url, { storeId: one.storeId ?? "" });
      for (let i = 0; i < 10; i++) {
        const key = { ...ANNE, object: `document:${i}` };
        const [writer, reader] = i % 2 === 0 ? [one, other] : [other, one];
        await writer.writeTuples([key]);
        assert.equal((await reader.check(key, { consistency })).allowed, true);
        await writer.deleteTuples([key]);
        assert.equal((await reader.check(key, { consistency })).allowed, false);
      }
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });
});

describe("a server that is killed while tuples are written", () => {
  for (const engine of engines)
    it(`has every tuple that it acknowledged, and nothing half, on ${engine.name}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "behalf-fga-kill-"));
      const storage =
        engine.name === "SQLite" ? `sqlite:${join(folder, "behalf.db")}` : await engine.storage();
      let server = await startFgaProcess(storage);
      const client = await newStore(fgaClient(server.url));
      const acknowledged: string[] = [];
      const write = async (writer: number) => {
        for (let i = 0; ; i++) {
          const pair = [`document:${writer}-${i}-a`, `document:${writer}-${i}-b`];
          await client.writeTuples(pair.map((object) => ({ ...ANNE, object })));
          acknowledged.push(...pair);
        }
      };
      const writers = Promise.allSettled(Array.from({ length: 8 }, (_, i) => write(i)));
      while (acknowledged.length < 200) await new Promise((resolve) => setTimeout(resolve, 5));
      await server.stop("SIGKILL");
      await writers;

      server = await startFgaProcess(storage);
      try {
        const again = fgaClient(server.url, { storeId: client.storeId ?? "" });
        const request = { user: "user:anne", relation: "viewer", type: "document" };
        const stored = new Set<string>();
        for await (const { object } of again.streamedListObjects(request)) stored.add(object);
        assert.deepEqual(
          acknowledged.filter((object) => !stored.has(object)),
          [],
        );
        const half = [...stored].filter((object) => !stored.has(object.replace(/[ab]$/, otherOfPair)));
        assert.deepEqual(half, []);
      } finally {
        await server.stop();
        rmSync(folder, { recursive: true, force: true });
      }
    });
});

function otherOfPair(letter: string): string {
  return letter === "a" ? "b" : "a";
}
