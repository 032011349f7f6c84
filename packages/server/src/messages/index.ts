import type { MailConfig, SmsConfig } from "../config.ts";
import type { Sealer } from "../crypto/seal.ts";
import type { Egress } from "../http/egress.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import { languageOf } from "../pages/languages/index.ts";
import type { Queryable } from "../storage/index.ts";
import type { Outbox, OutboxHandler } from "../storage/outbox.ts";
import { createDelivery, MAIL_TOPIC, type StoredMessage, TEXT_TOPIC } from "./deliver.ts";
import type { MailBrand } from "./render.ts";
import { sealMessage } from "./seal.ts";
import { createSmsSender } from "./sms.ts";
import { createSmtpSender } from "./smtp.ts";
import {
  composeMail,
  composeText,
  type MailTemplate,
  type MailValues,
  type TextTemplate,
  type TextValues,
} from "./templates.ts";

export { checkMail } from "./check.ts";
export type { MailTemplate, MailValues, TextTemplate, TextValues } from "./templates.ts";

/** What a message needs besides its values. */
interface Addressed {
  /** Language tag of the receiver; English when there are no texts in it. */
  readonly language: string | undefined;
  /** When what it carries stops working, in milliseconds: it is not sent after that. */
  readonly expiresAt?: number;
}

/** One mail to one address. */
export interface MailMessage<T extends MailTemplate> extends Addressed {
  /** `undefined`: nobody. It is kept as any other and then dropped, so that it takes as long. */
  readonly to: string | undefined;
  readonly template: T;
  readonly values: MailValues[T];
}

/** One text to one number (E.164). */
export interface TextMessage<T extends TextTemplate> extends Addressed {
  /** As in a mail. */
  readonly to: string | undefined;
  readonly template: T;
  readonly values: TextValues[T];
}

/** Mail and SMS, sent after the transaction that asked for them has committed. */
export interface Messages {
  /** What is configured. Without a channel its messages are not kept: nobody could send them later. */
  readonly channels: { readonly mail: boolean; readonly sms: boolean };
  /** Adds a mail to the outbox inside `on`. @throws Bug for a code or path that no message may carry */
  mail<T extends MailTemplate>(on: Queryable, message: MailMessage<T>): Promise<void>;
  /** Adds a text to the outbox inside `on`. @throws Bug as `mail` */
  text<T extends TextTemplate>(on: Queryable, message: TextMessage<T>): Promise<void>;
  /** Handlers for `outbox.deliver`. */
  readonly outboxHandlers: Readonly<Record<string, OutboxHandler>>;
  /** Ends connections; what is being sent is tried again after the next start. */
  close(): void;
}

export interface MessagesDeps {
  readonly outbox: Outbox;
  readonly sealer: Sealer;
  readonly egress: Egress;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly issuer: string;
  readonly config: {
    readonly mail: MailConfig | undefined;
    readonly sms: SmsConfig | undefined;
    readonly branding: MailBrand;
  };
}

/** Makes the slice. Connects to nothing before the first message. */
export function createMessages(deps: MessagesDeps): Messages {
  const { outbox, sealer, ids, clock, issuer, config } = deps;
  const smtp = config.mail && createSmtpSender(config.mail);
  const sms = config.sms && createSmsSender(config.sms, deps);
  const delivery = createDelivery({ ...deps, smtp, sms, brand: config.branding });

  async function add(on: Queryable, topic: string, message: Omit<StoredMessage, "addedAt">): Promise<void> {
    const id = ids.prefixed("out");
    const stored: StoredMessage = { ...message, addedAt: clock.now() };
    await outbox.add(on, { id, topic, payload: sealMessage(sealer, topic, id, stored) });
  }

  const settingOf = ({ language, expiresAt }: Addressed) => ({
    language: languageOf(language),
    issuer,
    lifeMs: expiresAt === undefined ? undefined : expiresAt - clock.now(),
  });

  return {
    channels: { mail: smtp !== undefined, sms: sms !== undefined },
    async mail(on, message) {
      if (!smtp) return;
      // Composed once before it is kept: what cannot be written fails the caller, not the background.
      composeMail(message.template, message.values, settingOf(message));
      await add(on, MAIL_TOPIC, message);
    },
    async text(on, message) {
      if (!sms) return;
      composeText(message.template, message.values, settingOf(message));
      await add(on, TEXT_TOPIC, message);
    },
    outboxHandlers: delivery.handlers,
    close: () => smtp?.close(),
  };
}
