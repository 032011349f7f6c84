import { BehalfError } from "@behalf/sdk";
import { tool } from "ai";
import { z } from "zod";
import { isRefusal, type Order, type Shop } from "./shop.ts";

/** An order with the catalogue's name of its item; the id when the shop no longer sells it. */
export type NamedOrder = Order & { name: string };

export type OrdersOutput =
  | { status: "ok"; orders: NamedOrder[] }
  | { status: "refused"; orderId: string | null; httpStatus: number; message: string }
  | { status: "login_required"; message: string };

/**
 * The user's orders, read with the user's own access token for the shop: whose orders are shown is decided
 * by the shop from the token, never by what the model asks for.
 */
export function myPastOrders(shop: Shop, getAccessToken: () => Promise<string>) {
  return tool({
    description: "Lists the user's orders at the shop, or looks up one order by its id.",
    inputSchema: z.object({
      orderId: z.string().max(100).optional().describe("only this order, such as ord_…"),
    }),
    execute: async ({ orderId }): Promise<OrdersOutput> => {
      try {
        const token = await getAccessToken();
        const answer = orderId === undefined ? await shop.orders(token) : await shop.order(token, orderId);
        if (Array.isArray(answer)) return { status: "ok", orders: await named(shop, answer) };
        if (!isRefusal(answer)) return { status: "ok", orders: await named(shop, [answer]) };
        const { status: httpStatus, message } = answer;
        return { status: "refused", orderId: orderId ?? null, httpStatus, message };
      } catch (error) {
        if (!BehalfError.is(error, "session.login_required")) throw error;
        return { status: "login_required", message: "The login has ended. Log in again to see your orders." };
      }
    },
  });
}

async function named(shop: Shop, orders: Order[]): Promise<NamedOrder[]> {
  const names = new Map((await shop.catalogue()).map(({ id, name }) => [id, name]));
  return orders.map((order) => ({ ...order, name: names.get(order.item) ?? order.item }));
}
