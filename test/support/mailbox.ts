import { type Arrived, type MailboxOptions, type RunningMailbox, startMailbox } from "@behalf/sandbox";

/** A mailbox for one test: what the server sends arrives here over real SMTP and HTTP. */
export interface TestMailbox extends RunningMailbox {
  /** Merge it into the server's configuration: `Object.assign(config, mailbox.configPart)`. */
  readonly configPart: {
    readonly mail: object;
    readonly sms: object;
    readonly egress: { readonly allow: readonly string[] };
  };
  /** The newest mail to this address; waits until the `count`th has arrived (default 1). */
  waitForMail(to: string, count?: number): Promise<Arrived>;
  /** The newest text to this number; waits likewise. */
  waitForText(to: string, count?: number): Promise<Arrived>;
}

const TIMEOUT_MS = 15_000;
const POLL_MS = 20;

/** Starts SMTP and SMS on free ports, in this process. Close it after the test. */
export async function openMailbox(options: MailboxOptions = {}): Promise<TestMailbox> {
  const mailbox = await startMailbox(options);
  const wait = async (kind: Arrived["kind"], to: string, count: number): Promise<Arrived> => {
    const deadline = Date.now() + TIMEOUT_MS;
    for (;;) {
      const found = mailbox.messages(to).filter((message) => message.kind === kind);
      if (found[0] && found.length >= count) return found[0];
      if (Date.now() > deadline)
        throw new Error(`no ${kind} number ${count} to ${to} within ${TIMEOUT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  };
  return {
    ...mailbox,
    configPart: {
      mail: {
        from: "Behalf <no-reply@id.example.com>",
        smtp: { host: "127.0.0.1", port: mailbox.smtpPort },
      },
      sms: { url: mailbox.smsUrl, from: "+15005550006", format: "twilio" },
      egress: { allow: [new URL(mailbox.url).host] },
    },
    waitForMail: (to, count = 1) => wait("mail", to, count),
    waitForText: (to, count = 1) => wait("text", to, count),
  };
}
