import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  convertToModelMessages,
  createUIMessageStream,
  generateText,
  isStepCount,
  readUIMessageStream,
  simulateReadableStream,
  streamText,
  tool,
  type UIMessage,
} from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { z } from "zod";
import { getAccessTokenFromTokenVault, getAsyncAuthorizationCredentials } from "./context.ts";
import { BehalfError } from "./errors.ts";
import { Interrupt, type InterruptData } from "./interrupt.ts";
import { createMemoryStore } from "./store.ts";
import {
  asAnne,
  BACKCHANNEL,
  CLIENT_SECRET,
  type Peer,
  type PeerRequest,
  startPeer,
  TOKEN,
} from "./testing.ts";
import {
  createBehalf,
  errorSerializer,
  interruptFromError,
  interruptsFromMessages,
  stopOnInterrupt,
  type VercelBehalf,
} from "./vercel.ts";

const anne = { userId: "user:anne", threadId: "thread-1" };
const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};

type Call = [id: string, toolName: string, input: object];

/** A model that calls the given tools in its first answer and says "done" in the next. */
function modelThatCalls(...calls: Call[]): MockLanguageModelV4 {
  const content = calls.map(([toolCallId, toolName, input]) => ({
    type: "tool-call" as const,
    toolCallId,
    toolName,
    input: JSON.stringify(input),
  }));
  const first = {
    content,
    finishReason: { unified: "tool-calls" as const, raw: undefined },
    usage,
    warnings: [],
  };
  const last = {
    content: [{ type: "text" as const, text: "done" }],
    finishReason: { unified: "stop" as const, raw: undefined },
    usage,
    warnings: [],
  };
  let answers = 0;
  const next = () => {
    answers += 1;
    return answers === 1 && calls.length > 0 ? first : last;
  };
  return new MockLanguageModelV4({
    doGenerate: async () => next(),
    doStream: async () => ({ stream: simulateReadableStream({ chunks: streamOf(next()) }) }),
  });
}

type StreamResult = Awaited<ReturnType<MockLanguageModelV4["doStream"]>>;
type StreamPart = StreamResult["stream"] extends ReadableStream<infer Part> ? Part : never;
type Generated = Awaited<ReturnType<MockLanguageModelV4["doGenerate"]>>;

function streamOf({ content, finishReason }: Pick<Generated, "content" | "finishReason">): StreamPart[] {
  const parts = content.flatMap((part): StreamPart[] => {
    if (part.type === "tool-call") return [part];
    const delta = part.type === "text" ? part.text : "";
    return [
      { type: "text-start", id: "1" },
      { type: "text-delta", id: "1", delta },
      { type: "text-end", id: "1" },
    ];
  });
  return [{ type: "stream-start", warnings: [] }, ...parts, { type: "finish", finishReason, usage }];
}

interface Scene {
  peer: Peer;
  behalf: VercelBehalf;
  connected: Set<string>;
  approved: { value: boolean };
  tools: ReturnType<typeof toolsOf>["tools"];
  ran: string[];
}

/** A server on which nothing is connected and nothing is approved until the test says so. */
async function setUp(t: TestContext, store = createMemoryStore()): Promise<Scene> {
  const connected = new Set<string>();
  const approved = { value: false };
  const asked = new Map<string, unknown>();
  const peer = await startPeer(t, {
    [BACKCHANNEL]: ({ form }) => {
      const id = `request-${asked.size + 1}`;
      asked.set(id, JSON.parse(form.get("authorization_details") ?? "[]"));
      return { body: { auth_req_id: id, expires_in: 300, interval: 5 } };
    },
    [TOKEN]: ({ form }: PeerRequest) => {
      const requestId = form.get("auth_req_id");
      if (requestId) {
        const authorization_details = asked.get(requestId);
        if (approved.value)
          return { body: { access_token: "approved", expires_in: 300, authorization_details } };
        return { status: 400, body: { error: "authorization_pending" } };
      }
      if (connected.has(form.get("connection") ?? "")) {
        return {
          body: { access_token: `token of ${form.get("connection")}`, expires_in: 60, scope: "read" },
        };
      }
      return { status: 401, body: { error: "interaction_required", code: "vault.not_connected" } };
    },
  });
  const behalf = createBehalf({ issuer: peer.issuer, clientId: "agent", clientSecret: CLIENT_SECRET, store });
  return { peer, behalf, connected, approved, ...toolsOf(behalf) };
}

