// #region approval
import { type Behalf, getAsyncAuthorizationCredentials } from "@behalf/sdk";

/** What the user approves and the API then compares: the members of the detail type `order`. */
export interface Order {
  item: string;
  quantity: number;
}

/** Places an order once the user has approved exactly this one. */
export function createPlaceOrder(behalf: Behalf, { ordersUrl }: { ordersUrl: string }) {
  return behalf.withAsyncAuthorization(
    {
      toolName: "placeOrder",
      audience: "https://orders.example/",
      scopes: ["orders:create"],
      bindingMessage: ({ item, quantity }) => `Order ${quantity} x ${item}`,
      authorizationDetails: ({ item, quantity }) => [{ type: "order", item, quantity }],
    },
    ({ item, quantity }: Order) => postOrder(ordersUrl, { item, quantity }),
  );
}

async function postOrder(ordersUrl: string, order: Order): Promise<Order & { id: string }> {
  const { accessToken } = getAsyncAuthorizationCredentials();
  const response = await fetch(`${ordersUrl}/orders`, {
    method: "POST",
    headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
    body: JSON.stringify(order),
  });
  if (!response.ok) throw new Error(`The order was refused: ${await response.text()}`);
  return (await response.json()) as Order & { id: string }; // the API below
}
// #endregion
