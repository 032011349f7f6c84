import assert from "node:assert/strict";
import { createMemoryStore, type InterruptData, runWithContext } from "@behalf/sdk";
import { createBehalf } from "@behalf/sdk/vercel";
import type { Done } from "./agent.ts";
import { createListEventsTool } from "./ai-sdk.ts";
import type { LoggedIn } from "./app.ts";
import type { Settings } from "./settings.ts";

/** What happened in one run of the agent. */
export interface Outcome {
  readonly user: LoggedIn;
  readonly done: Done;
  /** What the user was asked, in its order. */
  readonly asked: readonly InterruptData[];
}

/**
 * Whether everything held: two interrupts, one order, and the same events through the AI SDK's tool.
 * @throws AssertionError naming what did not
 */
export async function checkOutcome(settings: Settings, { user, done, asked }: Outcome): Promise<void> {
  assert.deepEqual(
    asked.map(({ code }) => code),
    ["vault.not_connected", "approval.pending"],
    "the user connects an account and approves an order, each once",
  );
  assert.ok(done.events.length > 0, "the calendar has events");
  assert.deepEqual([done.order.item, done.order.quantity], ["kettle", 1]);
  assert.deepEqual(await listEventsAgain(settings, user), done.events);
  await refuses(settings, "", "token.missing");
  await refuses(settings, "Bearer made-up", "token.invalid");
}

/** The account is connected now, so the AI SDK's tool runs at once. */
async function listEventsAgain(settings: Settings, user: LoggedIn): Promise<unknown> {
  const behalf = createBehalf({ store: createMemoryStore() });
  const { execute } = createListEventsTool(behalf, { ...settings, ...user });
  const run = { toolCallId: "call-3", messages: [], context: {} };
  return runWithContext({ userId: user.userId, threadId: "check" }, () => execute?.({ days: 7 }, run));
}

async function refuses({ ordersUrl }: Settings, authorization: string, code: string): Promise<void> {
  const order = JSON.stringify({ item: "kettle", quantity: 1 });
  const response = await fetch(`${ordersUrl}/orders`, {
    method: "POST",
    headers: { authorization },
    body: order,
  });
  const answer = (await response.json()) as { code: string }; // the API of this example
  assert.deepEqual([response.status, answer.code], [401, code]);
}
