import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { folder } from "../provider/testing.ts";
import type { Order } from "./store.ts";
import { answerOf, approved, call, issuer, KETTLE, order, shop } from "./testing.ts";

async function ordersOf(response: Response): Promise<Order[]> {
  assert.equal(response.status, 200);
  // The shop under test; each test looks at the members it needs.
  return ((await response.json()) as { orders: Order[] }).orders;
}

test("the catalogue is public, with prices as decimal strings", async (t) => {
  const at = await shop(t, await issuer(t));
  const { items } = await answerOf(await call(at, "/catalogue", undefined));
  assert.ok(Array.isArray(items) && items.length >= 5);
  assert.deepEqual(items[0], { id: "kettle", name: "Electric kettle", price: "39.90", currency: "EUR" });
});

test("a user has the same past orders each time, and in each shop", async (t) => {
  const from = await issuer(t);
  const [one, two] = [await shop(t, from), await shop(t, from)];
  const ids = async (at: typeof one) =>
    (await ordersOf(await call(at, "/orders", await from.token()))).map(({ id }) => id);
  const first = await ids(one);
  assert.ok(first.length >= 2);
  assert.deepEqual([await ids(one), await ids(two)], [first, first]);
});

test("two users see different orders", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const anne = await ordersOf(await call(at, "/orders", await from.token()));
  const bob = await ordersOf(await call(at, "/orders", await from.token({ sub: "user:bob" })));
  assert.ok(bob.length >= 2);
  assert.ok(anne.every(({ id }) => !bob.some((other) => other.id === id)));
});

test("an order can be read by its id", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const [first] = await ordersOf(await call(at, "/orders", await from.token()));
  const response = await call(at, `/orders/${first?.id}`, await from.token());
  assert.deepEqual(await response.json(), first);
});

test("another user's order is answered byte for byte as one that does not exist", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const [annes] = await ordersOf(await call(at, "/orders", await from.token()));
  const seen = async (id: string | undefined) => {
    const response = await call(at, `/orders/${id}`, await from.token({ sub: "user:bob" }));
    const headers = [...response.headers].filter(([name]) => name !== "date");
    return { status: response.status, headers, body: await response.text() };
  };
  const foreign = await seen(annes?.id);
  assert.equal(foreign.status, 404);
  assert.deepEqual(foreign, await seen("ord_does_not_exist"));
});

test("settings are the user's own", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const anne = await answerOf(await call(at, "/settings", await from.token()));
  const bob = await answerOf(await call(at, "/settings", await from.token({ sub: "user:bob" })));
  assert.deepEqual([anne["user"], bob["user"]], ["user:anne", "user:bob"]);
  assert.notDeepEqual({ ...anne, user: "" }, { ...bob, user: "" });
});

test("an order that was placed is the first in its user's list and in nobody else's", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const { id } = await answerOf(await order(at, await approved(from), KETTLE));
  const has = async (sub: string) =>
    (await ordersOf(await call(at, "/orders", await from.token({ sub })))).findIndex((one) => one.id === id);
  assert.deepEqual([await has("user:anne"), await has("user:bob")], [0, -1]);
});

test("the sandbox counts the orders that were placed and not those of the past", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  await call(at, "/orders", await from.token());
  const placed = await answerOf(await order(at, await approved(from), KETTLE));
  const { count, orders } = await answerOf(await call(at, "/_sandbox/orders", undefined));
  assert.equal(count, 1);
  assert.partialDeepStrictEqual(orders, [{ id: placed["id"], user: "user:anne", ...KETTLE }]);
});

test("the sandbox counts the orders of this run, and with run=all those of earlier ones", async (t) => {
  const from = await issuer(t);
  const dataFile = join(folder(t), "shop.sqlite");
  const first = await shop(t, from, { dataFile });
  await order(first, await approved(from), KETTLE);
  await first.close();
  const second = await shop(t, from, { dataFile });
  await order(second, await approved(from), KETTLE);
  const count = async (path: string) => (await answerOf(await call(second, path, undefined)))["count"];
  assert.deepEqual([await count("/_sandbox/orders"), await count("/_sandbox/orders?run=all")], [1, 2]);
});

test("reset forgets the orders", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  await order(at, await approved(from), KETTLE);
  assert.equal((await call(at, "/_sandbox/reset", undefined, { method: "POST" })).status, 204);
  assert.deepEqual([at.orders(true), at.log()], [[], []]);
});

test("the sandbox routes are refused to a web page", async (t) => {
  const at = await shop(t, await issuer(t));
  const headers = { origin: at.url };
  assert.equal((await call(at, "/_sandbox/orders", undefined, { headers })).status, 403);
});
