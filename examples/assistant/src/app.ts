import type { AppAuth } from "@behalf/sdk/app";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import type { Asset } from "./assets.ts";
import type { Bootstrap } from "./bootstrap.ts";
import { type ChatProblem, type Conversations, isUnanswered, type Turn } from "./chat.ts";
import type { Chat, ChatStore } from "./chat-store.ts";
import type { ChosenModel } from "./model.ts";
import { chatPage, connectedPage, landingPage, problemPage } from "./pages.ts";
import { type Person, personOf } from "./people.ts";
import { isOwnRequest, secureHeaders } from "./security.ts";
import type { AssistantMessage, AssistantTools } from "./tools/index.ts";
import type { Shop } from "./tools/shop.ts";

/** What the routes stand on. */
export interface AppDeps {
  appUrl: string;
  issuer: string;
  calendarConnection: string;
  session: AppAuth;
  store: ChatStore;
  conversations: Conversations;
  shop: Shop;
  model: ChosenModel;
  assets: { script: Asset; style: Asset; close: Asset };
  tools: (request: Request, person: Person) => AssistantTools;
  /** Called before a person's first conversation, and again harmlessly. */
  welcome: (person: Person) => Promise<void>;
  logError: (error: unknown) => void;
}

/** A message is a few sentences; the rest is room for the JSON around it. */
const MAX_BODY_BYTES = 32 * 1024;
const MAX_MESSAGE_LENGTH = 4_000;

const said = z.strictObject({
  message: z
    .strictObject({
      id: z.string().regex(/^[\w-]{1,64}$/),
      text: z.string().trim().min(1).max(MAX_MESSAGE_LENGTH),
    })
    .optional(),
});
const accountChoice = z.strictObject({ loginHint: z.string().min(1).max(320) });
const quoteQuery = z.object({
  item: z.string().min(1).max(100),
  quantity: z.coerce.number().int().min(1).max(100),
});

/** The assistant's pages and its API. */
export function createApp(deps: AppDeps): Hono {
  const app = new Hono();
  app.use(secureHeaders({ issuer: deps.issuer }));
  app.use(toOwnAddress(deps.appUrl));
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES, onError: (c) => problem(c, 413, "request.too_large") }));
  app.use(async (c, next) => {
    const changes = c.req.method !== "GET" && c.req.method !== "HEAD";
    if (changes && !isOwnRequest(c.req.raw, deps.appUrl)) return problem(c, 403, "request.foreign");
    return next();
  });
  app.onError((error, c) => {
    deps.logError(error);
    if (c.req.path.startsWith("/api/")) return problem(c, 500, "server.error");
    const page = problemPage(deps.assets.style, "That did not work", "Something went wrong here. Try again.");
    return c.html(page, 500);
  });
  app.notFound((c) => {
    if (c.req.path.startsWith("/api/")) return problem(c, 404, "request.not_found");
    const page = problemPage(deps.assets.style, "Nothing here", "There is no page at this address.");
    return c.html(page, 404);
  });
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  for (const asset of Object.values(deps.assets)) addAsset(app, asset);
  // `all`, because the session decides which methods it takes.
  app.all("/auth/*", (c) => deps.session.handler(c.req.raw));
  addPages(app, deps);
  addApi(app, deps);
  return app;
}

/** Logins belong to one host: whoever opened another name of this machine is sent to the right one. */
function toOwnAddress(appUrl: string): MiddlewareHandler {
  const ownHost = new URL(appUrl).host;
  return async (c, next) => {
    const { host, pathname, search } = new URL(c.req.url);
    const isPage = c.req.method === "GET" && !pathname.startsWith("/api/") && pathname !== "/healthz";
    if (host !== ownHost && isPage) return c.redirect(`${appUrl}${pathname}${search}`, 307);
    return next();
  };
}

function addAsset(app: Hono, { path, type, body }: Asset): void {
  const headers = { "content-type": type, "cache-control": "public, max-age=31536000, immutable" };
  app.get(path, (c) => c.body(body, 200, headers));
}

function addPages(app: Hono, deps: AppDeps): void {
  const { session, store, assets, model } = deps;
  const personNow = async (c: Context): Promise<Person | undefined> => {
    const current = await session.getSession(c.req.raw);
    return current && personOf(current);
  };

  app.get("/", async (c) => {
    if (await personNow(c)) return c.redirect("/chat", 303);
    return c.html(landingPage({ style: assets.style, offline: model.offline }));
  });

  app.get("/chat", async (c) => {
    const person = await personNow(c);
    if (!person) return c.redirect("/", 303);
    const newest = store.list(person.id)[0] ?? store.create(person.id);
    return c.redirect(`/chat/${newest.id}`, 303);
  });

  app.post("/chat", async (c) => {
    const person = await personNow(c);
    if (!person) return c.redirect("/", 303);
    const empty = store.list(person.id).find(({ id }) => store.messages(id).length === 0);
    return c.redirect(`/chat/${(empty ?? store.create(person.id)).id}`, 303);
  });

  app.get("/chat/:id", async (c) => {
    const person = await personNow(c);
    if (!person) return c.redirect("/", 303);
    const chat = store.find(person.id, c.req.param("id"));
    if (!chat) return c.notFound();
    await deps.welcome(person);
    return c.html(chatPage(assets, bootstrap(deps, person, chat)));
  });

  app.get("/connected", (c) => {
    const error = c.req.query("connect_error");
    return c.html(connectedPage(assets, error && /^\w{1,64}$/.test(error) ? error : undefined));
  });
}

