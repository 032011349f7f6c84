import assert from "node:assert/strict";
import { createUserAgent, type UserAgent } from "../support/user-agent.ts";

/** Where the parts of the demo are, and how the story is told. */
export interface StoryOptions {
  readonly assistantUrl: string;
  /** Ends in `/`. */
  readonly issuerUrl: string;
  readonly shopUrl: string;
  readonly calendarUrl: string;
  /** Called with the sentence of a step that has passed. */
  readonly onStep?: (step: string) => void;
  /** Kills a program without warning and starts it again on the same data. Without it those steps are left out. */
  readonly crash?: (program: CrashedProgram) => Promise<void>;
}

/** A program that the story may kill. */
export type CrashedProgram = "server" | "assistant";

/** A step of the story did not hold. */
export class StoryError extends Error {
  override readonly name = "StoryError";

  constructor(step: string, cause: unknown) {
    super(`${step}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

const PASSWORD = "correct horse battery staple";
/** Longer than the slowest interval at which the server lets approvals be looked for. */
const RESUME_TIMEOUT_MS = 20_000;
const RESUME_PAUSE_MS = 200;

/**
 * The whole story of the assistant, as a person with a browser lives it: forms, cookies, redirects, and the
 * same requests that the page makes.
 * @throws StoryError naming the step that broke
 */
export async function runStory(options: StoryOptions): Promise<void> {
  const tell = async <T>(step: string, act: () => Promise<T>): Promise<T> => {
    const result = await act().catch((cause: unknown) => {
      throw new StoryError(step, cause);
    });
    options.onStep?.(step);
    return result;
  };

  const anne = await tell("a person signs up and lands in a conversation", () => signUp(options, "Anne"));
  await tell("the assistant says that it is a scripted model, and who is logged in", () => whoAmI(anne));
  await tell("it shows the person's own past orders", () => pastOrders(anne));
  const ben = await tell("another person signs up with another browser", () => signUp(options, "Ben"));
  await tell("the shop refuses to show one person's order to the other", () => foreignOrder(anne, ben));
  await tell("documents answer each of the two from what they may read", () => documents(anne, ben));
  await tell("calendar events wait until the account is connected, then come by themselves", () =>
    calendar(options, anne),
  );
  await tell("an event that is added to the calendar is in the next answer", () => addedEvent(options, anne));
  await tell("another person's calendar stays closed", () => closedCalendar(ben));
  await tell("a purchase waits for the approval, and makes exactly one order", () => purchase(options, anne));
  await tell("a denied purchase buys nothing and is said plainly", () => denial(options, anne));
  await tell("of two purchases in one sentence, the approved one alone is made", () =>
    twoPurchases(options, anne),
  );
  const { crash } = options;
  if (crash) {
    for (const program of ["assistant", "server"] as const) {
      await tell(`a purchase outlives the ${program} being killed, and is made exactly once`, () =>
        purchaseAcrossCrashes(options, anne, () => crash(program)),
      );
      await tell(`the ${program}, killed while a purchase is being made, doubles nothing`, () =>
        crashDuringPurchase(options, anne, () => crash(program)),
      );
    }
    await tell("a purchase keeps waiting while the server does not answer", () =>
      waitForServer(options, anne, () => crash("server")),
    );
  }
  await tell("after logging out the conversation is closed", () => logOut(options, anne));
}

/** Somebody with a browser, a login and a conversation. */
interface Person {
  readonly name: string;
  readonly email: string;
  readonly agent: UserAgent;
  readonly chatUrl: string;
  /** Says something and returns what the assistant made of it. */
  say(text: string): Promise<Answer>;
  /** What the page does by itself while something waits: looks again, and goes on when it can. */
  resume(): Promise<Answer>;
  /** Looks once whether something waits. */
  isWaiting(): Promise<boolean>;
  /** The conversation as the page finds it when it is opened. */
  open(): Promise<ChatState>;
}

/** One turn, from the chunks of the UI message stream. */
interface Answer {
  readonly text: string;
  /** Outputs by tool, in order. */
  readonly outputs: readonly ToolOutput[];
  readonly interrupts: readonly InterruptJson[];
}

interface ToolOutput {
  readonly tool: string;
  // Outputs are whatever the tools return; each step checks the members it needs.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly output: any;
}

interface InterruptJson {
  readonly code: string;
  readonly connection?: string;
  readonly requiredScopes?: string[];
  readonly approval?: { readonly id: string };
}

interface ChatState {
  readonly messages: readonly { role: string; parts: readonly Part[] }[];
  readonly unanswered: boolean;
}

interface Part {
  readonly type: string;
  readonly text?: string;
  readonly state?: string;
  readonly errorText?: string;
  readonly output?: unknown;
}

async function signUp(options: StoryOptions, name: string): Promise<Person> {
  const { assistantUrl, issuerUrl } = options;
  const agent = createUserAgent();
  const email = `${name.toLowerCase()}-${Date.now().toString(36)}@example.com`;
  const form = await agent.open(`${assistantUrl}/auth/login?screen_hint=signup&returnTo=/chat`);
  assert.ok(form.address.startsWith(issuerUrl), `the sign-up form is at the issuer, not at ${form.address}`);
  const page = await agent.submit(form, { name, email, password: PASSWORD });
  assert.equal(page.status, 200, `sign-up ended at ${page.address} with ${page.status}`);
  assert.match(page.address, new RegExp(`^${assistantUrl}/chat/chat_`), "sign-up leads to a conversation");
  const api = page.address.replace("/chat/", "/api/chats/");
  return {
    name,
    email,
    agent,
    chatUrl: page.address,
    say: (text) =>
      answer(agent, `${api}/messages`, { message: { id: `story-${crypto.randomUUID()}`, text } }),
    resume: () => resume(agent, api),
    isWaiting: async () => (await lookAgain(agent, api)).waiting,
    async open() {
      const shown = await agent.open(page.address);
      assert.equal(shown.status, 200, `the conversation answered with ${shown.status}`);
      const json = /<script type="application\/json" id="bootstrap">(.*?)<\/script>/s.exec(shown.text)?.[1];
      assert.ok(json, "the page holds its conversation");
      return JSON.parse(json);
    },
  };
}

async function post(agent: UserAgent, url: string, body: unknown): Promise<Response> {
  return agent.fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", origin: new URL(url).origin },
    body: JSON.stringify(body),
  });
}

/** Sends a message (or goes on without one) and reads the stream to its end. */
async function answer(agent: UserAgent, url: string, body: unknown): Promise<Answer> {
  const response = await post(agent, url, body);
  const text = await response.text();
  assert.equal(response.status, 200, `the chat answered with ${response.status}: ${text.slice(0, 200)}`);
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  assert.match(text, /data: \[DONE\]\s*$/, "the stream ends in order");
  const chunks = text
    .split("\n\n")
    .filter((event) => event.startsWith("data: {"))
    .map((event) => JSON.parse(event.slice("data: ".length)));
  return readChunks(chunks);
}

// biome-ignore lint/suspicious/noExplicitAny: chunks of the AI SDK's UI message stream
function readChunks(chunks: readonly any[]): Answer {
  const broken = chunks.find((chunk) => chunk.type === "error");
  assert.equal(broken, undefined, `the answer broke off: ${broken?.errorText}`);
  const tools = new Map(
    chunks
      .filter((chunk) => chunk.type === "tool-input-available")
      .map(({ toolCallId, toolName }) => [toolCallId, toolName]),
  );
  const errors = chunks.filter((chunk) => chunk.type === "tool-output-error");
  return {
    text: chunks
      .filter((chunk) => chunk.type === "text-delta")
      .map((chunk) => chunk.delta)
      .join(""),
    outputs: chunks
      .filter((chunk) => chunk.type === "tool-output-available")
      .map(({ toolCallId, output }) => ({ tool: tools.get(toolCallId), output })),
    interrupts: errors.map(({ errorText }) => parseInterrupt(errorText)),
  };
}

function parseInterrupt(errorText: string): InterruptJson {
  assert.ok(errorText.startsWith("{"), `a tool failed: ${errorText}`);
  const interrupt = JSON.parse(errorText);
  assert.equal(interrupt.name, "BEHALF_INTERRUPT");
  return interrupt;
}

/** What the page asks while something waits. */
async function lookAgain(agent: UserAgent, api: string) {
  const response = await post(agent, `${api}/resume`, {});
  assert.equal(response.status, 200, "the call can be resumed");
  return response.json();
}

/** Looks until nothing waits, then lets the model go on. */
async function resume(agent: UserAgent, api: string): Promise<Answer> {
  const deadline = Date.now() + RESUME_TIMEOUT_MS;
  for (;;) {
    const { waiting, message } = await lookAgain(agent, api);
    if (!waiting) {
      const outputs = message.parts
        .filter((part: Part) => part.type.startsWith("tool-") && part.state === "output-available")
        .map((part: Part) => ({ tool: part.type.slice("tool-".length), output: part.output }));
      const { text } = await answer(agent, `${api}/messages`, {});
      return { text, outputs, interrupts: [] };
    }
    assert.ok(Date.now() < deadline, "what waited went on in time");
    await new Promise((resolve) => setTimeout(resolve, RESUME_PAUSE_MS));
  }
}

async function whoAmI(person: Person): Promise<void> {
  const { text, outputs } = await person.say("Who am I?");
  assert.match(text, /^I am a scripted offline model/);
  assert.ok(text.includes(person.email), text);
  assert.equal(outputs[0]?.tool, "whoAmI");
}

/** The ids of the person's orders. */
async function pastOrders(person: Person): Promise<string[]> {
  const { text, outputs } = await person.say("Show my past orders");
  const { status, orders } = outputs[0]?.output ?? {};
  assert.equal(status, "ok");
  assert.ok(orders.length > 0, "the shop gives everybody past orders");
  for (const { amount, name } of orders)
    for (const shown of [amount, name]) assert.ok(text.includes(shown), `${shown} stands in: ${text}`);
  return orders.map((order: { id: string }) => order.id);
}

async function foreignOrder(anne: Person, ben: Person): Promise<void> {
  const [anothers = ""] = await pastOrders(ben);
  const own = await anne.say("Show my orders");
  const [mine = ""] = own.outputs[0]?.output.orders.map((order: { id: string }) => order.id) ?? [];
  const allowed = await anne.say(`Show my order ${mine}`);
  assert.equal(allowed.outputs[0]?.output.status, "ok", "one's own order is shown");
  const refused = await anne.say(`Show the order ${anothers}`);
  const { status, httpStatus } = refused.outputs[0]?.output ?? {};
  assert.deepEqual([status, httpStatus], ["refused", 404]);
  assert.match(refused.text, /refused/);
}

async function documents(anne: Person, ben: Person): Promise<void> {
  const question = "How many days of leave do I have left?";
  const [first, second] = [await anne.say(question), await ben.say(question)];
  const statement = (answered: Answer) => {
    const passages: { document: string; text: string }[] = answered.outputs[0]?.output.passages ?? [];
    const own = passages.filter(({ document }) => document === "Your leave statement");
    assert.equal(own.length, 1, `exactly one leave statement, one's own: ${JSON.stringify(passages)}`);
    assert.match(answered.text, /You have \d+ days of leave left/);
    return own[0]?.text;
  };
  assert.notEqual(statement(first), statement(second), "two people, two answers");
  const salary = await anne.say("What is the salary band of level 4?");
  assert.doesNotMatch(JSON.stringify(salary.outputs), /Salary table|68,000/);
  assert.doesNotMatch(salary.text, /68,000/);
  const hotel = await anne.say("What may a hotel cost?");
  assert.match(hotel.text, /140 EUR/);
}

async function calendar({ assistantUrl, calendarUrl }: StoryOptions, person: Person): Promise<void> {
  const asked = await person.say("What is on my calendar this week?");
  const [interrupt] = asked.interrupts;
  assert.deepEqual([interrupt?.code, interrupt?.connection], ["vault.not_connected", "calendar"]);
  assert.equal(asked.text, "", "nothing is said before the calendar was read");
  const query = new URLSearchParams({ connection: "calendar", returnTo: "/connected" });
  for (const scope of interrupt?.requiredScopes ?? []) query.append("scopes", scope);
  const { agent } = person;
  const consent = await agent.open(`${assistantUrl}/auth/connect?${query}`);
  assert.ok(consent.address.startsWith(calendarUrl), `the provider asks, not ${consent.address}`);
  let page = await agent.submit(consent, { decision: "allow" });
  // The server asks the same person in the same browser once more before it links anything.
  if (!page.address.startsWith(assistantUrl)) page = await agent.submit(page, { decision: "confirm" });
  assert.equal(page.address, `${assistantUrl}/connected`, `connecting ended at ${page.address}`);
  const { text, outputs } = await person.resume();
  const events: { title: string }[] =
    outputs.find(({ tool }) => tool === "listMyEvents")?.output.events ?? [];
  assert.ok(events.length > 0, "the calendar has events");
  for (const { title } of events) assert.ok(text.includes(title), `${title} stands in: ${text}`);
  const again = await person.say("What is on my calendar today?");
  assert.deepEqual(again.interrupts, [], "connected once is connected");
}

/** Nothing on the screen is made up: it changes when the third party's data change. */
async function addedEvent({ calendarUrl }: StoryOptions, person: Person): Promise<void> {
  const before = await person.say("What is on my calendar today?");
  const title = `Concert ${Date.now().toString(36)}`;
  assert.ok(!before.text.includes(title));
  const start = new Date();
  const response = await fetch(`${calendarUrl}/_sandbox/events`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      account: before.outputs[0]?.output.account,
      title,
      start: start.toISOString(),
      end: new Date(start.getTime() + 60_000).toISOString(),
    }),
  });
  assert.equal(response.status, 201, await response.text());
  const after = await person.say("What is on my calendar today?");
  assert.ok(after.text.includes(title), `${title} stands in: ${after.text}`);
  const count = (answer: Answer) => answer.outputs[0]?.output.events.length;
  assert.equal(count(after), count(before) + 1);
}

