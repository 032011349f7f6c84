import type { SmsConfig } from "../config.ts";
import { type Egress, EgressError } from "../http/egress.ts";
import type { Clock } from "../lib/clock.ts";
import { reveal } from "../lib/secret.ts";
import { RetryLater, Undeliverable } from "../storage/outbox.ts";
import { isPhoneNumber } from "./untrusted.ts";

/** The operator's SMS gateway. */
export interface SmsSender {
  /**
   * Hands one text over. `id` is the same at each attempt.
   * @throws Undeliverable when the gateway refuses it, RetryLater when it says when to come again, SmsError
   */
  send(text: { to: string; body: string; id: string }): Promise<void>;
}

/** The gateway could not be reached, or not now. `what` is a status or a code, never the gateway's words. */
export class SmsError extends Error {
  override readonly name = "SmsError";
  readonly what: string;

  constructor(what: string, options?: ErrorOptions) {
    super(`the SMS gateway did not take the text (${what})`, options);
    this.what = what;
  }
}

/** Statuses of the 4xx class that say nothing about this text. */
const LATER = new Set([401, 403, 407, 408, 425, 429]);
const TIMEOUT_MS = 15_000;

/** How each kind of gateway wants the text. */
const BODY = {
  twilio: (from: string, to: string, body: string) => ({
    type: "application/x-www-form-urlencoded",
    body: String(new URLSearchParams({ To: to, From: from, Body: body })),
  }),
  json: (from: string, to: string, text: string) => ({
    type: "application/json",
    body: JSON.stringify({ to, from, text }),
  }),
};

export function createSmsSender(config: SmsConfig, deps: { egress: Egress; clock: Clock }): SmsSender {
  return {
    async send({ to, body, id }) {
      if (!isPhoneNumber(to)) throw new Undeliverable("not a number in E.164");
      const written = BODY[config.format](config.from, to, body);
      let response: Response;
      try {
        response = await deps.egress.fetch(config.url, {
          method: "POST",
          headers: {
            "content-type": written.type,
            "idempotency-key": id,
            ...authorization(config),
          },
          body: written.body,
          timeoutMs: TIMEOUT_MS,
        });
      } catch (error) {
        throw new SmsError(error instanceof EgressError ? error.code : "unknown");
      }
      believe(response, deps.clock);
    },
  };
}

function believe(response: Response, clock: Clock): void {
  const { status } = response;
  if (response.ok) return;
  const delayMs = retryAfterMs(response.headers.get("retry-after"), clock);
  if (status >= 500 || LATER.has(status)) {
    const cause = new SmsError(String(status));
    throw delayMs === undefined ? cause : new RetryLater(delayMs, { cause });
  }
  throw new Undeliverable(`refused with ${status}`);
}

/** Seconds or a date (RFC 9110 section 10.2.3). */
function retryAfterMs(header: string | null, clock: Clock): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d{1,8}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - clock.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function authorization({ user, password }: SmsConfig): Record<string, string> {
  if (user === undefined || !password) return {};
  return { authorization: `Basic ${Buffer.from(`${user}:${reveal(password)}`).toString("base64")}` };
}
