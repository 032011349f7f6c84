import type { Sealer } from "../crypto/seal.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { languageOf } from "../pages/languages/index.ts";
import { type OutboxHandler, type OutboxMessage, RetryLater, Undeliverable } from "../storage/outbox.ts";
import { type MailBrand, renderMail } from "./render.ts";
import { openMessage } from "./seal.ts";
import { SmsError, type SmsSender } from "./sms.ts";
import { MailError, type SmtpSender } from "./smtp.ts";
import {
  composeMail,
  composeText,
  type MailTemplate,
  type MailValues,
  type TextTemplate,
} from "./templates.ts";

/** Outbox topics; the payload is a sealed {@link StoredMessage}. */
export const MAIL_TOPIC = "message.mail";
export const TEXT_TOPIC = "message.text";

/** What is sealed in the outbox. Times are milliseconds. */
export interface StoredMessage {
  /** Absent: nobody. */
  readonly to?: string | undefined;
  readonly language: string | undefined;
  readonly template: MailTemplate | TextTemplate;
  readonly values: object;
  readonly expiresAt?: number;
  readonly addedAt: number;
}

/** Sends what the outbox hands over, and says in the log what became of it: never to whom, never what. */
export function createDelivery(deps: {
  sealer: Sealer;
  clock: Clock;
  log: Log;
  issuer: string;
  smtp: SmtpSender | undefined;
  sms: SmsSender | undefined;
  brand: MailBrand;
}): { readonly handlers: Readonly<Record<string, OutboxHandler>> } {
  const { sealer, clock, log, issuer, smtp, sms } = deps;
  /** Since the start of this process. */
  const dropped = { expired: 0, refused: 0, given_up: 0 };

  function drop(
    reason: keyof typeof dropped,
    message: OutboxMessage,
    template: string,
    detail?: string,
  ): void {
    dropped[reason] += 1;
    log.warn("message dropped", { id: message.id, template, reason, detail, count: dropped[reason] });
  }

  const handler =
    (
      topic: string,
      send: (stored: StoredMessage & { readonly to: string }, id: string) => Promise<void>,
    ): OutboxHandler =>
    async (message) => {
      // Sealed by this slice alone, and authenticated.
      const stored = openMessage(sealer, topic, message.id, message.payload) as StoredMessage;
      const { to, template, expiresAt = Number.POSITIVE_INFINITY } = stored;
      if (to === undefined) return;
      if (expiresAt <= clock.now()) {
        drop("expired", message, template);
        throw new Undeliverable("expired");
      }
      try {
        await send({ ...stored, to }, message.id);
      } catch (error) {
        if (error instanceof Undeliverable) {
          drop("refused", message, template, error.message);
          throw error;
        }
        const detail = whatOf(error);
        if (message.nextAttemptAt === undefined) drop("given_up", message, template, detail);
        else if (message.nextAttemptAt >= expiresAt) {
          // Nobody keeps a code until the attempt that would find it expired.
          drop("expired", message, template, detail);
          throw new Undeliverable("expires before the next attempt", { cause: error });
        } else log.warn("message delayed", { id: message.id, template, detail, attempt: message.attempt });
        throw error;
      }
    };

  const settingOf = ({ language, expiresAt, addedAt }: StoredMessage) => ({
    language: languageOf(language),
    issuer,
    // As it was when the message was asked for, so that a repeat says the same.
    lifeMs: expiresAt === undefined ? undefined : expiresAt - addedAt,
  });

  return {
    handlers: {
      [MAIL_TOPIC]: handler(MAIL_TOPIC, async (stored, id) => {
        if (!smtp) throw new Undeliverable("no mail server is configured any more");
        const setting = settingOf(stored);
        // Checked by the types of `mail` when it was added.
        const template = stored.template as MailTemplate;
        const content = composeMail(template, stored.values as MailValues[typeof template], setting);
        const mail = await renderMail(content, {
          language: setting.language,
          host: new URL(issuer).hostname,
          brand: deps.brand,
        });
        await smtp.send({ ...mail, to: stored.to, id });
      }),
      [TEXT_TOPIC]: handler(TEXT_TOPIC, async (stored, id) => {
        if (!sms) throw new Undeliverable("no SMS gateway is configured any more");
        // Checked by the types of `text` when it was added.
        const body = composeText(
          stored.template as TextTemplate,
          stored.values as { code: string },
          settingOf(stored),
        );
        await sms.send({ to: stored.to, body, id });
      }),
    },
  };
}

/** A code or a status; what receivers say may name people. */
function whatOf(error: unknown): string {
  const known = error instanceof RetryLater ? error.cause : error;
  if (known instanceof MailError || known instanceof SmsError) return known.what;
  return error instanceof Error ? error.name : "unknown";
}