async function closedCalendar(person: Person): Promise<void> {
  const { interrupts } = await person.say("Show my calendar");
  assert.equal(interrupts[0]?.code, "vault.not_connected");
  const { text } = await person.say("Not now");
  assert.match(text, /left it alone/);
}

async function purchase(options: StoryOptions, person: Person): Promise<void> {
  const before = await orderCount(options);
  const { interrupts } = await person.say("Please buy 2 kettles");
  const id = approvalOf(interrupts[0]);
  assert.equal(await orderCount(options), before, "nothing is ordered before the approval");
  const page = await person.agent.open(`${options.issuerUrl}approvals/${id}`);
  assert.match(page.text, /79\.80/, "the page shows the whole amount");
  await answerApproval(options, person, id, "approve");
  const { text, outputs } = await person.resume();
  const bought = outputs.find(({ tool }) => tool === "buy")?.output;
  assert.equal(bought?.status, "bought");
  assert.ok(text.includes(bought.order.id), text);
  assert.equal(await orderCount(options), before + 1, "exactly one order");
  assert.equal(await person.isWaiting(), false);
  assert.equal(await orderCount(options), before + 1, "asking again orders nothing");
}

async function denial(options: StoryOptions, person: Person): Promise<void> {
  const before = await orderCount(options);
  const { interrupts } = await person.say("Buy a backpack");
  await answerApproval(options, person, approvalOf(interrupts[0]), "deny");
  const { text, outputs } = await person.resume();
  assert.equal(outputs.find(({ tool }) => tool === "buy")?.output.status, "denied");
  assert.match(text, /said no/);
  assert.equal(await orderCount(options), before, "nothing was bought");
}

