import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { generateText, isStepCount, type ModelMessage, streamText, tool } from "ai";
import { z } from "zod";
import { createOfflineModel } from "./offline-model.ts";

const model = createOfflineModel({ wordDelayMs: 0 });

/** A shop of one's own, to see that answers are made from what tools return. */
function ordersTool(amount: string) {
  const order = {
    id: "ord_1",
    item: "kettle",
    name: "Electric kettle",
    quantity: 1,
    amount,
    currency: "EUR",
    status: "delivered",
    placed_at: "2026-03-02T10:00:00.000Z",
  };
  return {
    myPastOrders: tool({
      inputSchema: z.object({ orderId: z.string().optional() }),
      execute: async () => ({ status: "ok", orders: [order] }),
    }),
  };
}

describe("the offline model", () => {
  it("says what it is in the first words of a conversation, and not again", async () => {
    const messages: ModelMessage[] = [{ role: "user", content: "hello" }];
    const first = await generateText({ model, messages });
    assert.match(first.text, /^I am a scripted offline model/);
    messages.push({ role: "assistant", content: first.text }, { role: "user", content: "thanks" });
    const second = await generateText({ model, messages });
    assert.equal(second.text, "You are welcome.");
  });

  for (const amount of ["39.90", "12.34"])
    it(`says ${amount} when that is what the tool answered`, async () => {
      const result = streamText({
        model,
        prompt: "Show my past orders",
        tools: ordersTool(amount),
        stopWhen: isStepCount(3),
      });
      const text = await result.text;
      assert.ok(text.includes(`${amount} EUR`), text);
      assert.equal((await result.steps).length, 2, "one step calls the tool, one speaks");
    });

  it("says plainly what a failed tool said", async () => {
    const tools = {
      askMyDocuments: tool({
        inputSchema: z.object({ question: z.string() }),
        execute: async (): Promise<string> => {
          throw new Error("The archive is closed.");
        },
      }),
    };
    const prompt = "What may a hotel cost?";
    const { text } = await generateText({ model, prompt, tools, stopWhen: isStepCount(3) });
    assert.match(text, /That did not work\. The archive is closed\./);
  });

  it("quotes the sentence that has the number asked for", async () => {
    const passage = {
      document: "Salary table",
      heading: "Levels",
      score: 1,
      text: "Salary bands a year, full time. Level 1: 38,000 EUR. Level 4: 68,000 to 82,000 EUR. Level 5: more.",
    };
    const tools = {
      askMyDocuments: tool({
        inputSchema: z.object({ question: z.string() }),
        execute: async () => ({ passages: [passage], readable: 3 }),
      }),
    };
    const prompt = "What is the salary band of level 4?";
    const { text } = await generateText({ model, prompt, tools, stopWhen: isStepCount(3) });
    assert.match(text, /Level 4: 68,000 to 82,000 EUR\./);
    assert.doesNotMatch(text, /Level 1/);
  });

  it("calls no tool that it was not given", async () => {
    const { text, steps } = await generateText({ model, prompt: "Buy a kettle", tools: ordersTool("1.00") });
    assert.equal(steps.length, 1);
    assert.match(text, /I can do five things/);
  });

  it("streams word by word", async () => {
    const result = streamText({ model, prompt: "hello" });
    let deltas = 0;
    for await (const delta of result.textStream) deltas += delta === "" ? 0 : 1;
    assert.ok(deltas > 10, `${deltas} pieces`);
  });
});