function toolsOf(behalf: VercelBehalf) {
  const ran: string[] = [];
  const listTool = (name: string) =>
    tool({
      description: `Lists what is in the ${name}`,
      inputSchema: z.object({ day: z.string() }),
      execute: async ({ day }) => {
        ran.push(`${name} ${day}`);
        return { day, token: getAccessTokenFromTokenVault() };
      },
    });
  const vaulted = (name: string) =>
    behalf.withTokenVault(
      { toolName: `list_${name}`, connection: name, scopes: ["read"], refreshToken: () => "refresh-1" },
      listTool(name),
    );
  const buy = behalf.withAsyncAuthorization(
    { toolName: "buy", scopes: ["orders:create"], bindingMessage: ({ item }) => `Buy ${item}` },
    tool({
      description: "Buys an item",
      inputSchema: z.object({ item: z.string() }),
      execute: async ({ item }) => {
        ran.push(`buy ${item}`);
        return { item, token: getAsyncAuthorizationCredentials().accessToken };
      },
    }),
  );
  return { ran, tools: { list_calendar: vaulted("calendar"), list_chat: vaulted("chat"), buy } };
}

const userSays: UIMessage = { id: "m1", role: "user", parts: [{ type: "text", text: "go on" }] };

/** One request of a chat: what a route handler does, and the messages that its browser then has. */
async function chat(scene: Scene, model: MockLanguageModelV4, messages: UIMessage[]): Promise<UIMessage[]> {
  const { behalf, tools } = scene;
  const stream = createUIMessageStream({
    originalMessages: messages,
    onError: errorSerializer(),
    execute: async ({ writer }) => {
      const resumed = await behalf.resumeInterruptedToolCalls({ messages, tools, context: anne });
      for (const chunk of resumed.chunks) writer.write(chunk);
      if (resumed.interrupts.length > 0) return;
      const prompt = await convertToModelMessages(resumed.messages);
      const answer = asAnne(() =>
        streamText({ model, messages: prompt, tools, stopWhen: [isStepCount(4), stopOnInterrupt] }),
      );
      writer.merge(answer.toUIMessageStream({ originalMessages: messages, onError: errorSerializer() }));
    },
  });
  const last = messages.at(-1);
  const continued = last?.role === "assistant" ? structuredClone(last) : undefined;
  let answer: UIMessage | undefined;
  for await (const message of readUIMessageStream({ stream, ...(continued ? { message: continued } : {}) })) {
    answer = message;
  }
  assert.ok(answer);
  return [...(continued ? messages.slice(0, -1) : messages), answer];
}

const outputs = (messages: UIMessage[]) =>
  (messages.at(-1)?.parts ?? []).flatMap((part) =>
    "output" in part && part.state === "output-available" ? [part.output] : [],
  );
const texts = (messages: UIMessage[]) =>
  (messages.at(-1)?.parts ?? []).flatMap((part) => (part.type === "text" ? [part.text] : []));

test("a protected tool works in a model's loop as the unprotected one does", async (t) => {
  const { tools, connected } = await setUp(t);
  connected.add("calendar");
  const model = modelThatCalls(["call-1", "list_calendar", { day: "monday" }]);
  const result = await asAnne(() => generateText({ model, prompt: "x", tools, stopWhen: isStepCount(3) }));
  assert.equal(result.text, "done");
  assert.deepEqual(result.steps[0]?.toolResults[0]?.output, { day: "monday", token: "token of calendar" });
});

