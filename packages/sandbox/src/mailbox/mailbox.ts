import { type BaseEnv, createBaseApp } from "../support/base-app.ts";
import { readForm, readJsonObject } from "../support/body.ts";
import { type Clock, systemClock } from "../support/clock.ts";
import { openDatabase } from "../support/database.ts";
import { listen } from "../support/listen.ts";
import { requireLoopback } from "../support/loopback.ts";
import { Refusal } from "../support/refusal.ts";
import { createRequestLog } from "../support/request-log.ts";
import { htmlOf, mailboxPage } from "./pages.ts";
import { type SmtpProtection, startSmtp } from "./smtp.ts";
import { type Arrived, createMailboxStore, MAILBOX_SCHEMA, type MailboxStore } from "./store.ts";
import { createMailboxSwitchboard, type MailboxSwitchboard, type MailboxSwitches } from "./switches.ts";

/** How a mailbox is started. */
export type MailboxOptions = SmtpProtection & {
  /** Of the page and the SMS gateway. Default: 0, a free port. */
  port?: number;
  /** Default: 0, a free port. */
  smtpPort?: number;
  /** A SQLite file, made when it is missing. Default: `:memory:`, gone when the mailbox is closed. */
  dataFile?: string;
  /** What the SMS gateway takes as Basic authentication. Default: anybody may send. */
  sms?: { user: string; password: string };
  /** Default: the machine's. */
  clock?: Clock;
};

/** A mailbox that takes mail and texts. */
export type RunningMailbox = {
  /** Address of page and SMS gateway, without a trailing slash. */
  url: string;
  /** Where texts are posted. */
  smsUrl: string;
  /** Where texts are posted as JSON. */
  smsJsonUrl: string;
  smtpPort: number;
  /** What arrived, newest first; to one recipient, or to all. */
  messages(to?: string): Arrived[];
  switches: {
    get(): MailboxSwitches;
    /** As `PUT /_sandbox/switches`: what is not named is off. @throws TypeError naming every problem. */
    set(switches: { [N in keyof MailboxSwitches]?: Partial<NonNullable<MailboxSwitches[N]>> | null }): void;
  };
  /** Forgets every message, switch and log entry. */
  reset(): void;
  /** Safe to call twice. */
  close(): Promise<void>;
};

/** Path of the gateway, in the shape of Twilio's API; the account is the user of the authentication. */
const SMS_PATH = "/2010-04-01/Accounts/sandbox/Messages.json";
/** Path of the gateway for `{ to, from, text }`. */
const SMS_JSON_PATH = "/messages";

/**
 * Starts an SMTP server and an SMS gateway on the loopback interface that deliver nothing, and a page that shows
 * what they took.
 *
 * @throws StartError when a port or the data file cannot be used.
 */
