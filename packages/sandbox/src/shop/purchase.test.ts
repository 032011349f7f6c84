import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { folder } from "../provider/testing.ts";
import { answerOf, approved, issuer, KETTLE, order, shop } from "./testing.ts";

const MISMATCH = { status: 403, error: "authorization_details_mismatch" };

/** What becomes of an order of `body` on a token that carries `details`. */
async function place(
  t: Parameters<typeof issuer>[0],
  details: unknown,
  body: unknown = KETTLE,
  type?: string,
) {
  const from = await issuer(t);
  const at = await shop(t, from);
  const answer = await answerOf(
    await order(at, await from.token({ authorization_details: details }), body, type),
  );
  const { status, error } = answer;
  return { answer, outcome: { status, error }, count: at.orders().length };
}
const detail = (change: Record<string, unknown> = {}) => ({ type: "purchase", ...KETTLE, ...change });

test("an order that is exactly what was approved is made", async (t) => {
  const { answer, count } = await place(t, [detail()]);
  assert.equal(answer.status, 201);
  assert.partialDeepStrictEqual(answer, KETTLE);
  assert.match(String(answer["id"]), /^ord_/);
  assert.equal(count, 1);
});

test("the order of the members does not matter", async (t) => {
  const { currency, amount, quantity, item } = KETTLE;
  const { outcome } = await place(t, [{ currency, amount, type: "purchase", quantity, item }]);
  assert.equal(outcome.status, 201);
});

test("a number that is spelled otherwise is the same number", async (t) => {
  const { outcome } = await place(t, [detail()], JSON.stringify(KETTLE).replace(":2,", ":2.0e0,"));
  assert.equal(outcome.status, 201);
});

for (const [member, change] of Object.entries({
  item: { item: "coffee" },
  quantity: { quantity: 3 },
  amount: { amount: "7.98" },
  currency: { currency: "USD" },
})) {
  test(`an order with another ${member} than approved is refused, and the difference named`, async (t) => {
    const { answer, outcome, count } = await place(t, [detail()], { ...KETTLE, ...change });
    assert.deepEqual(outcome, MISMATCH);
    assert.deepEqual(answer["differences"], [
      { member, approved: detail()[member as keyof typeof KETTLE], requested: Object.values(change)[0] },
    ]);
    assert.equal(count, 0);
  });
}

for (const [what, change, difference] of [
  ["as a string", { quantity: "2" }, { member: "quantity", approved: "2", requested: 2 }],
  ["null", { item: null }, { member: "item", approved: null, requested: "kettle" }],
  ["without a place", { amount: "79.8" }, { member: "amount", approved: "79.8", requested: "79.80" }],
  ["missing", { currency: undefined }, { member: "currency", approved: null, requested: "EUR" }],
  ["one more", { gift: true }, { member: "gift", approved: true, requested: null }],
  ["of another type", { type: "refund" }, { member: "type", approved: "refund", requested: "purchase" }],
  ["an upper-case item", { item: "Kettle" }, { member: "item", approved: "Kettle", requested: "kettle" }],
  [
    "a look-alike item",
    { item: "k\u0435ttle" },
    { member: "item", approved: "k\u0435ttle", requested: "kettle" },
  ],
] as const) {
  test(`an approved member that is ${what} is a difference`, async (t) => {
    const { answer, outcome } = await place(t, [detail(change)]);
    assert.deepEqual(outcome, MISMATCH);
    assert.deepEqual(answer["differences"], [difference]);
  });
}

test("every difference is named", async (t) => {
  const { answer } = await place(t, [detail({ quantity: 1, amount: "39.90" })]);
  // The list that the shop under test sent.
  const differences = answer["differences"] as { member: string }[];
  assert.deepEqual(differences.map(({ member }) => member).sort(), ["amount", "quantity"]);
});

for (const [what, details] of Object.entries({
  "no details": undefined,
  "an empty list": [],
  "two details": [detail(), detail()],
  "a detail that is no object": ["purchase"],
  "a detail outside of a list": detail(),
  "details as text": JSON.stringify([detail()]),
})) {
  test(`a token with ${what} makes no order`, async (t) => {
    const { outcome, count } = await place(t, details);
    assert.deepEqual(outcome, MISMATCH);
    assert.equal(count, 0);
  });
}

test("an approved amount that is not the catalogue's is refused", async (t) => {
  const cheap = { ...KETTLE, amount: "0.80" };
  const { answer, count } = await place(t, [detail(cheap)], cheap);
  assert.deepEqual([answer.status, answer["error"]], [400, "wrong_amount"]);
  assert.deepEqual(answer["expected"], { amount: "79.80", currency: "EUR" });
  assert.equal(count, 0);
});

test("an approved currency that is not the catalogue's is refused", async (t) => {
  const dollars = { ...KETTLE, currency: "USD" };
  const { outcome } = await place(t, [detail(dollars)], dollars);
  assert.deepEqual(outcome, { status: 400, error: "wrong_amount" });
});

test("an approved item that the catalogue does not have is refused", async (t) => {
  const yacht = { ...KETTLE, item: "yacht" };
  const { outcome } = await place(t, [detail(yacht)], yacht);
  assert.deepEqual(outcome, { status: 400, error: "unknown_item" });
});

