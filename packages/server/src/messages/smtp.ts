import { createTransport } from "nodemailer";
import type { MailConfig } from "../config.ts";
import { reveal } from "../lib/secret.ts";
import { RetryLater, Undeliverable } from "../storage/outbox.ts";
import type { RenderedMail } from "./render.ts";
import { isMailAddress } from "./untrusted.ts";

/** The operator's SMTP server. */
export interface SmtpSender {
  /**
   * Hands one mail over. `id` becomes its Message-ID, so that a repeat is recognised as one (RFC 5322 3.6.4).
   * @throws Undeliverable when the server refuses it for good, MailError when a later attempt may help
   */
  send(mail: RenderedMail & { to: string; id: string }): Promise<void>;
  /** Connects, starts TLS and authenticates; sends nothing. @throws MailError */
  verify(): Promise<void>;
  /** Ends its connections; what is being sent fails and is tried again by the outbox. Safe to call twice. */
  close(): void;
}

/** The server could not be reached, or not now. `what` is a code, never the server's words: they name people. */
export class MailError extends Error {
  override readonly name = "MailError";
  readonly what: string;

  constructor(what: string, options?: ErrorOptions) {
    super(`the mail server did not take the message (${what})`, options);
    this.what = what;
  }
}

/** Connections kept open at once, and mails sent over one before it is replaced. */
const MAX_CONNECTIONS = 4;
const MAX_MAILS_PER_CONNECTION = 100;
const CONNECT_TIMEOUT_MS = 10_000;
/** Between two answers of the server. */
const SILENCE_TIMEOUT_MS = 15_000;
/** Everything together: shorter than an outbox claim, so that nobody else sends the same mail meanwhile. */
const WHOLE_TIMEOUT_MS = 30_000;
/** The server asks for authentication or TLS: the operator's to put right, and no verdict on the mail. */
const AUTHENTICATION_REQUIRED = 530;

export function createSmtpSender(config: MailConfig): SmtpSender {
  const { smtp } = config;
  const transport = createTransport({
    pool: true,
    host: smtp.host,
    port: smtp.port,
    secure: smtp.secure,
    requireTLS: smtp.requireTls && !smtp.secure,
    // On loopback the certificate of a local relay is usually its own, and nobody listens in between.
    ignoreTLS: !smtp.requireTls,
    ...(smtp.user !== undefined && smtp.password
      ? { auth: { user: smtp.user, pass: reveal(smtp.password) } }
      : {}),
    tls: { minVersion: "TLSv1.2" },
    maxConnections: MAX_CONNECTIONS,
    maxMessages: MAX_MAILS_PER_CONNECTION,
    // The outbox alone tries again: it knows when a message has expired.
    maxRequeues: 0,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    dnsTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const from = parseMailbox(config.from);
  const replyTo = config.replyTo === undefined ? undefined : parseMailbox(config.replyTo);
  const domain = from.address.slice(from.address.lastIndexOf("@") + 1);

  return {
    async send({ to, id, subject, text, html }) {
      if (!isMailAddress(to)) throw new Undeliverable("not one mail address");
      const sending = transport.sendMail({
        from,
        to: { name: "", address: to },
        ...(replyTo ? { replyTo } : {}),
        envelope: { from: from.address, to: [to] },
        messageId: `<${id}@${domain}>`,
        subject,
        text,
        html,
        // RFC 3834: no out-of-office answer to it.
        headers: { "Auto-Submitted": "auto-generated" },
      });
      await inTime(sending).catch((error) => {
        throw classify(error);
      });
    },
    async verify() {
      await inTime(transport.verify()).catch((error) => {
        throw classify(error);
      });
    },
    close: () => transport.close(),
  };
}

function inTime<T>(work: Promise<T>): Promise<T> {
  return new Promise((fulfil, reject) => {
    const timer = setTimeout(() => reject(new MailError("ETIMEDOUT")), WHOLE_TIMEOUT_MS);
    work.then(fulfil, reject).finally(() => clearTimeout(timer));
  });
}

/** RFC 5321 section 4.2.1: 5yz is for good, 4yz is for now. What concerns our log-in there is never for good. */
function classify(error: unknown): Error {
  if (error instanceof MailError || error instanceof Undeliverable || error instanceof RetryLater)
    return error;
  // The library's errors carry its own code, and the server's when it said one.
  const { code = "unknown", responseCode: status } = error as { code?: string; responseCode?: number };
  const isVerdict = code === "EENVELOPE" || code === "EMESSAGE";
  if (isVerdict && status !== undefined && status >= 500 && status !== AUTHENTICATION_REQUIRED)
    return new Undeliverable(`refused with ${status}`);
  return new MailError(status === undefined ? code : `${code} ${status}`);
}

/** `Name <address>` or an address alone, as the configuration has it. */
function parseMailbox(text: string): { name: string; address: string } {
  const named = /^(.*?)\s*<([^<>]+)>$/.exec(text);
  return named ? { name: named[1] ?? "", address: named[2] ?? "" } : { name: "", address: text };
}
