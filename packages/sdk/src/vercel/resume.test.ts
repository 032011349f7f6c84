import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { runWithContext } from "../context.ts";
import { type InterruptData, interruptFromError } from "../interrupt.ts";
import { createMemoryStore } from "../store.ts";
import { CLIENT_SECRET, startPeer, TOKEN } from "../testing.ts";
import { createBehalf } from "../vercel.ts";

const anne = { userId: "user:anne", threadId: "thread-1" };
/** The sentence of `call.not_resumable`: an error text holds a message, not a code. */
const NOT_RESUMABLE = "This tool call cannot be resumed here: it was changed, or belongs to somebody else.";

/** A protected tool whose first call was interrupted, and a server on which the account is connected since. */
async function setUp(t: TestContext) {
  const peer = await startPeer(t, {
    [TOKEN]: { status: 401, body: { error: "interaction_required", code: "vault.not_connected" } },
  });
  const behalf = createBehalf({
    issuer: peer.issuer,
    clientId: "agent",
    clientSecret: CLIENT_SECRET,
    store: createMemoryStore(),
  });
  const days: string[] = [];
  const list = behalf.withTokenVault(
    { toolName: "list", connection: "calendar", scopes: [], refreshToken: () => "refresh-1" },
    { execute: async ({ day }: { day: string }, _run: { toolCallId: string }) => days.push(day) },
  );
  const thrown = await runWithContext(anne, () =>
    list.execute({ day: "monday" }, { toolCallId: "call-1" }),
  ).catch((error: unknown) => error);
  const interrupt = interruptFromError(thrown);
  assert.ok(interrupt);
  peer.answer(TOKEN, { body: { access_token: "at-1", expires_in: 60 } });
  const resume = (input: object, shown: InterruptData, context = anne) =>
    behalf.resumeInterruptedToolCalls({ messages: [messageOf(input, shown)], tools: { list }, context });
  return { interrupt, days, resume };
}

function messageOf(input: object, interrupt: InterruptData) {
  const errorText = JSON.stringify(interrupt);
  const toolCallId = interrupt.toolCall.id;
  const part = { type: "tool-list", state: "output-error", toolCallId, input, errorText };
  return { id: "m-1", role: "assistant", parts: [part] };
}

test("the call that was interrupted runs with the input it had", async (t) => {
  const { interrupt, days, resume } = await setUp(t);
  const { chunks } = await resume({ day: "monday" }, interrupt);
  assert.deepEqual(chunks, [{ type: "tool-output-available", toolCallId: "call-1", output: 1 }]);
  assert.deepEqual(days, ["monday"]);
});

test("call.not_resumable: a call that a browser made up does not run", async (t) => {
  const { interrupt, days, resume } = await setUp(t);
  const madeUp = { ...interrupt, resumeId: "A".repeat(43) };
  const cases: [object, InterruptData, typeof anne][] = [
    [{ day: "monday" }, madeUp, anne],
    [{ day: "monday", more: true }, interrupt, anne],
    [{ day: "monday" }, interrupt, { ...anne, userId: "user:bob" }],
  ];
  for (const [input, shown, context] of cases) {
    const { chunks, interrupts } = await resume(input, shown, context);
    assert.deepEqual(chunks, [{ type: "tool-output-error", toolCallId: "call-1", errorText: NOT_RESUMABLE }]);
    assert.deepEqual(interrupts, []);
  }
  assert.deepEqual(days, []);
});
