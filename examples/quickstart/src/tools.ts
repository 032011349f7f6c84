// #region vault
import { type Behalf, getAccessTokenFromTokenVault, tokenRejected } from "@behalf/sdk";

/** Reads the user's calendar. `refreshToken` is that of the user who is logged in. */
export function createListEvents(
  behalf: Behalf,
  { calendarUrl, refreshToken }: { calendarUrl: string; refreshToken: () => Promise<string | undefined> },
) {
  return behalf.withTokenVault(
    { toolName: "listEvents", connection: "calendar", scopes: ["calendar.read"], refreshToken },
    ({ days }: { days: number }) => readEvents(calendarUrl, days),
  );
}

/** Runs inside the protection, which has fetched the token for exactly this call. */
export async function readEvents(calendarUrl: string, days: number): Promise<{ title: string }[]> {
  const from = new Date();
  const to = new Date(from.getTime() + days * 86_400_000);
  const range = new URLSearchParams({ from: from.toISOString(), to: to.toISOString() });
  const response = await fetch(`${calendarUrl}/calendar/v1/events?${range}`, {
    headers: { authorization: `Bearer ${getAccessTokenFromTokenVault()}` },
  });
  if (response.status === 401) throw tokenRejected(); // becomes the interrupt vault.account_broken
  if (!response.ok) throw new Error(`The calendar answered with status ${response.status}.`);
  const { events } = (await response.json()) as { events: { title: string }[] }; // the provider's answer
  return events;
}
// #endregion