test("an interrupt ends the model's loop and is found in the step", async (t) => {
  const { tools, ran } = await setUp(t);
  const model = modelThatCalls(["call-1", "list_calendar", { day: "monday" }]);
  const result = await asAnne(() =>
    generateText({ model, prompt: "x", tools, stopWhen: [isStepCount(3), stopOnInterrupt] }),
  );
  assert.equal(result.steps.length, 1);
  const error = result.content.find((part) => part.type === "tool-error");
  assert.equal(interruptFromError(error?.error)?.code, "vault.not_connected");
  assert.deepEqual(ran, []);
});

test("an interrupt reaches the browser as JSON that says what to do, without secrets", async (t) => {
  const scene = await setUp(t);
  const messages = await chat(scene, modelThatCalls(["call-1", "buy", { item: "kettle" }]), [userSays]);
  const [waiting] = interruptsFromMessages(messages);
  assert.equal(waiting?.interrupt.code, "approval.pending");
  assert.equal(waiting?.toolCallId, "call-1");
  assert.equal(waiting?.toolName, "buy");
  assert.deepEqual(waiting?.input, { item: "kettle" });
  assert.doesNotMatch(JSON.stringify(messages), /request-1|refresh-1|test-client-secret/);
});

test("after the user has connected, the same call runs once with its input and the model goes on", async (t) => {
  const scene = await setUp(t);
  const model = modelThatCalls(["call-1", "list_calendar", { day: "monday" }]);
  const interrupted = await chat(scene, model, [userSays]);
  scene.connected.add("calendar");
  const done = await chat(scene, model, interrupted);
  assert.deepEqual(outputs(done), [{ day: "monday", token: "token of calendar" }]);
  assert.deepEqual(texts(done), ["done"]);
  assert.deepEqual(interruptsFromMessages(done), []);
  assert.deepEqual(scene.ran, ["calendar monday"]);
  assert.equal(model.doStreamCalls.length, 2);
});

test("a call that still waits stays interrupted and the model is not asked", async (t) => {
  const scene = await setUp(t);
  const model = modelThatCalls(["call-1", "buy", { item: "kettle" }]);
  const interrupted = await chat(scene, model, [userSays]);
  const still = await chat(scene, model, interrupted);
  assert.equal(interruptsFromMessages(still)[0]?.interrupt.code, "approval.pending");
  assert.equal(model.doStreamCalls.length, 1);
  scene.approved.value = true;
  assert.deepEqual(outputs(await chat(scene, model, still)), [{ item: "kettle", token: "approved" }]);
  assert.deepEqual(scene.ran, ["buy kettle"]);
});

test("of several calls that were interrupted at once all are resumed, each with its own input", async (t) => {
  const scene = await setUp(t);
  const model = modelThatCalls(
    ["call-1", "list_calendar", { day: "monday" }],
    ["call-2", "buy", { item: "kettle" }],
    ["call-3", "list_chat", { day: "tuesday" }],
    ["call-4", "list_calendar", { day: "friday" }],
  );
  const interrupted = await chat(scene, model, [userSays]);
  assert.equal(interruptsFromMessages(interrupted).length, 4);
  scene.connected.add("calendar");
  const some = await chat(scene, model, interrupted);
  assert.deepEqual(
    interruptsFromMessages(some).map(({ toolCallId }) => toolCallId),
    ["call-2", "call-3"],
  );
  assert.equal(model.doStreamCalls.length, 1);
  scene.connected.add("chat");
  scene.approved.value = true;
  const done = await chat(scene, model, some);
  assert.deepEqual(outputs(done), [
    { day: "monday", token: "token of calendar" },
    { item: "kettle", token: "approved" },
    { day: "tuesday", token: "token of chat" },
    { day: "friday", token: "token of calendar" },
  ]);
  // Parallel calls may start in any order; each has run once.
  assert.deepEqual(scene.ran.sort(), ["buy kettle", "calendar friday", "calendar monday", "chat tuesday"]);
  assert.deepEqual(texts(done), ["done"]);
});