async function twoPurchases(options: StoryOptions, person: Person): Promise<void> {
  const before = await orderCount(options);
  const { interrupts } = await person.say("Buy an umbrella and a desk lamp");
  assert.equal(interrupts.length, 2, "each purchase asks for itself");
  await answerApproval(options, person, approvalOf(interrupts[0]), "approve");
  await answerApproval(options, person, approvalOf(interrupts[1]), "deny");
  const { outputs } = await person.resume();
  const outcomes = outputs.filter(({ tool }) => tool === "buy").map(({ output }) => output.status);
  assert.deepEqual(outcomes, ["bought", "denied"]);
  assert.equal(await orderCount(options), before + 1, "exactly one order");
}

async function purchaseAcrossCrashes(
  options: StoryOptions,
  person: Person,
  crash: () => Promise<void>,
): Promise<void> {
  const before = await orderCount(options);
  const { interrupts } = await person.say("Buy a notebook");
  const id = approvalOf(interrupts[0]);
  await crash();
  const { messages, unanswered } = await person.open();
  const last = messages.at(-1)?.parts.at(-1);
  assert.ok(last?.errorText?.includes(id), "the conversation is there, and the purchase still waits");
  assert.equal(unanswered, false);
  await answerApproval(options, person, id, "approve");
  await crash();
  const { outputs } = await person.resume();
  assert.equal(outputs.find(({ tool }) => tool === "buy")?.output.status, "bought");
  assert.equal(await orderCount(options), before + 1, "exactly one order");
}

