import type { Database } from "../support/database.ts";
import { isJsonObject } from "../support/json.ts";

/** How often a fault happens: a number counts down to off, `null` goes on until it is turned off. */
type Often = { times: number | null };

/** What can go wrong with the mailbox. Everything is off (`null`) at first. */
export type MailboxSwitches = {
  /** Every recipient is answered with 451: come again later. */
  mailTempfail: Often | null;
  /** Every recipient is answered with 550: there is no such mailbox. */
  mailReject: Often | null;
  /** The mail is kept, and then the connection ends without an answer. */
  mailLoseAnswer: Often | null;
  /** Waits `ms` before a mail is answered. */
  mailSlow: (Often & { ms: number }) | null;
  /** 429 with `Retry-After`. */
  smsStatus429: (Often & { retryAfterSeconds: number }) | null;
  smsStatus500: Often | null;
  /** 400, as a gateway answers a number that it does not serve. */
  smsStatus400: Often | null;
};

export const DEFAULT_MAILBOX_SWITCHES: MailboxSwitches = {
  mailTempfail: null,
  mailReject: null,
  mailLoseAnswer: null,
  mailSlow: null,
  smsStatus429: null,
  smsStatus500: null,
  smsStatus400: null,
};

/** Members beside `times`, with the largest value and the default. */
const MEMBERS: Partial<Record<keyof MailboxSwitches, [name: string, most: number, otherwise: number]>> = {
  mailSlow: ["ms", 120_000, 1_000],
  smsStatus429: ["retryAfterSeconds", 86_400, 1],
};

export type MailboxSwitchboard = {
  get(): MailboxSwitches;
  /** Sets all of them; what is not named is off. Answers the problems, if any. */
  set(input: unknown): string[];
  /** The switch when it is on for this message, counted down. Two messages never share the last of `times`. */
  take<N extends keyof MailboxSwitches>(name: N): MailboxSwitches[N];
};

/** The switches over the table `settings`. */
export function createMailboxSwitchboard(db: Database): MailboxSwitchboard {
  const save = (switches: MailboxSwitches) =>
    db.run(
      "INSERT INTO settings (name, value) VALUES ('switches', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      JSON.stringify(switches),
    );
  const get = (): MailboxSwitches => {
    const row = db.first<{ value: string }>("SELECT value FROM settings WHERE name = 'switches'");
    // Written by `save` alone.
    return row ? (JSON.parse(row.value) as MailboxSwitches) : DEFAULT_MAILBOX_SWITCHES;
  };
  return {
    get,
    set(input) {
      if (!isJsonObject(input)) return ["the switches must be a JSON object"];
      const problems: string[] = [];
      const parsed = Object.entries(input).map(([name, value]) => [name, parse(name, value, problems)]);
      if (problems.length === 0)
        save({ ...DEFAULT_MAILBOX_SWITCHES, ...(Object.fromEntries(parsed) as Partial<MailboxSwitches>) });
      return problems;
    },
    take: (name) =>
      db.transaction(() => {
        const switches = get();
        const value = switches[name];
        if (value && value.times !== null)
          save({ ...switches, [name]: value.times > 1 ? { ...value, times: value.times - 1 } : null });
        return value;
      }),
  };
}

function parse(name: string, value: unknown, problems: string[]): unknown {
  if (!Object.hasOwn(DEFAULT_MAILBOX_SWITCHES, name)) return void problems.push(`${name} is not a switch`);
  if (value === null) return null;
  if (!isJsonObject(value)) return void problems.push(`${name} must be null or an object, such as {}`);
  const [member, most, otherwise] = MEMBERS[name as keyof MailboxSwitches] ?? [];
  for (const key of Object.keys(value))
    if (key !== "times" && key !== member) problems.push(`${name}.${key} is not known`);
  const isWhole = (given: unknown, limit: number) =>
    typeof given === "number" && Number.isInteger(given) && given >= 0 && given <= limit;
  const { times = null } = value;
  if (times !== null && !(isWhole(times, 1_000_000) && times !== 0))
    problems.push(`${name}.times must be null or a whole number from 1`);
  if (member === undefined) return { times };
  const given = value[member] ?? otherwise;
  if (!isWhole(given, most ?? 0)) problems.push(`${name}.${member} must be a whole number from 0 to ${most}`);
  return { times, [member]: given };
}
