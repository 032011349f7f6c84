import type { Clock } from "../support/clock.ts";
import type { Database } from "../support/database.ts";
import type { JsonObject } from "../support/json.ts";
import { Refusal } from "../support/refusal.ts";
import { newId } from "../support/secrets.ts";

/** An event as the API tells it. Times are ISO 8601 in UTC. */
export type CalendarEvent = {
  id: string;
  title: string;
  start: string;
  end: string;
  location: string | null;
};

/** What somebody wants to add. */
export type NewEvent = { title: string; startsAt: number; endsAt: number; location: string | null };

/** The events of the accounts: those that every account has around the current day, and those that were added. */
export type EventStore = {
  /** Events that touch [from, to), epoch milliseconds, in order of time. */
  list(accountId: string, from: number, to: number): CalendarEvent[];
  add(accountId: string, event: NewEvent): CalendarEvent;
};

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** A range larger than this is refused: no calendar shows more than a year. */
const MAX_RANGE_DAYS = 366;
const DEFAULT_RANGE_DAYS = 7;
const MAX_TEXT = 200;

type Standing = { day: number; at: string; minutes: number; title: string; location?: string };

/** Days are counted from the current one, so that the demo has something to say on any date. */
const STANDING: Record<string, readonly Standing[]> = {
  acc_personal: [
    { day: -1, at: "18:00", minutes: 90, title: "Climbing hall" },
    { day: 0, at: "08:00", minutes: 45, title: "Dentist", location: "12 Mill Lane" },
    { day: 0, at: "19:30", minutes: 120, title: "Dinner with the neighbours", location: "At home" },
    { day: 1, at: "17:15", minutes: 60, title: "Piano lesson", location: "Music school" },
    { day: 3, at: "09:00", minutes: 480, title: "Day trip to the coast" },
    { day: 6, at: "11:00", minutes: 90, title: "Brunch", location: "Harbour cafe" },
  ],
  acc_work: [
    { day: -1, at: "15:00", minutes: 60, title: "Review of the quarter", location: "Room 4" },
    { day: 0, at: "09:30", minutes: 15, title: "Team stand-up", location: "Room 2" },
    { day: 0, at: "14:00", minutes: 60, title: "Budget meeting", location: "Room 7" },
    { day: 1, at: "09:30", minutes: 15, title: "Team stand-up", location: "Room 2" },
    { day: 1, at: "10:00", minutes: 120, title: "Planning workshop", location: "Room 1" },
    { day: 2, at: "13:00", minutes: 45, title: "Interview: product designer", location: "Video call" },
    { day: 4, at: "16:00", minutes: 30, title: "Demo to the customer", location: "Video call" },
  ],
  acc_household: [
    { day: 0, at: "07:00", minutes: 15, title: "Bins out" },
    { day: 2, at: "18:30", minutes: 60, title: "Parents' evening", location: "School hall" },
    { day: 5, at: "10:00", minutes: 180, title: "Boiler service", location: "At home" },
  ],
};

/** The events over the table `events` of the provider's file. */
export function createEventStore(db: Database, clock: Clock): EventStore {
  type Row = { id: string; title: string; starts_at: number; ends_at: number; location: string | null };
  return {
    list(accountId, from, to) {
      const added = db
        .all<Row>(
          "SELECT * FROM events WHERE account_id = ? AND starts_at < ? AND ends_at > ?",
          accountId,
          to,
          from,
        )
        .map((row) => told(row.id, { ...row, startsAt: row.starts_at, endsAt: row.ends_at }));
      const standing = standingEvents(accountId, clock()).filter(
        (event) => Date.parse(event.start) < to && Date.parse(event.end) > from,
      );
      return [...standing, ...added].sort(
        (a, b) => a.start.localeCompare(b.start) || a.id.localeCompare(b.id),
      );
    },
    add(accountId, event) {
      const id = newId("evt_");
      db.run(
        "INSERT INTO events (id, account_id, title, starts_at, ends_at, location) VALUES (?, ?, ?, ?, ?, ?)",
        id,
        accountId,
        event.title,
        event.startsAt,
        event.endsAt,
        event.location,
      );
      return told(id, event);
    },
  };
}

function standingEvents(accountId: string, now: number): CalendarEvent[] {
  const today = startOfDay(now);
  return (STANDING[accountId] ?? []).map(({ day, at, minutes, title, location }) => {
    const startsAt = today + day * DAY_MS + Date.parse(`1970-01-01T${at}:00Z`);
    const id = `evt_${accountId.slice(4)}_${new Date(startsAt).toISOString().slice(0, 16).replace(/\D/g, "")}`;
    return told(id, { title, startsAt, endsAt: startsAt + minutes * MINUTE_MS, location: location ?? null });
  });
}

function told(id: string, { title, startsAt, endsAt, location }: NewEvent): CalendarEvent {
  return {
    id,
    title,
    start: new Date(startsAt).toISOString(),
    end: new Date(endsAt).toISOString(),
    location,
  };
}

function startOfDay(now: number): number {
  return now - (((now % DAY_MS) + DAY_MS) % DAY_MS);
}

/**
 * The range of `from` and `to`: by default the seven days from the start of today (UTC).
 *
 * @throws Refusal 400 `invalid_request`.
 */
export function parseRange(from: string | undefined, to: string | undefined, now: number): [number, number] {
  const start = from === undefined ? startOfDay(now) : parseTime("from", from);
  const end = to === undefined ? start + DEFAULT_RANGE_DAYS * DAY_MS : parseTime("to", to);
  if (end <= start) throw bad("`to` must be after `from`.");
  if (end - start > MAX_RANGE_DAYS * DAY_MS) throw bad(`Ask for at most ${MAX_RANGE_DAYS} days at once.`);
  return [start, end];
}

/**
 * An event from a body `{ title, start, end, location? }`.
 *
 * @throws Refusal 400 `invalid_request`, naming the member.
 */
export function parseNewEvent(body: JsonObject): NewEvent {
  const unknown = Object.keys(body).find((name) => !["title", "start", "end", "location"].includes(name));
  if (unknown !== undefined) throw bad(`The member ${JSON.stringify(unknown)} is not known.`);
  const { title, start, end, location } = body;
  if (!isText(title)) throw bad(`title must be a string of 1 to ${MAX_TEXT} characters.`);
  if (location !== undefined && location !== null && !isText(location))
    throw bad(`location must be a string of 1 to ${MAX_TEXT} characters, or left out.`);
  const startsAt = parseTime("start", start);
  const endsAt = parseTime("end", end);
  if (endsAt <= startsAt) throw bad("end must be after start.");
  return { title, startsAt, endsAt, location: location ?? null };
}

const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/;

function parseTime(name: string, value: unknown): number {
  const time = typeof value === "string" && TIME.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time))
    throw bad(
      `${name} must be a date such as 2026-05-04, or a time with its offset such as 2026-05-04T09:30:00Z.`,
    );
  return time;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim().length > 0 && value.length <= MAX_TEXT;
}

function bad(description: string): Refusal {
  return new Refusal({ status: 400, error: "invalid_request", description });
}
