import { sha256 } from "../crypto/hash.ts";
import { currentRequest } from "../http/context.ts";
import { networkOf } from "../http/networks.ts";
import type { Clock } from "../lib/clock.ts";
import type { Storage } from "../storage/index.ts";
import { countWithin } from "../storage/rate.ts";

/** How many messages strangers can make this server send. */
export interface SendingLimits {
  /** Mails and texts that one network may ask for within an hour; a whole office can be one. */
  readonly perNetwork: number;
  /** Texts of the whole server within a day; each costs money. */
  readonly textsPerDay: number;
  /** Beginnings of the numbers that may be texted: `+81`. Absent: every number. */
  readonly countries?: readonly string[] | undefined;
}

export const DEFAULT_SENDING: SendingLimits = { perNetwork: 100, textsPerDay: 1_000 };

export interface Sending {
  /**
   * Whether one more message may go to `to`, asked for in `flow`. Counts whether or not somebody is there, so the
   * answer says nothing about that.
   */
  mayMail(to: string, flow?: string): Promise<boolean>;
  mayText(to: string, flow?: string): Promise<boolean>;
  /** Whether the server may send one more text today; `isReal` when somebody is there to get it. */
  takeText(isReal: boolean): Promise<boolean>;
  /** Whether the operator sends texts to this number's country at all. */
  isAllowedNumber(phone: string): boolean;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PER_FLOW = 4;
/** Guesses of the codes that go to one address: five times as many an hour, of a million. */
const PER_ADDRESS_AN_HOUR = 6;
const TEXTS_PER_NUMBER_A_DAY = 10;

export function createSending(deps: { storage: Storage; clock: Clock; limits: SendingLimits }): Sending {
  const { storage, clock, limits } = deps;
  const within = (key: string, windowMs: number, limit: number) =>
    countWithin(storage, `send:${key}`, clock.now(), windowMs, limit);

  async function may(kind: "mail" | "text", to: string, flow: string | undefined): Promise<boolean> {
    // What one network asks too much must not use up what an address may get.
    const network = networkOf(currentRequest()?.ip);
    if (!(await within(`network:${network}`, HOUR_MS, limits.perNetwork))) return false;
    if (flow !== undefined && !(await within(`flow:${sha256(flow)}`, HOUR_MS, PER_FLOW))) return false;
    return within(`${kind}:${sha256(to)}`, HOUR_MS, PER_ADDRESS_AN_HOUR);
  }

  const isAllowedNumber = (phone: string) =>
    limits.countries?.some((beginning) => phone.startsWith(beginning)) ?? true;

  return {
    isAllowedNumber,
    mayMail: (to, flow) => may("mail", to, flow),
    mayText: async (to, flow) =>
      isAllowedNumber(to) &&
      (await may("text", to, flow)) &&
      within(`text-day:${sha256(to)}`, DAY_MS, TEXTS_PER_NUMBER_A_DAY),
    // Numbers that are nobody's cost nothing, and must not use up what those of users may.
    takeText: async (isReal) =>
      (await within(isReal ? "texts" : "no-texts", DAY_MS, limits.textsPerDay)) && isReal,
  };
}
