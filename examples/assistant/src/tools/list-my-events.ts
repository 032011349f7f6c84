import { BehalfError, getAccessTokenFromTokenVault, tokenRejected } from "@behalf/sdk";
import type { VercelBehalf } from "@behalf/sdk/vercel";
import { tool } from "ai";
import { z } from "zod";

export interface CalendarEvent {
  id: string;
  title: string;
  /** ISO 8601, UTC. */
  start: string;
  end: string;
  location: string | null;
}

export interface EventsOutput {
  /** The address of the calendar that was read. */
  account: string;
  days: number;
  events: CalendarEvent[];
}

const TIMEOUT_MS = 10_000;
const DAY_MS = 86_400_000;

interface EventsDeps {
  behalf: VercelBehalf;
  calendarUrl: string;
  connection: string;
  getRefreshToken: () => Promise<string | undefined>;
  /** Which account, when the user has connected several. */
  loginHint: () => string | undefined;
}

/** The user's calendar at a third party, with a token from the Token Vault: this app never stores one. */
export function listMyEvents({ behalf, calendarUrl, connection, getRefreshToken, loginHint }: EventsDeps) {
  const unprotected = tool({
    description: "Lists the events in the user's calendar, from today on.",
    inputSchema: z.object({
      days: z.number().int().min(1).max(31).default(7).describe("how many days, today included"),
    }),
    execute: async ({ days }): Promise<EventsOutput> => readEvents(calendarUrl, days),
  });
  return behalf.withTokenVault(
    {
      toolName: "listMyEvents",
      connection,
      scopes: ["calendar.read"],
      refreshToken: getRefreshToken,
      loginHint,
    },
    unprotected,
  );
}

async function readEvents(calendarUrl: string, days: number): Promise<EventsOutput> {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const url = new URL(`${calendarUrl}/calendar/v1/events`);
  url.searchParams.set("from", new Date(today).toISOString());
  url.searchParams.set("to", new Date(today + days * DAY_MS).toISOString());
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${getAccessTokenFromTokenVault()}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw new BehalfError("network.unreachable", "The calendar does not answer. Try again in a moment.", {
      retryable: true,
      cause,
    });
  });
  if (response.status === 401) throw tokenRejected();
  if (!response.ok) {
    const message = `The calendar refused to show the events (status ${response.status}).`;
    throw new BehalfError("calendar.refused", message, { retryable: response.status >= 500 });
  }
  const body = (await response.json()) as { account: string; events: CalendarEvent[] }; // its published answer
  return { account: body.account, days, events: body.events };
}