test("a resumed call that was sent twice at once runs once and both get its output", async (t) => {
  const scene = await setUp(t);
  const model = modelThatCalls(["call-1", "list_calendar", { day: "monday" }]);
  const messages = await chat(scene, model, [userSays]);
  scene.connected.add("calendar");
  const { behalf, tools } = scene;
  const both = await Promise.all(
    [1, 2].map(() => behalf.resumeInterruptedToolCalls({ messages, tools, context: anne })),
  );
  for (const { messages: resumed } of both) {
    assert.deepEqual(outputs(resumed), [{ day: "monday", token: "token of calendar" }]);
  }
  assert.deepEqual(scene.ran, ["calendar monday"]);
});

test("a call resumed in another process with the same store goes on", async (t) => {
  const store = createMemoryStore();
  const scene = await setUp(t, store);
  const model = modelThatCalls(["call-1", "buy", { item: "kettle" }]);
  const messages: UIMessage[] = JSON.parse(JSON.stringify(await chat(scene, model, [userSays])));
  scene.approved.value = true;
  const { peer } = scene;
  const behalf = createBehalf({ issuer: peer.issuer, clientId: "agent", clientSecret: CLIENT_SECRET, store });
  const other = toolsOf(behalf);
  const { messages: resumed } = await behalf.resumeInterruptedToolCalls({
    messages,
    tools: other.tools,
    context: anne,
  });
  assert.deepEqual(outputs(resumed), [{ item: "kettle", token: "approved" }]);
  assert.deepEqual(other.ran, ["buy kettle"]);
  assert.equal(peer.to(BACKCHANNEL).length, 1);
});

/** The messages with the last tool part replaced, as a browser may send them. */
function tampered(
  messages: UIMessage[],
  change: (part: Record<string, unknown>) => Record<string, unknown>,
): UIMessage[] {
  const copy = structuredClone(messages);
  const last = copy.at(-1);
  assert.ok(last);
  const at = last.parts.findIndex((part) => part.type.startsWith("tool-"));
  last.parts[at] = change(last.parts[at] as Record<string, unknown>) as UIMessage["parts"][number]; // hostile on purpose
  return copy;
}

test("a call that the browser changed, or that belongs to another user or thread, does not run", async (t) => {
  const scene = await setUp(t);
  const { behalf, tools } = scene;
  const model = modelThatCalls(["call-1", "list_calendar", { day: "monday" }]);
  const messages = await chat(scene, model, [userSays]);
  scene.connected.add("calendar").add("chat");
  const interrupt = interruptsFromMessages(messages)[0]?.interrupt as InterruptData;
  const changed = (overrides: object) => JSON.stringify({ ...interrupt, ...overrides });
  const cases: [UIMessage[], typeof anne][] = [
    [tampered(messages, (part) => ({ ...part, input: { day: "tuesday" } })), anne],
    [tampered(messages, (part) => ({ ...part, type: "tool-list_chat" })), anne],
    [tampered(messages, (part) => ({ ...part, type: "tool-unknown" })), anne],
    [tampered(messages, (part) => ({ ...part, type: "tool-toString" })), anne],
    [
      tampered(messages, (part) => ({
        ...part,
        toolCallId: "call-2",
        errorText: changed({ toolCall: { ...interrupt.toolCall, id: "call-2" } }),
      })),
      anne,
    ],
    [
      tampered(messages, (part) => ({
        ...part,
        errorText: changed({ toolCall: { id: "call-1", name: "list_chat" } }),
      })),
      anne,
    ],
    [tampered(messages, (part) => ({ ...part, errorText: changed({ resumeId: "A".repeat(43) }) })), anne],
    [messages, { ...anne, userId: "user:bob" }],
    [messages, { ...anne, threadId: "thread-2" }],
  ];
  for (const [sent, context] of cases) {
    const result = await behalf.resumeInterruptedToolCalls({ messages: sent, tools, context });
    assert.deepEqual(result.chunks, [
      {
        type: "tool-output-error",
        toolCallId: result.chunks[0]?.toolCallId,
        errorText: "This tool call cannot be resumed here: it was changed, or belongs to somebody else.",
      },
    ]);
    assert.deepEqual(result.interrupts, []);
  }
  assert.deepEqual(scene.ran, []);
  assert.deepEqual(
    outputs((await behalf.resumeInterruptedToolCalls({ messages, tools, context: anne })).messages),
    [{ day: "monday", token: "token of calendar" }],
  );
});

