import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Wish, wishesOf } from "./intents.ts";

const CASES: readonly (readonly [string, readonly Wish[]])[] = [
  ["Who am I?", [{ tool: "whoAmI", input: {} }]],
  ["what is my email", [{ tool: "whoAmI", input: {} }]],
  ["Show my past orders", [{ tool: "myPastOrders", input: {} }]],
  ["Show the order ord_a-B_9.", [{ tool: "myPastOrders", input: { orderId: "ord_a-B_9" } }]],
  ["What is on my calendar this week?", [{ tool: "listMyEvents", input: { days: 7 } }]],
  ["Do I have appointments today?", [{ tool: "listMyEvents", input: { days: 1 } }]],
  ["Buy a kettle", [{ tool: "buy", input: { item: "kettle", quantity: 1 } }]],
  ["please buy 2 kettles.", [{ tool: "buy", input: { item: "kettles", quantity: 2 } }]],
  ["Buy three bags of coffee", [{ tool: "buy", input: { item: "bags coffee", quantity: 3 } }]],
  ["buy the board game please", [{ tool: "buy", input: { item: "board game", quantity: 1 } }]],
  [
    "Buy an umbrella and a desk lamp",
    [
      { tool: "buy", input: { item: "umbrella", quantity: 1 } },
      { tool: "buy", input: { item: "desk lamp", quantity: 1 } },
    ],
  ],
  [
    "Buy a kettle and show my calendar",
    [
      { tool: "buy", input: { item: "kettle", quantity: 1 } },
      { tool: "listMyEvents", input: { days: 7 } },
    ],
  ],
  ["Not now", []],
  ["hello", []],
  [
    "How many days of leave do I have left?",
    [{ tool: "askMyDocuments", input: { question: "How many days of leave do I have left?" } }],
  ],
];

describe("what the offline model understands", () => {
  for (const [said, wishes] of CASES)
    it(`takes “${said}” for ${wishes.map(({ tool }) => tool).join(" and ") || "small talk"}`, () => {
      assert.deepEqual(wishesOf(said), wishes);
    });

  it("does not take a number out of the middle of a wish for its quantity", () => {
    assert.deepEqual(wishesOf("Buy a backpack 22 l"), [
      { tool: "buy", input: { item: "backpack 22 l", quantity: 1 } },
    ]);
  });

  it("keeps a very long question within what the tool takes", () => {
    const [wish] = wishesOf("why ".repeat(1_000));
    assert.ok(String(wish?.input["question"]).length <= 500);
  });
});