export async function startMailbox(options: MailboxOptions = {}): Promise<RunningMailbox> {
  const clock = options.clock ?? systemClock;
  const db = openDatabase(options.dataFile ?? ":memory:", MAILBOX_SCHEMA);
  const stopping = new AbortController();
  const store = createMailboxStore(db, clock);
  const switchboard = createMailboxSwitchboard(db);
  const app = createMailboxApp({ store, switchboard, sms: options.sms, log: createRequestLog(db, clock) });
  const opened: { close(): Promise<void> }[] = [];
  const closeAll = async () => {
    stopping.abort();
    await Promise.all(opened.map((server) => server.close()));
    db.close();
  };
  try {
    const http = await listen(options.port ?? 0, () => (request, env) => app.fetch(request, env));
    opened.push(http);
    const smtp = await startSmtp(
      { store, switchboard, stopping: stopping.signal },
      { ...options, port: options.smtpPort ?? 0 },
    );
    opened.push(smtp);
    let closing: Promise<void> | undefined;
    return {
      url: http.url,
      smsUrl: `${http.url}${SMS_PATH}`,
      smsJsonUrl: `${http.url}${SMS_JSON_PATH}`,
      smtpPort: smtp.port,
      messages: store.list,
      switches: { get: switchboard.get, set: (switches) => setOrThrow(switchboard, switches) },
      reset: store.reset,
      close() {
        closing ??= closeAll();
        return closing;
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function createMailboxApp(deps: {
  store: MailboxStore;
  switchboard: MailboxSwitchboard;
  sms: MailboxOptions["sms"];
  log: ReturnType<typeof createRequestLog>;
}) {
  const { store, switchboard } = deps;
  const app = createBaseApp<BaseEnv>(deps.log);
  // Codes are in it: no page of another site may read them, whatever its name resolves to.
  for (const path of ["/mailbox", "/mailbox.json", "/mailbox/*"])
    app.use(path, async (c, next) => {
      requireLoopback(c);
      await next();
    });
  app.get("/", (c) => c.redirect("/mailbox"));
  app.get("/mailbox", (c) => mailboxPage(store.list(c.req.query("to") || undefined)));
  app.get("/mailbox.json", (c) =>
    c.json({ messages: store.list(c.req.query("to")) }, 200, { "cache-control": "no-store" }),
  );
  app.get("/mailbox/:seq", (c) => {
    const message = store.find(Number(c.req.param("seq")));
    if (message?.kind === "mail") return htmlOf(message);
    throw new Refusal({ status: 404, error: "not_found", description: "There is no such mail." });
  });
  const takeText = (request: Request, to: unknown, from: unknown, text: unknown) => {
    refuseOnDemand(switchboard);
    const members = [to, from, text].map((member) => (typeof member === "string" ? member : ""));
    const [recipient = "", sender = "", body = ""] = members;
    if (members.includes(""))
      throw new Refusal({
        status: 400,
        error: "invalid_request",
        description: "Receiver, sender and text are needed.",
      });
    const messageId = request.headers.get("idempotency-key") ?? "";
    const message = { to: recipient, from: sender, text: body, messageId, subject: "", html: "" };
    const { seq } = store.add({ kind: "text", ...message });
    return { sid: `SM${seq}`, status: "queued", to: recipient, from: sender };
  };
  app.post(SMS_PATH, async (c) => {
    requireSender(c.req.header("authorization"), deps.sms);
    const form = await readForm(c.req.raw);
    return c.json(takeText(c.req.raw, form.get("To"), form.get("From"), form.get("Body")), 201);
  });
  app.post(SMS_JSON_PATH, async (c) => {
    requireSender(c.req.header("authorization"), deps.sms);
    const { to, from, text } = await readJsonObject(c.req.raw);
    return c.json(takeText(c.req.raw, to, from, text), 201);
  });
  app.get("/_sandbox/switches", (c) => c.json(switchboard.get()));
  app.put("/_sandbox/switches", async (c) => {
    const problems = switchboard.set(await readJsonObject(c.req.raw));
    if (problems.length === 0) return c.json(switchboard.get());
    const description = `${problems.join("; ")}.`;
    throw new Refusal({ status: 400, error: "invalid_request", description, members: { problems } });
  });
  app.post("/_sandbox/reset", (c) => {
    store.reset();
    return c.body(null, 204);
  });
  return app;
}

function requireSender(header: string | undefined, sms: MailboxOptions["sms"]): void {
  if (!sms) return;
  const wanted = `Basic ${Buffer.from(`${sms.user}:${sms.password}`).toString("base64")}`;
  if (header === wanted) return;
  throw new Refusal({
    status: 401,
    error: "unauthorized",
    description: "Authenticate with user and password.",
  });
}

function refuseOnDemand(switchboard: MailboxSwitchboard): void {
  const busy = switchboard.take("smsStatus429");
  if (busy)
    throw new Refusal({
      status: 429,
      error: "rate_limited",
      description: "Too many requests.",
      headers: { "retry-after": String(busy.retryAfterSeconds) },
    });
  if (switchboard.take("smsStatus500"))
    throw new Refusal({ status: 500, error: "server_error", description: "Something went wrong." });
  if (switchboard.take("smsStatus400"))
    throw new Refusal({ status: 400, error: "invalid_number", description: "This number is not served." });
}

function setOrThrow(switchboard: MailboxSwitchboard, switches: object): void {
  const problems = switchboard.set(switches);
  if (problems.length > 0) throw new TypeError(`The switches are refused: ${problems.join("; ")}.`);
}