test("an unprotected tool is never run from what a browser sends", async (t) => {
  const scene = await setUp(t);
  const messages = await chat(scene, modelThatCalls(["call-1", "list_calendar", { day: "monday" }]), [
    userSays,
  ]);
  let ran = false;
  const list_calendar = tool({
    inputSchema: z.object({ day: z.string() }),
    execute: () => {
      ran = true;
      return "x";
    },
  });
  const result = await scene.behalf.resumeInterruptedToolCalls({
    messages,
    tools: { list_calendar },
    context: anne,
  });
  assert.equal(result.chunks[0]?.type, "tool-output-error");
  assert.equal(ran, false);
});

test("a tool that fails when it is resumed fails for good, and the model is told", async (t) => {
  const scene = await setUp(t);
  let runs = 0;
  const fail = scene.behalf.withTokenVault(
    { toolName: "fail", connection: "calendar", scopes: ["read"], refreshToken: () => "refresh-1" },
    tool({
      inputSchema: z.object({}),
      execute: (): string => {
        runs += 1;
        throw new Error("the calendar is closed");
      },
    }),
  );
  const failing = { ...scene, tools: { ...scene.tools, fail } };
  const model = modelThatCalls(["call-1", "fail", {}]);
  const messages = await chat(failing, model, [userSays]);
  scene.connected.add("calendar");
  const result = await scene.behalf.resumeInterruptedToolCalls({
    messages,
    tools: failing.tools,
    context: anne,
  });
  assert.deepEqual(result.chunks, [
    { type: "tool-output-error", toolCallId: "call-1", errorText: "the calendar is closed" },
  ]);
  await scene.behalf.resumeInterruptedToolCalls({ messages, tools: failing.tools, context: anne });
  assert.equal(runs, 1);
});

test("a server that is down when a call is resumed leaves it interrupted, and says why", async (t) => {
  const scene = await setUp(t);
  const model = modelThatCalls(["call-1", "buy", { item: "kettle" }]);
  const interrupted = await chat(scene, model, [userSays]);
  const { peer, behalf, tools } = scene;
  peer.answer(TOKEN, { status: 503, body: { error: "server_error" } });
  const down = await behalf.resumeInterruptedToolCalls({ messages: interrupted, tools, context: anne });
  assert.equal(down.interrupts[0]?.code, "approval.pending");
  assert.match(down.interrupts[0]?.message ?? "", /cannot answer now/);
  const asked = JSON.parse(peer.to(BACKCHANNEL)[0]?.form.get("authorization_details") ?? "");
  peer.answer(TOKEN, { body: { access_token: "approved", expires_in: 300, authorization_details: asked } });
  assert.deepEqual(outputs(await chat(scene, model, down.messages)), [{ item: "kettle", token: "approved" }]);
  assert.equal(peer.to(BACKCHANNEL).length, 1);
});

test("once the user has said something else, what was interrupted before is not resumed", async (t) => {
  const scene = await setUp(t);
  const interrupted = await chat(scene, modelThatCalls(["call-1", "buy", { item: "kettle" }]), [userSays]);
  scene.approved.value = true;
  const messages: UIMessage[] = [...interrupted, { ...userSays, id: "m3" }];
  const { behalf, tools } = scene;
  const result = await behalf.resumeInterruptedToolCalls({ messages, tools, context: anne });
  assert.deepEqual(result, { messages, interrupts: [], chunks: [] });
  assert.deepEqual(scene.ran, []);
});