test("a refused order does not spend the token", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const token = await approved(from);
  assert.equal((await order(at, token, { ...KETTLE, quantity: 5 })).status, 403);
  assert.equal((await order(at, token, KETTLE)).status, 201);
});

test("the same token with the same order again answers the order that was made", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const token = await approved(from);
  const first = await answerOf(await order(at, token, KETTLE));
  const again = await answerOf(await order(at, token, KETTLE));
  assert.deepEqual([first.status, again.status], [201, 200]);
  assert.equal(again["id"], first["id"]);
  assert.equal(at.orders().length, 1);
});

test("the same token with another order is refused", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const token = await approved(from);
  await order(at, token, KETTLE);
  const other = await answerOf(await order(at, token, { ...KETTLE, quantity: 1, amount: "39.90" }));
  assert.deepEqual([other.status, other["error"]], [403, "authorization_details_mismatch"]);
  assert.equal(at.orders().length, 1);
});

test("another token of the same id is refused with another order", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  const one = { ...KETTLE, quantity: 1, amount: "39.90" };
  await order(at, await approved(from, KETTLE, { jti: "same" }), KETTLE);
  const other = await answerOf(await order(at, await approved(from, one, { jti: "same" }), one));
  assert.deepEqual([other.status, other["error"]], [403, "token_already_spent"]);
  assert.equal(at.orders().length, 1);
});

test("another user's token of the same id does not show the order", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  await order(at, await approved(from, KETTLE, { jti: "same" }), KETTLE);
  const other = await answerOf(
    await order(at, await approved(from, KETTLE, { jti: "same", sub: "user:bob" }), KETTLE),
  );
  assert.deepEqual([other.status, other["error"]], [403, "token_already_spent"]);
});

test("of 64 orders at once on one token, in two shops on one file, one is made", async (t) => {
  const from = await issuer(t);
  const dataFile = join(folder(t), "shop.sqlite");
  const [one, two] = [await shop(t, from, { dataFile }), await shop(t, from, { dataFile })];
  const token = await approved(from);
  const answers = await Promise.all(
    Array.from({ length: 64 }, async (_, index) =>
      answerOf(await order(index % 2 ? one : two, token, KETTLE)),
    ),
  );
  assert.equal(answers.filter(({ status }) => status === 201).length, 1);
  assert.equal(answers.filter(({ status }) => status === 200).length, 63);
  assert.equal(new Set(answers.map(({ id }) => id)).size, 1);
});

test("two tokens make two orders", async (t) => {
  const from = await issuer(t);
  const at = await shop(t, from);
  await order(at, await approved(from), KETTLE);
  await order(at, await approved(from), KETTLE);
  assert.equal(at.orders().length, 2);
});

const text = JSON.stringify(KETTLE);
const BODIES: [string, string, number, string][] = [
  ["that is no JSON", "{", 400, "invalid_json"],
  ["that is a list", `[${text}]`, 400, "invalid_json"],
  ["that is null", "null", 400, "invalid_json"],
  ["that is empty", "", 400, "invalid_json"],
  ["with a member twice", text.replace("{", '{"amount":"0.01",'), 400, "invalid_json"],
  ["with a member twice, once escaped", text.replace("{", '{"\\u0061mount":"0.01",'), 400, "invalid_json"],
  ["with a byte order mark", `\uFEFF${text}`, 400, "invalid_json"],
  ["over 16 KiB", text.replace("}", `${" ".repeat(16_384)}}`), 413, "body_too_large"],
  ["with a member that is not known", text.replace("{", '{"note":"x",'), 400, "invalid_order"],
  ["with a __proto__", text.replace("{", '{"__proto__":{},'), 400, "invalid_order"],
  ["without an item", text.replace('"item":"kettle",', ""), 400, "invalid_order"],
  ["with an empty item", text.replace("kettle", ""), 400, "invalid_order"],
  ["with a quantity of 0", text.replace(":2,", ":0,"), 400, "invalid_order"],
  ["with a quantity of 1.5", text.replace(":2,", ":1.5,"), 400, "invalid_order"],
  ["with a quantity of 101", text.replace(":2,", ":101,"), 400, "invalid_order"],
  ["with a quantity as text", text.replace(":2,", ':"2",'), 400, "invalid_order"],
  ["with an amount as a number", text.replace('"79.80"', "79.8"), 400, "invalid_order"],
  ["with an amount of one place", text.replace("79.80", "79.8"), 400, "invalid_order"],
  ["with an amount that starts with 0", text.replace("79.80", "079.80"), 400, "invalid_order"],
  ["with a negative amount", text.replace("79.80", "-79.80"), 400, "invalid_order"],
  ["with a currency in lower case", text.replace("EUR", "eur"), 400, "invalid_order"],
];
for (const [what, body, status, error] of BODIES) {
  test(`a body ${what} is refused`, async (t) => {
    const { outcome, count } = await place(t, [detail()], body);
    assert.deepEqual(outcome, { status, error });
    assert.equal(count, 0);
  });
}

test("a body of another type is refused", async (t) => {
  const { outcome } = await place(t, [detail()], text, "text/plain");
  assert.deepEqual(outcome, { status: 415, error: "unsupported_media_type" });
});

test("every problem of an order is named at once", async (t) => {
  const { answer } = await place(t, [detail()], { item: 5, quantity: 0, note: "x" });
  // The list that the shop under test sent.
  assert.equal((answer["problems"] as string[]).length, 5);
});
