import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KyselyPlugin } from "kysely";
import { createLog } from "../lib/log.ts";
import type { Storage } from "../storage/index.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { type Consistency, createResidents } from "./resident.ts";
import { createTestFga, tuple } from "./testing.ts";

const ANNE = "document:1#viewer@user:anne";

const silent = createLog({ write: () => undefined, clock: { now: () => 0 }, level: "silent" });

/** A database whose answers are held back while the gate is closed. */
function gated(storage: Storage) {
  let opened = Promise.withResolvers<void>();
  let arrived = Promise.withResolvers<void>();
  opened.resolve();
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      arrived.resolve();
      await opened.promise;
      return result;
    },
  };
  return {
    storage: { ...storage, db: <T>() => storage.db<T>().withPlugin(plugin) },
    close() {
      opened = Promise.withResolvers();
      arrived = Promise.withResolvers();
    },
    open: () => opened.resolve(),
    waiting: () => arrived.promise,
  };
}

for (const engine of testEngines())
  describe(`the index in memory on ${engine.name}`, () => {
    it("is the same after a restart as before, whatever was written and deleted", async () => {
      const storage = await openTestStorage(engine.open);
      const first = createTestFga(storage);
      const store = await first.store();
      await store.write(ANNE, "document:2#viewer@user:anne", "document:3#viewer@user:*");
      await store.remove("document:2#viewer@user:anne");
      await store.write("document:2#viewer@user:bob");
      const restarted = await createTestFga(storage).openStore(store.id);
      const ask = { type: "document", relation: "viewer", user: "user:anne" };
      const objects = (await restarted.at("list-objects", ask)).body.objects.sort();
      assert.deepEqual(objects, ["document:1", "document:3"]);
      assert.deepEqual(objects, (await store.at("list-objects", ask)).body.objects.sort());
      await storage.close();
    });

    it("is loaded once for many who ask at the same time", async () => {
      const storage = await openTestStorage(engine.open);
      const store = await createTestFga(storage).store();
      await store.write(ANNE);
      const cold = await createTestFga(storage).openStore(store.id);
      const answers = await Promise.all(Array.from({ length: 40 }, () => cold.allowed(ANNE)));
      assert.deepEqual(answers, Array(40).fill(true));
      await storage.close();
    });

    it("loses no write that comes in while it is loaded", async () => {
      const storage = await openTestStorage(engine.open);
      const store = await createTestFga(storage).store();
      for (let page = 0; page < 30; page++)
        await store.write(...Array.from({ length: 100 }, (_, i) => `document:${page}-${i}#viewer@user:anne`));
      const cold = await createTestFga(storage).openStore(store.id);
      const loading = cold.allowed("document:29-99#viewer@user:anne");
      const written = await Promise.all([
        cold.write("document:new#viewer@user:anne"),
        cold.remove("document:0-0#viewer@user:anne"),
      ]);
      assert.deepEqual(
        written.map(({ status }) => status),
        [200, 200],
      );
      assert.equal(await loading, true);
      assert.equal(await cold.allowed("document:new#viewer@user:anne"), true);
      assert.equal(await cold.allowed("document:0-0#viewer@user:anne"), false);
      await storage.close();
    });

    it("holds nothing of a write that failed", async () => {
      const storage = await openTestStorage(engine.open);
      const store = await createTestFga(storage).store();
      await store.write(ANNE);
      assert.equal(await store.allowed(ANNE), true);
      const { status } = await store.at("write", {
        deletes: { tuple_keys: [tuple(ANNE)] },
        writes: { tuple_keys: [tuple("document:2#viewer@user:anne")] },
        authorization_model_id: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
      });
      assert.equal(status, 400);
      await store.remove(ANNE, "document:404#viewer@user:anne");
      assert.equal(await store.allowed(ANNE), true);
      assert.equal(await store.allowed("document:2#viewer@user:anne"), false);
      await storage.close();
    });

    it("asks the database when a commit was done and its answer lost", async () => {
      const storage = await openTestStorage(engine.open);
      let losesAnswers = false;
      const flaky: Storage = {
        ...storage,
        async transaction(work) {
          const result = await storage.transaction(work);
          if (losesAnswers) throw new Error("the connection broke");
          return result;
        },
      };
      const store = await createTestFga(flaky).store();
      assert.equal(await store.allowed(ANNE), false);
      losesAnswers = true;
      assert.equal((await store.write(ANNE)).status, 500);
      assert.equal(await store.allowed(ANNE), true);
      losesAnswers = false;
      assert.equal((await store.write(ANNE)).body.code, "write_failed_due_to_invalid_input");
      await storage.close();
    });

    it("is given up for another store's when the limit is reached, and loaded again", async () => {
      const storage = await openTestStorage(engine.open);
      const fga = createTestFga(storage, { limits: { maxStores: 2 } });
      const stores = [await fga.store(), await fga.store(), await fga.store()];
      for (const store of stores) {
        await store.write(ANNE);
        assert.equal(await store.allowed(ANNE), true);
      }
      assert.ok(fga.log.some((line) => line.includes("fga index dropped")));
      for (const store of stores) assert.equal(await store.allowed(ANNE), true);
      await storage.close();
    });
  });