test("messages without interrupts pass unchanged, failed tools of other kinds too", async (t) => {
  const { behalf, tools } = await setUp(t);
  const messages: UIMessage[] = [
    userSays,
    {
      id: "m2",
      role: "assistant",
      parts: [
        { type: "text", text: "hello" },
        { type: "tool-buy", toolCallId: "c", state: "output-error", input: {}, errorText: "no stock" },
        { type: "tool-buy", toolCallId: "d", state: "output-available", input: {}, output: 1 },
      ],
    },
  ];
  assert.deepEqual(await behalf.resumeInterruptedToolCalls({ messages, tools, context: anne }), {
    messages,
    interrupts: [],
    chunks: [],
  });
});

test("an error serializer passes on what may be seen and hides the rest", () => {
  const serialize = errorSerializer();
  const interrupt = new Interrupt({
    code: "login.required",
    message: "Log in",
    resumeId: "r",
    toolCall: { id: "1", name: "n" },
  });
  assert.deepEqual(JSON.parse(serialize(interrupt)), interrupt.toJSON());
  assert.deepEqual(JSON.parse(serialize(new Error("x", { cause: interrupt }))), interrupt.toJSON());
  assert.equal(serialize(new BehalfError("approval.denied", "The user refused.")), "The user refused.");
  assert.equal(serialize(new Error("password=hunter2")), "An error occurred.");
  assert.equal(errorSerializer(() => "mine")(new Error("x")), "mine");
});

test("a tool that streams its output gives its last value", async (t) => {
  const { behalf, connected } = await setUp(t);
  connected.add("calendar");
  const streaming = behalf.withTokenVault(
    { toolName: "stream", connection: "calendar", scopes: ["read"], refreshToken: () => "refresh-1" },
    tool({
      inputSchema: z.object({}),
      async *execute() {
        yield "loading";
        yield getAccessTokenFromTokenVault();
      },
    }),
  );
  const model = modelThatCalls(["call-1", "stream", {}]);
  const result = await asAnne(() =>
    generateText({ model, prompt: "x", tools: { streaming, stream: streaming } }),
  );
  assert.equal(result.toolResults[0]?.output, "token of calendar");
});

test("a tool that runs in the browser cannot be protected here", async (t) => {
  const { behalf } = await setUp(t);
  const remote = tool({ inputSchema: z.object({}), outputSchema: z.string() });
  assert.throws(
    () =>
      behalf.withTokenVault(
        { toolName: "remote", connection: "calendar", scopes: [], refreshToken: () => "refresh-1" },
        remote,
      ),
    { code: "config.invalid" },
  );
});

test("nested protections of a tool need its name only on the innermost", async (t) => {
  const { behalf, connected, approved } = await setUp(t);
  connected.add("calendar");
  const inner = behalf.withTokenVault(
    { toolName: "both", connection: "calendar", scopes: ["read"], refreshToken: () => "refresh-1" },
    tool({
      inputSchema: z.object({ item: z.string() }),
      execute: () => [getAccessTokenFromTokenVault(), getAsyncAuthorizationCredentials().accessToken],
    }),
  );
  const both = behalf.withAsyncAuthorization({ scopes: [], bindingMessage: "both" }, inner);
  const scene = { ...(await setUp(t)), behalf, tools: { both } } as unknown as Scene;
  const model = modelThatCalls(["call-1", "both", { item: "kettle" }]);
  const interrupted = await chat(scene, model, [userSays]);
  assert.deepEqual(interruptsFromMessages(interrupted)[0]?.interrupt.toolCall, {
    id: "call-1",
    name: "both",
  });
  approved.value = true;
  assert.deepEqual(outputs(await chat(scene, model, interrupted)), [["token of calendar", "approved"]]);
});
