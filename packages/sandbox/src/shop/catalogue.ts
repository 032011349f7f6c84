/** An item that the shop sells. */
export type Item = { id: string; name: string; price: string; currency: string };

/** Prices are decimal strings with two places: money is never a floating-point number. */
export const CATALOGUE: readonly Item[] = [
  { id: "kettle", name: "Electric kettle", price: "39.90", currency: "EUR" },
  { id: "headphones", name: "Wireless headphones", price: "129.00", currency: "EUR" },
  { id: "notebook", name: "Notebook, dotted, A5", price: "7.50", currency: "EUR" },
  { id: "desk-lamp", name: "Desk lamp", price: "54.00", currency: "EUR" },
  { id: "coffee", name: "Coffee beans, 1 kg", price: "18.25", currency: "EUR" },
  { id: "umbrella", name: "Umbrella", price: "24.95", currency: "EUR" },
  { id: "backpack", name: "Backpack, 22 l", price: "89.00", currency: "EUR" },
  { id: "board-game", name: "Board game for four", price: "42.00", currency: "EUR" },
];

export function findItem(id: string): Item | undefined {
  return CATALOGUE.find((item) => item.id === id);
}

/** Price times quantity, exact, as a decimal string with two places. */
export function totalOf(price: string, quantity: number): string {
  const cents = BigInt(price.replace(".", "")) * BigInt(quantity);
  const digits = cents.toString().padStart(3, "0");
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
