import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createSqliteStore } from "./sqlite.ts";
import { storeContract } from "./suite.ts";

storeContract("the SQLite store", { create: ({ clock }) => createSqliteStore({ path: ":memory:", clock }) });

async function temporaryPath(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "behalf-store-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "store.db");
}

test("the SQLite store returns after a restart what was put before", async (t) => {
  const path = await temporaryPath(t);
  const before = createSqliteStore({ path });
  await before.put("key", "value", { ttlSeconds: 60 });
  before.close();
  const after = createSqliteStore({ path });
  t.after(() => after.close());
  assert.equal(await after.get("key"), "value");
});

test("of two connections to one SQLite file, one takes an absent entry and both see it", async (t) => {
  const path = await temporaryPath(t);
  const [first, second] = [createSqliteStore({ path }), createSqliteStore({ path })];
  t.after(() => [first.close(), second.close()]);
  const wins = await Promise.all(
    [first, second].map((store, i) => store.put("key", `owner-${i}`, { ttlSeconds: 60, expect: null })),
  );
  assert.equal(wins.filter(Boolean).length, 1);
  assert.equal(await first.get("key"), await second.get("key"));
});

test("the SQLite store's file is readable by its owner only", async (t) => {
  const path = await temporaryPath(t);
  const store = createSqliteStore({ path });
  t.after(() => store.close());
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test("the SQLite store removes expired entries as it goes", async (t) => {
  const path = await temporaryPath(t);
  const clock = { time: 1_000_000, now: () => clock.time };
  const store = createSqliteStore({ path, clock });
  t.after(() => store.close());
  for (let i = 0; i < 20; i += 1) await store.put(`old-${i}`, "x", { ttlSeconds: 1 });
  clock.time += 5_000;
  await store.put("new-1", "x", { ttlSeconds: 60 });
  await store.put("new-2", "x", { ttlSeconds: 60 });
  clock.time -= 5_000; // what was only hidden, not removed, would be visible again
  const left = await Promise.all(Array.from({ length: 20 }, (_, i) => store.get(`old-${i}`)));
  assert.deepEqual(left.filter(Boolean), []);
});