/**
 * The kill comes while the approval is fetched and spent. Whatever was acknowledged holds; an answer that was
 * under way may be lost, and then the person is asked again rather than charged twice.
 */
async function crashDuringPurchase(
  options: StoryOptions,
  person: Person,
  crash: () => Promise<void>,
): Promise<void> {
  const before = await orderCount(options);
  const { interrupts } = await person.say("Buy a notebook");
  await answerApproval(options, person, approvalOf(interrupts[0]), "approve");
  const [resumed] = await Promise.allSettled([person.resume(), crash()]);
  const first = resumed.status === "fulfilled" ? resumed.value : await person.resume();
  const status = first.outputs.find(({ tool }) => tool === "buy")?.output.status;
  const made = (await orderCount(options)) - before;
  assert.equal(made, status === "bought" ? 1 : 0, `the answer was ${status}`);
  if (status === "bought") return;
  await purchase(options, person);
}

/** Who cannot be reached has refused nothing. */
async function waitForServer(
  options: StoryOptions,
  person: Person,
  crash: () => Promise<void>,
): Promise<void> {
  const before = await orderCount(options);
  const { interrupts } = await person.say("Buy coffee");
  const back = crash();
  await new Promise((resolve) => setTimeout(resolve, RESUME_PAUSE_MS));
  assert.equal(await person.isWaiting(), true);
  await back;
  await answerApproval(options, person, approvalOf(interrupts[0]), "approve");
  const { outputs } = await person.resume();
  assert.equal(outputs.find(({ tool }) => tool === "buy")?.output.status, "bought");
  assert.equal(await orderCount(options), before + 1, "exactly one order");
}

