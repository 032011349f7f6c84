import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createIntMap } from "./int-map.ts";
import { createMemoryTuples } from "./memory.ts";
import { fgaError, storeOf, tupleOf } from "./testing.ts";
import { formatTuple, type Tuple } from "./tuple.ts";

const texts = (tuples: Iterable<Tuple>): string[] => [...tuples].map(formatTuple).sort();

test("a tuple is found by its key until it is removed", () => {
  const store = createMemoryTuples();
  assert.equal(store.add(tupleOf("doc:1#viewer@user:anne")), true);
  assert.deepEqual(store.get(tupleOf("doc:1#viewer@user:anne")), tupleOf("doc:1#viewer@user:anne"));
  assert.equal(store.remove(tupleOf("doc:1#viewer@user:anne")), true);
  assert.deepEqual([store.get(tupleOf("doc:1#viewer@user:anne")), store.size], [undefined, 0]);
});

test("a key is taken by one tuple, whatever its condition", () => {
  const store = createMemoryTuples();
  const conditioned = tupleOf("doc:1#viewer@user:anne with recent", { now: "2026-01-01T00:00:00Z" });
  assert.equal(store.add(conditioned), true);
  assert.equal(store.add(tupleOf("doc:1#viewer@user:anne")), false);
  assert.equal(store.add(tupleOf("doc:1#viewer@user:anne with other")), false);
  assert.deepEqual(store.get(tupleOf("doc:1#viewer@user:anne")), conditioned);
});

test("removing what is not there changes nothing", () => {
  const store = storeOf("doc:1#viewer@user:anne");
  assert.equal(store.remove(tupleOf("doc:1#viewer@user:bob")), false);
  assert.equal(store.remove(tupleOf("doc:1#owner@user:anne")), false);
  assert.equal(store.size, 1);
});

test("a malformed tuple is refused", () => {
  const store = createMemoryTuples();
  assert.throws(() => store.add(tupleOf("doc#viewer@user:anne")), fgaError("invalid_tuple"));
  assert.throws(() => store.add(tupleOf("doc:1#viewer@anne")), fgaError("invalid_tuple"));
});

test("an object, its wildcard and its userset are three users", () => {
  const store = storeOf("doc:1#viewer@group:1", "doc:1#viewer@group:*", "doc:1#viewer@group:1#member");
  assert.equal(store.size, 3);
  store.remove(tupleOf("doc:1#viewer@group:1"));
  assert.deepEqual(texts(store.read()), ["doc:1#viewer@group:*", "doc:1#viewer@group:1#member"]);
});

test("reading matches every part that is given", () => {
  const store = storeOf(
    "doc:1#viewer@user:anne",
    "doc:1#owner@user:anne",
    "doc:2#viewer@user:anne",
    "doc:2#viewer@user:*",
    "doc:2#viewer@group:1#member",
    "page:1#viewer@user:anne",
  );
  assert.equal(texts(store.read()).length, 6);
  assert.deepEqual(texts(store.read({ object: "doc:1" })), [
    "doc:1#owner@user:anne",
    "doc:1#viewer@user:anne",
  ]);
  assert.deepEqual(texts(store.read({ object: "doc:", user: "user:anne", relation: "viewer" })), [
    "doc:1#viewer@user:anne",
    "doc:2#viewer@user:anne",
  ]);
  assert.deepEqual(texts(store.read({ user: "user:*" })), ["doc:2#viewer@user:*"]);
  assert.deepEqual(texts(store.read({ user: "group:1#member", object: "doc:2" })), [
    "doc:2#viewer@group:1#member",
  ]);
  assert.deepEqual(texts(store.read({ object: "doc:3" })), []);
});

test("reading gives conditions back", () => {
  const store = createMemoryTuples();
  const tuple = tupleOf("doc:1#viewer@user:anne with recent", { now: 1 });
  store.add(tuple);
  assert.deepEqual([...store.read({ object: "doc:1" })], [tuple]);
});

test("after any writes the store holds what a plain map holds", () => {
  const key = fc
    .tuple(fc.nat(3), fc.constantFrom("viewer", "owner"), fc.nat(30), fc.constantFrom("", "#member"))
    .map(([object, relation, user, suffix]) => `doc:${object}#${relation}@group:${user}${suffix}`);
  const write = fc.record({
    text: key,
    condition: fc.constantFrom(undefined, "c", "d"),
    remove: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 200 }), (writes) => {
      const store = createMemoryTuples();
      const plain = new Map<string, Tuple>();
      for (const { text, condition, remove } of writes) {
        const tuple = tupleOf(condition ? `${text} with ${condition}` : text, { of: text });
        if (remove) assert.equal(store.remove(tuple), plain.delete(text));
        else {
          assert.equal(store.add(tuple), !plain.has(text));
          if (!plain.has(text)) plain.set(text, tuple);
        }
      }
      assert.equal(store.size, plain.size);
      assert.deepEqual(texts(store.read()), [...plain.keys()].sort());
      for (const [text, tuple] of plain) assert.deepEqual(store.get(tupleOf(text)), tuple);
    }),
    { numRuns: 200 },
  );
});

test("a number is given to another id once no tuple uses its first one", () => {
  const store = createMemoryTuples();
  for (let i = 0; i < 1_000; i++) {
    store.add(tupleOf(`doc:${i}#viewer@user:${i}`));
    store.remove(tupleOf(`doc:${i}#viewer@user:${i}`));
  }
  store.add(tupleOf("doc:last#viewer@user:last"));
  assert.equal(store.numberOf("doc", "last"), 0);
  assert.equal(store.numberOf("doc", "999"), -1);
});

test("the map of numbers holds what a Map holds", () => {
  const write = fc.tuple(fc.nat(300), fc.option(fc.nat(1_000)));
  fc.assert(
    fc.property(fc.array(write, { maxLength: 600 }), (writes) => {
      const [map, plain] = [createIntMap(), new Map<number, number>()];
      for (const [key, value] of writes) {
        if (value === null) {
          map.delete(key);
          plain.delete(key);
        } else {
          map.set(key, value);
          plain.set(key, value);
        }
      }
      assert.equal(map.size, plain.size);
      for (let key = -2; key <= 300; key++) assert.equal(map.get(key), plain.get(key) ?? -1);
      assert.deepEqual([...map.keys()].sort(), [...plain.keys()].sort());
    }),
    { numRuns: 300 },
  );
});
