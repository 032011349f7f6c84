import { BehalfError, getAsyncAuthorizationCredentials } from "@behalf/sdk";
import type { VercelBehalf } from "@behalf/sdk/vercel";
import { tool } from "ai";
import { z } from "zod";
import { isRefusal, type Order, type Shop } from "./shop.ts";

export type BuyOutput =
  | { status: "bought"; name: string; order: Order }
  | { status: "denied" | "expired" | "not_approved"; message: string };

const APPROVAL_SECONDS = 300;
const ANSWERS: Readonly<Record<string, BuyOutput>> = {
  "approval.denied": { status: "denied", message: "The user said no. Nothing was bought." },
  "approval.expired": {
    status: "expired",
    message: "Nobody answered in time, so nothing was bought. Ask again to get a new request.",
  },
};

/**
 * Buys something once the user has approved exactly this purchase. Price and amount come from the shop's
 * catalogue, never from the model; the shop compares the order with what the token says was approved.
 */
export function buy(behalf: VercelBehalf, shop: Shop, audience: string) {
  const unprotected = tool({
    description: "Buys an item at the shop. The user is asked for approval before anything is bought.",
    inputSchema: z.object({
      item: z.string().min(1).max(100).describe("what to buy, such as kettle"),
      quantity: z.number().int().min(1).max(100).default(1),
    }),
    execute: async ({ item: wanted, quantity }): Promise<BuyOutput> => {
      const { item, purchase } = await shop.quote(wanted, quantity);
      const order = await shop.place(getAsyncAuthorizationCredentials().accessToken, purchase);
      if (isRefusal(order))
        throw new BehalfError("shop.refused", `The shop did not take the order: ${order.message}`);
      return { status: "bought", name: item.name, order };
    },
  });
  return behalf.withAsyncAuthorization(
    {
      toolName: "buy",
      audience,
      scopes: ["orders:create"],
      requestedExpirySeconds: APPROVAL_SECONDS,
      bindingMessage: ({ item, quantity }) => `Buy ${quantity} x ${item}`.slice(0, 64),
      authorizationDetails: async ({ item, quantity }) => {
        const { purchase } = await shop.quote(item, quantity);
        return [{ type: "purchase", ...purchase }];
      },
      onUnauthorized: (error): BuyOutput =>
        ANSWERS[error.code] ?? { status: "not_approved", message: `${error.message} Nothing was bought.` },
    },
    unprotected,
  );
}
