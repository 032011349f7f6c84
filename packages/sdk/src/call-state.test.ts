import assert from "node:assert/strict";
import { test } from "node:test";
import { stateSlot } from "./call-state.ts";
import { createMemoryStore, type Store } from "./store.ts";
import { behalfOf } from "./testing.ts";

const runtimeOf = (store: Store) => behalfOf({ issuer: "http://127.0.0.1:9/" }, { store }).runtime;

test("state is read as it was written, until it is removed", async () => {
  const slot = stateSlot<{ n: number }>(runtimeOf(createMemoryStore()), "kind", ["a"]);
  assert.equal(await slot.read(), undefined);
  await slot.write({ n: 1 }, 60);
  assert.deepEqual(await slot.read(), { n: 1 });
  await slot.remove();
  assert.equal(await slot.read(), undefined);
});

test("a value moved to another key by whoever controls the store is not accepted there", async () => {
  const store = createMemoryStore();
  const keys: string[] = [];
  const spying: Store = {
    ...store,
    put(key, ...rest) {
      keys.push(key);
      return store.put(key, ...rest);
    },
  };
  const [anne, bob] = ["anne", "bob"].map((user) => stateSlot<string>(runtimeOf(spying), "kind", [user]));
  await anne?.write("token of anne", 60);
  await bob?.write("token of bob", 60);
  const [annesKey = "", bobsKey = ""] = keys;
  await store.put(bobsKey, (await store.get(annesKey)) ?? "", { ttlSeconds: 60 });
  await assert.rejects(bob?.read() ?? Promise.resolve(), { code: "store.unreadable" });
});

test("what runs exclusively never overlaps", async () => {
  const runtime = runtimeOf(createMemoryStore());
  let inside = 0;
  let overlaps = 0;
  const work = () =>
    stateSlot(runtime, "kind", ["a"]).exclusively(async () => {
      inside += 1;
      if (inside > 1) overlaps += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside -= 1;
    });
  await Promise.all(Array.from({ length: 8 }, work));
  assert.equal(overlaps, 0);
});

test("exclusive work on different slots runs side by side", async () => {
  const runtime = runtimeOf(createMemoryStore());
  await stateSlot(runtime, "kind", ["a"]).exclusively(async () => {
    await stateSlot(runtime, "kind", ["b"]).exclusively(async () => {});
  });
});

test("a failure inside exclusive work is passed on and frees the slot", async () => {
  const slot = stateSlot(runtimeOf(createMemoryStore()), "kind", ["a"]);
  await assert.rejects(
    slot.exclusively(() => Promise.reject(new Error("inside"))),
    { message: "inside" },
  );
  assert.equal(await slot.exclusively(async () => "free"), "free");
});

test("a holder that stays busy longer than the wait makes others come back later", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const runtime = runtimeOf(createMemoryStore());
  const slot = stateSlot(runtime, "kind", ["a"]);
  let finish = () => {};
  const held = slot.exclusively(() => new Promise<void>((resolve) => (finish = resolve)));
  const refused = assert.rejects(
    slot.exclusively(async () => "never"),
    { code: "call.in_progress", retryable: true, retryAfterSeconds: 2 },
  );
  for (let i = 0; i < 100; i += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(100);
  }
  await refused;
  finish();
  await held;
});