for (const engine of testEngines().filter(({ name }) => name === "PostgreSQL"))
  describe("the indexes of two processes on PostgreSQL", () => {
    async function twoProcesses() {
      const storage = await openTestStorage(engine.open);
      const [one, other] = [createTestFga(storage), createTestFga(storage)];
      const store = await one.store();
      const same = await other.openStore(store.id);
      return { storage, one, other, store, same };
    }
    const consistencies: readonly Consistency[] = ["HIGHER_CONSISTENCY", "UNSPECIFIED"];
    for (const consistency of consistencies)
      it(`see each other's writes at once with ${consistency}`, async () => {
        const { storage, store, same } = await twoProcesses();
        for (let i = 0; i < 10; i++) {
          const [writer, reader] = i % 2 === 0 ? [store, same] : [same, store];
          const key = `document:${i}#viewer@user:anne`;
          await writer.write(key);
          assert.equal(await reader.allowed(key, { consistency }), true);
          await writer.remove(key);
          assert.equal(await reader.allowed(key, { consistency }), false);
        }
        await storage.close();
      });

    it("may be one second old where latency matters more", async () => {
      const { storage, other, store, same } = await twoProcesses();
      const consistency = "MINIMIZE_LATENCY";
      assert.equal(await same.allowed(ANNE, { consistency }), false);
      await store.write(ANNE);
      assert.equal(await same.allowed(ANNE, { consistency }), false);
      other.time.now += 1_000;
      assert.equal(await same.allowed(ANNE, { consistency }), true);
      await storage.close();
    });

    it("hold a process's own writes at once also where latency matters more", async () => {
      const { storage, store, same } = await twoProcesses();
      const consistency = "MINIMIZE_LATENCY";
      assert.equal(await same.allowed(ANNE, { consistency }), false);
      await store.write("document:2#viewer@user:anne");
      await same.write(ANNE);
      assert.equal(await same.allowed(ANNE, { consistency }), true);
      assert.equal(await same.allowed("document:2#viewer@user:anne", { consistency }), true);
      await storage.close();
    });

    it("use each other's newest model", async () => {
      const { storage, one, store, same } = await twoProcesses();
      await store.write(ANNE);
      assert.equal(await same.allowed(ANNE), true);
      one.time.now += 1;
      await store.at("authorization-models", { schema_version: "1.1", type_definitions: [{ type: "user" }] });
      const { body } = await same.at("check", { tuple_key: tuple(ANNE) });
      assert.equal(body.message, "type 'document' not found");
      await storage.close();
    });

    it("answer no more when the other has deleted the store", async () => {
      const { storage, one, store, same } = await twoProcesses();
      await store.write(ANNE);
      assert.equal(await same.allowed(ANNE), true);
      await one.call("DELETE", `/stores/${store.id}`);
      const { body } = await same.at("check", { tuple_key: tuple(ANNE) });
      assert.equal(body.code, "latest_authorization_model_not_found");
      await storage.close();
    });

    it("agree with the database after both wrote and deleted the same keys at once", async () => {
      const { storage, store, same } = await twoProcesses();
      await Promise.all([store.allowed(ANNE), same.allowed(ANNE)]);
      const keys = Array.from({ length: 5 }, (_, i) => `document:${i}#viewer@user:anne`);
      await Promise.all(
        Array.from({ length: 60 }, (_, i) => {
          const process = i % 2 === 0 ? store : same;
          const key = keys[i % keys.length] ?? "";
          return i % 3 === 0 ? process.remove(key) : process.write(key);
        }),
      );
      const stored = (await store.at("read", {})).body.tuples.map(
        (item: { key: { object: string } }) => item.key.object,
      );
      for (const process of [store, same])
        for (const key of keys)
          assert.equal(await process.allowed(key), stored.includes(tuple(key).object), key);
      await storage.close();
    });

    it("catch up with more changes than are read at once", async () => {
      const { storage, store, same } = await twoProcesses();
      assert.equal(await same.allowed(ANNE), false);
      for (let page = 0; page < 25; page++)
        await store.write(...Array.from({ length: 100 }, (_, i) => `document:${page}-${i}#viewer@user:anne`));
      assert.equal(await same.allowed("document:24-99#viewer@user:anne"), true);
      await storage.close();
    });

    it("do not take an answer that was on its way before a write for one that came after", async () => {
      const { storage, store } = await twoProcesses();
      const gate = gated(storage);
      const residents = createResidents({ storage: gate.storage, clock: { now: () => 0 }, log: silent });
      await residents.open(store.id, "HIGHER_CONSISTENCY");
      gate.close();
      const early = residents.open(store.id, "HIGHER_CONSISTENCY");
      await gate.waiting();
      await store.write(ANNE);
      const late = residents.open(store.id, "HIGHER_CONSISTENCY");
      gate.open();
      assert.ok(
        (await late)?.tuples.get(tuple(ANNE)),
        "what was written before the question is in the answer",
      );
      await early;
      await storage.close();
    });

    it("that disagree with the log do not answer: they are dropped and loaded anew", async () => {
      const { storage, store } = await twoProcesses();
      await store.write(ANNE);
      const residents = createResidents({ storage, clock: { now: () => 0 }, log: silent });
      const resident = await residents.open(store.id, "UNSPECIFIED");
      resident?.tuples.remove(tuple(ANNE));
      await store.remove(ANNE);
      await assert.rejects(residents.open(store.id, "UNSPECIFIED"), /disagrees with change/);
      const again = await residents.open(store.id, "UNSPECIFIED");
      assert.equal(again?.tuples.size, 0);
      await storage.close();
    });
  });
