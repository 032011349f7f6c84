import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createMemoryStore } from "@behalf/sdk";
import { createBehalf } from "@behalf/sdk/vercel";
import { createConversations, isUnanswered } from "./chat.ts";
import { createChatStore } from "./chat-store.ts";
import { openDatabase } from "./database.ts";
import { createOfflineModel } from "./offline-model.ts";
import type { AssistantMessage, AssistantTools } from "./tools/index.ts";
import { whoAmI } from "./tools/who-am-i.ts";

const ANNE = { id: "anne", name: "Anne", email: "anne@example.com" };
const ISSUER = "http://localhost:4000/";

function setUp(t: TestContext, { wordDelayMs = 0 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "assistant-test-"));
  const db = openDatabase(folder);
  t.after(() => {
    db.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const store = createChatStore(db, Date.now);
  const behalf = createBehalf({
    issuer: ISSUER,
    clientId: "assistant",
    clientSecret: "a-client-secret-of-more-than-32-characters",
    store: createMemoryStore(),
  });
  const errors: unknown[] = [];
  const conversations = createConversations({
    behalf,
    store,
    model: createOfflineModel({ wordDelayMs }),
    logError: (error) => errors.push(error),
  });
  const { id: chatId } = store.create(ANNE.id);
  // Only the tool that these conversations call.
  const tools = { whoAmI: whoAmI(ANNE, ISSUER) } as unknown as AssistantTools;
  return { store, conversations, turn: { person: ANNE, chatId, tools }, errors };
}

function said(text: string, id = `m-${text.length}`): AssistantMessage {
  return { id, role: "user", parts: [{ type: "text", text }] };
}

const textOf = (message: AssistantMessage | undefined) =>
  (message?.parts ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");

async function read(answer: Response | string): Promise<string> {
  assert.ok(answer instanceof Response, `refused: ${String(answer)}`);
  return answer.text();
}

describe("a conversation", () => {
  it("keeps what was said and what was answered", async (t) => {
    const { store, conversations, turn } = setUp(t);
    const stream = await read(await conversations.answer(turn, said("Who am I?")));
    assert.match(stream, /"tool-output-available"/);
    const messages = store.messages(turn.chatId) as AssistantMessage[];
    assert.deepEqual(
      messages.map(({ role }) => role),
      ["user", "assistant"],
    );
    assert.match(textOf(messages[1]), /You are \*\*Anne\*\*/);
    assert.equal(isUnanswered(messages), false);
    assert.equal(store.list(ANNE.id)[0]?.title, "Who am I?");
  });

  it("says a message once, even when the browser sends it twice", async (t) => {
    const { store, conversations, turn } = setUp(t);
    store.save(turn.chatId, 0, said("hello", "m-1")); // written, then the process was killed
    await read(await conversations.answer(turn, said("hello", "m-1")));
    assert.equal(store.messages(turn.chatId).length, 2);
    assert.equal(await conversations.answer(turn, said("hello", "m-1")), "nothing_to_do");
  });

  it("goes on by itself where a killed process left a message without an answer", async (t) => {
    const { store, conversations, turn } = setUp(t);
    store.save(turn.chatId, 0, said("hello"));
    assert.equal(isUnanswered(store.messages(turn.chatId) as AssistantMessage[]), true);
    await read(await conversations.answer(turn));
    assert.match(textOf(store.messages(turn.chatId)[1] as AssistantMessage), /scripted offline model/);
  });

  it("has nothing to do when everything has been answered", async (t) => {
    const { conversations, turn } = setUp(t);
    assert.equal(await conversations.answer(turn), "nothing_to_do");
    const resumed = await conversations.resume(turn);
    assert.deepEqual(resumed, { waiting: false, unanswered: false, message: undefined });
  });

  it("answers to its end when the browser goes away", async (t) => {
    const { store, conversations, turn } = setUp(t, { wordDelayMs: 2 });
    const answer = await conversations.answer(turn, said("hello"));
    assert.ok(answer instanceof Response);
    await answer.body?.cancel();
    const resumed = await conversations.resume(turn); // waits for the turn
    assert.notEqual(resumed, "busy");
    assert.match(textOf(store.messages(turn.chatId)[1] as AssistantMessage), /that you may read$/);
  });

  it("takes turns: a second message waits for the first answer", async (t) => {
    const { store, conversations, turn } = setUp(t, { wordDelayMs: 1 });
    const [first, second] = [
      conversations.answer(turn, said("hello", "m-1")),
      conversations.answer(turn, said("thanks", "m-2")),
    ];
    await read(await first);
    await read(await second);
    assert.deepEqual(
      store.messages(turn.chatId).map(({ role }) => role),
      ["user", "assistant", "user", "assistant"],
    );
  });
});

describe("the store of conversations", () => {
  it("finds no conversation for anybody but its owner", (t) => {
    const { store, turn } = setUp(t);
    assert.ok(store.find("anne", turn.chatId));
    assert.equal(store.find("ben", turn.chatId), undefined);
    assert.deepEqual(store.list("ben"), []);
  });

  it("remembers the account that a person chose, for that person alone", (t) => {
    const { store } = setUp(t);
    store.chooseAccount("anne", "calendar", "anne@work.example");
    store.chooseAccount("anne", "calendar", "anne@home.example");
    assert.equal(store.accountChoice("anne", "calendar"), "anne@home.example");
    assert.equal(store.accountChoice("ben", "calendar"), undefined);
  });
});