async function logOut({ assistantUrl }: StoryOptions, person: Person): Promise<void> {
  const { agent, chatUrl } = person;
  const left = await agent.fetch(`${assistantUrl}/auth/logout`, {
    method: "POST",
    headers: { origin: assistantUrl },
  });
  assert.equal(left.status, 303);
  const closed = await agent.fetch(chatUrl.replace("/chat/", "/api/chats/"));
  assert.equal(closed.status, 401);
  const start = await agent.open(chatUrl);
  assert.match(start.text, /Create an account/);
}

function approvalOf(interrupt: InterruptJson | undefined): string {
  assert.equal(interrupt?.code, "approval.pending");
  const id = interrupt?.approval?.id;
  assert.ok(id, "the interrupt names the approval");
  return id;
}

async function answerApproval(
  { issuerUrl }: StoryOptions,
  { agent }: Person,
  id: string,
  decision: "approve" | "deny",
): Promise<void> {
  const page = await agent.open(`${issuerUrl}approvals/${id}`);
  assert.equal(page.status, 200, `the approval's page answered with ${page.status}`);
  const answered = await agent.submit(page, { decision });
  assert.equal(answered.status, 200, `the answer was taken with ${answered.status}`);
}

/** Orders that were placed through the shop's API, by anybody, since it was first started. */
async function orderCount({ shopUrl }: StoryOptions): Promise<number> {
  const response = await fetch(`${shopUrl}/_sandbox/orders?run=all`);
  return (await response.json()).count;
}
