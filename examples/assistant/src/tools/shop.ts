import { BehalfError } from "@behalf/sdk";

/** Something the shop sells. Prices are decimal texts with two places. */
export interface Item {
  id: string;
  name: string;
  price: string;
  currency: string;
}

/** Exactly what is approved and then ordered: the members of the shop's detail type `purchase`. */
export interface Purchase {
  item: string;
  quantity: number;
  amount: string;
  currency: string;
}

export interface Order extends Purchase {
  id: string;
  status: string;
  placed_at: string;
}

/** The shop said no, in its own words. */
export interface ShopRefusal {
  refused: true;
  status: number;
  message: string;
}

/** The shop's API as this app uses it. */
export interface Shop {
  catalogue(): Promise<Item[]>;
  /**
   * What so many of an item cost now; people's words for items ("two kettles") are understood.
   * @throws BehalfError `shop.unknown_item`, naming what the shop has
   */
  quote(wanted: string, quantity: number): Promise<{ item: Item; purchase: Purchase }>;
  orders(accessToken: string): Promise<Order[] | ShopRefusal>;
  order(accessToken: string, id: string): Promise<Order | ShopRefusal>;
  place(accessToken: string, purchase: Purchase): Promise<Order | ShopRefusal>;
}

const TIMEOUT_MS = 10_000;

export function createShop({ url }: { url: string }): Shop {
  async function call(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
    try {
      const response = await fetch(url + path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
      return { status: response.status, body: await response.json() };
    } catch (cause) {
      // Nobody knows whether it arrived: retryable, because the shop takes one token for one order only.
      const message = "The shop does not answer. Try again in a moment.";
      throw new BehalfError("network.unreachable", message, { retryable: true, cause });
    }
  }
  const withToken = (accessToken: string) => ({ authorization: `Bearer ${accessToken}` });

  async function catalogue(): Promise<Item[]> {
    const { status, body } = await call("/catalogue");
    if (status !== 200) throw new BehalfError("shop.refused", refusal(status, body).message);
    return (body as { items: Item[] }).items; // the shop's published answer
  }

  return {
    catalogue,
    async quote(wanted, quantity) {
      const items = await catalogue();
      const item = findItem(items, wanted);
      if (!item) {
        const names = items.map(({ name, price, currency }) => `${name} (${price} ${currency})`).join(", ");
        throw new BehalfError("shop.unknown_item", `The shop has no “${wanted}”. It sells: ${names}.`);
      }
      const amount = totalOf(item.price, quantity);
      return { item, purchase: { item: item.id, quantity, amount, currency: item.currency } };
    },
    async orders(accessToken) {
      const { status, body } = await call("/orders", { headers: withToken(accessToken) });
      return status === 200 ? (body as { orders: Order[] }).orders : refusal(status, body);
    },
    async order(accessToken, id) {
      const path = `/orders/${encodeURIComponent(id)}`;
      const { status, body } = await call(path, { headers: withToken(accessToken) });
      return status === 200 ? (body as Order) : refusal(status, body);
    },
    async place(accessToken, purchase) {
      const { status, body } = await call("/orders", {
        method: "POST",
        headers: { ...withToken(accessToken), "content-type": "application/json" },
        body: JSON.stringify(purchase),
      });
      return status === 200 || status === 201 ? (body as Order) : refusal(status, body);
    },
  };
}

export function isRefusal(value: object): value is ShopRefusal {
  return "refused" in value;
}

function refusal(status: number, body: unknown): ShopRefusal {
  const said = typeof body === "object" && body !== null && "error_description" in body;
  const message = said ? String(body.error_description) : `The shop answered with status ${status}.`;
  return { refused: true, status, message };
}

/** By id, by name, or by every word of the wish being in the name; plural and case do not matter. */
export function findItem(items: readonly Item[], wanted: string): Item | undefined {
  const wish = wordsOf(wanted);
  if (wish.length === 0) return undefined;
  const wordsOfItem = (item: Item) => [...wordsOf(item.id), ...wordsOf(item.name)];
  return (
    items.find((item) => item.id === wanted.trim().toLowerCase()) ??
    items.find((item) => wish.every((word) => wordsOfItem(item).includes(word)))
  );
}

function wordsOf(text: string): string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.map((word) => (word.length > 3 ? word.replace(/s$/, "") : word));
}

/** Price times quantity, exact: money is never a floating-point number. */
export function totalOf(price: string, quantity: number): string {
  const cents = (BigInt(price.replace(".", "")) * BigInt(quantity)).toString().padStart(3, "0");
  return `${cents.slice(0, -2)}.${cents.slice(-2)}`;
}