function bootstrap({ store, model, issuer }: AppDeps, person: Person, chat: Chat): Bootstrap {
  const messages = store.messages(chat.id) as AssistantMessage[]; // written by `createConversations`
  return {
    person: { name: person.name, email: person.email ?? null },
    chat: { id: chat.id, title: chat.title },
    chats: store.list(person.id).map(({ id, title }) => ({ id, title })),
    messages,
    unanswered: isUnanswered(messages),
    model: { label: model.label, offline: model.offline },
    approvalsUrl: `${issuer}approvals/`,
    issuerName: new URL(issuer).host,
  };
}

function addApi(app: Hono, deps: AppDeps): void {
  const { session, store, conversations } = deps;

  /** Whose conversation it is; a Response when the request ends here. */
  async function open(c: Context): Promise<(Turn & { chat: Chat }) | Response> {
    const current = await session.getSession(c.req.raw);
    if (!current) return problem(c, 401, "login.required");
    const person = personOf(current);
    const chat = store.find(person.id, c.req.param("id") ?? "");
    if (!chat) return problem(c, 404, "chat.unknown");
    await deps.welcome(person);
    return { person, chat, chatId: chat.id, tools: deps.tools(c.req.raw, person) };
  }

  app.get("/api/chats/:id", async (c) => {
    const turn = await open(c);
    return turn instanceof Response ? turn : c.json(bootstrap(deps, turn.person, turn.chat));
  });

  app.post("/api/chats/:id/messages", async (c) => {
    const turn = await open(c);
    if (turn instanceof Response) return turn;
    const body = await parseBody(c, said);
    if (body instanceof Response) return body;
    const answer = await conversations.answer(turn, body.message && userMessage(body.message));
    return typeof answer === "string" ? chatProblem(c, answer) : answer;
  });

  app.post("/api/chats/:id/resume", async (c) => {
    const turn = await open(c);
    if (turn instanceof Response) return turn;
    const resumed = await conversations.resume(turn);
    return typeof resumed === "string" ? chatProblem(c, resumed) : c.json(resumed);
  });

  app.put("/api/chats/:id/account", async (c) => {
    const turn = await open(c);
    if (turn instanceof Response) return turn;
    const body = await parseBody(c, accountChoice);
    if (body instanceof Response) return body;
    store.chooseAccount(turn.person.id, deps.calendarConnection, body.loginHint);
    return c.body(null, 204);
  });

  app.get("/api/quote", async (c) => {
    if (!(await session.getSession(c.req.raw))) return problem(c, 401, "login.required");
    const query = quoteQuery.safeParse(c.req.query());
    if (!query.success) return problem(c, 400, "request.invalid");
    const { item, purchase } = await deps.shop.quote(query.data.item, query.data.quantity);
    return c.json({ name: item.name, amount: purchase.amount, currency: purchase.currency });
  });
}

function userMessage({ id, text }: { id: string; text: string }): AssistantMessage {
  return { id, role: "user", parts: [{ type: "text", text }] };
}

async function parseBody<T>(c: Context, schema: z.ZodType<T>): Promise<T | Response> {
  // A form cannot send this type across origins without being asked first.
  if (!/^application\/json\b/i.test(c.req.header("content-type") ?? ""))
    return problem(c, 415, "request.unsupported_media_type");
  const value: unknown = await c.req.json().catch(() => undefined);
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : problem(c, 400, "request.invalid");
}

const CHAT_PROBLEMS: Readonly<Record<ChatProblem, string>> = {
  busy: "chat.busy",
  nothing_to_do: "chat.nothing_to_do",
  waiting: "chat.waiting",
};

function chatProblem(c: Context, kind: ChatProblem): Response {
  return problem(c, 409, CHAT_PROBLEMS[kind]);
}

const MESSAGES: Readonly<Record<string, string>> = {
  "request.too_large": "The message is too long.",
  "request.foreign": "This request came from another site.",
  "request.not_found": "There is nothing at this address.",
  "request.invalid": "The request cannot be understood.",
  "request.unsupported_media_type": "Send JSON.",
  "server.error": "Something went wrong here. Try again.",
  "login.required": "Log in to go on.",
  "chat.unknown": "There is no such conversation.",
  "chat.busy": "The last message is still being answered. Try again in a moment.",
  "chat.nothing_to_do": "Everything has been answered.",
  "chat.waiting": "Something waits for you first.",
};

function problem(c: Context, status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 500, code: string): Response {
  return c.json({ code, message: MESSAGES[code] ?? code }, status);
}
