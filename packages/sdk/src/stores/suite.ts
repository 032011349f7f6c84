import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock, Store } from "../store.ts";

/** A store under test and the clock it reads. */
export interface StoreUnderTest {
  create(options: { clock: Clock }): Store | Promise<Store>;
}

/** How many callers race for one entry. */
const RACERS = 64;

/** The contract of `Store`: every implementation calls this in its test file. */
export function storeContract(name: string, { create }: StoreUnderTest): void {
  const setUp = async () => {
    const clock = { time: 1_000_000, now: () => clock.time };
    return { clock, store: await create({ clock }) };
  };

  test(`${name} returns what was put`, async () => {
    const { store } = await setUp();
    assert.equal(await store.put("key", "value", { ttlSeconds: 10 }), true);
    assert.equal(await store.get("key"), "value");
  });

  test(`${name} returns undefined for a key that was never put`, async () => {
    const { store } = await setUp();
    assert.equal(await store.get("key"), undefined);
  });

  test(`${name} keeps keys apart that differ in their last character`, async () => {
    const { store } = await setUp();
    await store.put("key:1", "one", { ttlSeconds: 10 });
    await store.put("key:2", "two", { ttlSeconds: 10 });
    assert.equal(await store.get("key:1"), "one");
    assert.equal(await store.get("key:2"), "two");
  });

  test(`${name} forgets a value when its time is over`, async () => {
    const { store, clock } = await setUp();
    await store.put("key", "value", { ttlSeconds: 10 });
    clock.time += 9_999;
    assert.equal(await store.get("key"), "value");
    clock.time += 1;
    assert.equal(await store.get("key"), undefined);
  });

  test(`${name} gives a value put again its new time`, async () => {
    const { store, clock } = await setUp();
    await store.put("key", "first", { ttlSeconds: 10 });
    clock.time += 9_000;
    await store.put("key", "second", { ttlSeconds: 10 });
    clock.time += 9_000;
    assert.equal(await store.get("key"), "second");
  });

  test(`${name} refuses a time to live that is not positive`, async () => {
    const { store } = await setUp();
    for (const ttlSeconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      await assert.rejects(store.put("key", "value", { ttlSeconds }), {
        name: "RangeError",
        message: "ttlSeconds must be a positive number of seconds",
      });
    }
    assert.equal(await store.get("key"), undefined);
  });

  test(`${name} deletes once`, async () => {
    const { store } = await setUp();
    await store.put("key", "value", { ttlSeconds: 10 });
    assert.equal(await store.delete("key"), true);
    assert.equal(await store.delete("key"), false);
    assert.equal(await store.get("key"), undefined);
  });

  test(`${name} does not count an expired entry as deleted`, async () => {
    const { store, clock } = await setUp();
    await store.put("key", "value", { ttlSeconds: 10 });
    clock.time += 10_000;
    assert.equal(await store.delete("key"), false);
  });

  test(`${name} deletes only the expected value`, async () => {
    const { store } = await setUp();
    await store.put("key", "mine", { ttlSeconds: 10 });
    assert.equal(await store.delete("key", { expect: "theirs" }), false);
    assert.equal(await store.get("key"), "mine");
    assert.equal(await store.delete("key", { expect: "mine" }), true);
  });

  test(`${name} writes over nothing only when nothing is expected and nothing is there`, async () => {
    const { store, clock } = await setUp();
    assert.equal(await store.put("key", "first", { ttlSeconds: 10, expect: null }), true);
    assert.equal(await store.put("key", "second", { ttlSeconds: 10, expect: null }), false);
    assert.equal(await store.get("key"), "first");
    clock.time += 10_000;
    assert.equal(await store.put("key", "third", { ttlSeconds: 10, expect: null }), true);
    assert.equal(await store.get("key"), "third");
  });

  test(`${name} replaces only the expected value`, async () => {
    const { store, clock } = await setUp();
    assert.equal(await store.put("key", "new", { ttlSeconds: 10, expect: "old" }), false);
    await store.put("key", "old", { ttlSeconds: 10 });
    assert.equal(await store.put("key", "new", { ttlSeconds: 10, expect: "older" }), false);
    assert.equal(await store.put("key", "new", { ttlSeconds: 10, expect: "old" }), true);
    assert.equal(await store.get("key"), "new");
    clock.time += 10_000;
    assert.equal(await store.put("key", "newer", { ttlSeconds: 10, expect: "new" }), false);
  });

  test(`${name} lets one of ${RACERS} callers take an entry that is absent`, async () => {
    const { store } = await setUp();
    const racers = Array.from({ length: RACERS }, (_, i) => `racer-${i}`);
    const wins = await Promise.all(
      racers.map((value) => store.put("key", value, { ttlSeconds: 10, expect: null })),
    );
    assert.equal(wins.filter(Boolean).length, 1);
    assert.equal(await store.get("key"), racers[wins.indexOf(true)]);
  });

  test(`${name} lets one of ${RACERS} callers delete an entry`, async () => {
    const { store } = await setUp();
    await store.put("key", "value", { ttlSeconds: 10 });
    const wins = await Promise.all(Array.from({ length: RACERS }, () => store.delete("key")));
    assert.equal(wins.filter(Boolean).length, 1);
  });
}
