import { type Behalf, type InterruptData, runWithContext } from "@behalf/sdk";
import { repairPath } from "@behalf/sdk/vercel/client";
import type { LoggedIn } from "./app.ts";
import { createPlaceOrder, type Order } from "./order.ts";
import { untilAnswered } from "./resume.ts";
import type { Settings } from "./settings.ts";
import { createListEvents } from "./tools.ts";

/** What the agent did for its user. */
export interface Done {
  events: { title: string }[];
  order: Order & { id: string };
}

/** Something the user must do in the browser before the agent can go on. */
export type Ask = (interrupt: InterruptData, address: string) => void;

/** One conversation of an agent: it reads the calendar, then orders a kettle. */
export function runAgent(behalf: Behalf, settings: Settings, user: LoggedIn, ask: Ask): Promise<Done> {
  const listEvents = createListEvents(behalf, { ...settings, ...user });
  const placeOrder = createPlaceOrder(behalf, settings);
  const show = (interrupt: InterruptData) => ask(interrupt, whereTo(settings, interrupt));
  const threadId = crypto.randomUUID();
  // #region run
  return runWithContext({ userId: user.userId, threadId }, async () => {
    const events = await untilAnswered(() => listEvents({ days: 7 }, { toolCallId: "call-1" }), show);
    const kettle = { item: "kettle", quantity: 1 };
    const order = await untilAnswered(() => placeOrder(kettle, { toolCallId: "call-2" }), show);
    return { events, order };
  });
  // #endregion
}

/** The page that repairs an interrupt: the app's for accounts and logins, the server's for approvals. */
function whereTo({ issuer, appUrl }: Settings, interrupt: InterruptData): string {
  if (interrupt.approval) return `${issuer}approvals/${interrupt.approval.id}`;
  return `${appUrl}${repairPath(interrupt, { returnTo: "/" }) ?? "/"}`;
}
