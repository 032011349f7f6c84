// #region ai-sdk
import type { VercelBehalf } from "@behalf/sdk/vercel";
import { tool } from "ai";
import { z } from "zod";
import { readEvents } from "./tools.ts";

/** The same tool for a model: what the AI SDK's `tool` made, with another `execute`. */
export function createListEventsTool(
  behalf: VercelBehalf,
  { calendarUrl, refreshToken }: { calendarUrl: string; refreshToken: () => Promise<string | undefined> },
) {
  return behalf.withTokenVault(
    { toolName: "listEvents", connection: "calendar", scopes: ["calendar.read"], refreshToken },
    tool({
      description: "Lists the events in the user's calendar, from now on.",
      inputSchema: z.object({ days: z.number().int().min(1).max(31) }),
      execute: async ({ days }) => readEvents(calendarUrl, days),
    }),
  );
}
// #endregion
