import type { AppAuth } from "@behalf/sdk/app";
import type { VercelBehalf } from "@behalf/sdk/vercel";
import type { InferUITools, UIMessage } from "ai";
import type { DocumentSearch } from "../documents/search.ts";
import type { Person } from "../people.ts";
import { askMyDocuments } from "./ask-my-documents.ts";
import { buy } from "./buy.ts";
import { listMyEvents } from "./list-my-events.ts";
import { myPastOrders } from "./my-past-orders.ts";
import type { Shop } from "./shop.ts";
import { whoAmI } from "./who-am-i.ts";

/** What the tools stand on; made once for the process. */
export interface ToolDeps {
  behalf: VercelBehalf;
  session: AppAuth;
  shop: Shop;
  search: DocumentSearch;
  accountChoice: (userId: string, connection: string) => string | undefined;
  issuer: string;
  shopAudience: string;
  calendarUrl: string;
  calendarConnection: string;
}

/** The five tools, for one request of one person. */
export function createTools(deps: ToolDeps, request: Request, person: Person) {
  const { behalf, session, shop, shopAudience, calendarConnection: connection } = deps;
  return {
    whoAmI: whoAmI(person, deps.issuer),
    myPastOrders: myPastOrders(shop, () =>
      session.getAccessToken(request, { audience: shopAudience, scope: "openid orders:read" }),
    ),
    listMyEvents: listMyEvents({
      behalf,
      calendarUrl: deps.calendarUrl,
      connection,
      getRefreshToken: () => session.getRefreshToken(request),
      loginHint: () => deps.accountChoice(person.id, connection),
    }),
    buy: buy(behalf, shop, shopAudience),
    askMyDocuments: askMyDocuments(deps.search, person.id),
  };
}

export type AssistantTools = ReturnType<typeof createTools>;
/** A message of this app, with its tools' inputs and outputs. */
export type AssistantMessage = UIMessage<unknown, never, InferUITools<AssistantTools>>;
