import { canonicalJson, isJsonObject, type JsonObject } from "../support/json.ts";
import { Refusal } from "../support/refusal.ts";
import { findItem, totalOf } from "./catalogue.ts";

/** An order that somebody wants to place: exactly these members. */
export type Purchase = { item: string; quantity: number; amount: string; currency: string };

/** One member in which the approved purchase and the requested one differ. */
export type Difference = { member: string; approved: unknown; requested: unknown };

const MAX_QUANTITY = 100;
const MAX_ITEM_LENGTH = 100;

const isItem = (value: unknown) =>
  typeof value === "string" && value.length > 0 && value.length <= MAX_ITEM_LENGTH;
const isQuantity = (value: unknown) =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_QUANTITY;
const isAmount = (value: unknown) => typeof value === "string" && /^(?:0|[1-9]\d{0,8})\.\d\d$/.test(value);
const isCurrency = (value: unknown) => typeof value === "string" && /^[A-Z]{3}$/.test(value);

const MEMBERS: Record<keyof Purchase, [(value: unknown) => boolean, string]> = {
  item: [isItem, "the id of an item in the catalogue"],
  quantity: [isQuantity, `a whole number from 1 to ${MAX_QUANTITY}`],
  amount: [isAmount, 'a decimal string with two places, such as "39.90"'],
  currency: [isCurrency, 'three capital letters, such as "EUR"'],
};

/**
 * The purchase of a request body. Every problem is named at once.
 *
 * @throws Refusal 400 `invalid_order`.
 */
export function parsePurchase(body: JsonObject): Purchase {
  const unknown = Object.keys(body)
    .filter((name) => !Object.hasOwn(MEMBERS, name))
    .map((name) => `${JSON.stringify(name)} is not known`);
  const wrong = Object.entries(MEMBERS)
    .filter(([name, [isValid]]) => !Object.hasOwn(body, name) || !isValid(body[name]))
    .map(([name, [, expects]]) => `${name} must be ${expects}`);
  const problems = [...unknown, ...wrong];
  // Every member was checked against the table above, which mirrors the type.
  if (problems.length === 0) return body as Purchase;
  throw new Refusal({
    status: 400,
    error: "invalid_order",
    description: `The order is refused: ${problems.join("; ")}.`,
    members: { problems },
  });
}

/**
 * Passes when the token carries exactly one detail, of type `purchase`, and that detail without its `type` is the
 * body: same members, same values, compared as canonical JSON.
 *
 * @throws Refusal 403 `authorization_details_mismatch` with every difference.
 * @see RFC 9396 section 2
 */
export function requireApproved(details: unknown, purchase: Purchase): void {
  const differences = compare(details, purchase);
  if (differences.length === 0) return;
  throw new Refusal({
    status: 403,
    error: "authorization_details_mismatch",
    description: "The user did not approve exactly this order. Ask for the approval of this one.",
    members: { differences },
  });
}

function compare(details: unknown, purchase: Purchase): Difference[] {
  const [detail] = Array.isArray(details) ? details : [];
  if (!Array.isArray(details) || details.length !== 1 || !isJsonObject(detail)) {
    const approved = Array.isArray(details) ? details.length : 0;
    return [{ member: "authorization_details", approved, requested: 1 }];
  }
  const { type, ...approved } = detail;
  const differences: Difference[] =
    type === "purchase" ? [] : [{ member: "type", approved: type ?? null, requested: "purchase" }];
  const requested: JsonObject = { ...purchase };
  for (const member of new Set([...Object.keys(requested), ...Object.keys(approved)])) {
    if (spelled(approved, member) === spelled(requested, member)) continue;
    differences.push({ member, approved: own(approved, member), requested: own(requested, member) });
  }
  return differences;
}

/** A member that is missing differs from every value, null among them. */
function spelled(object: JsonObject, member: string): string | undefined {
  return Object.hasOwn(object, member) ? canonicalJson(object[member]) : undefined;
}

function own(object: JsonObject, member: string): unknown {
  return Object.hasOwn(object, member) ? object[member] : null;
}

/**
 * Passes when the catalogue has the item and asks this amount for this many of it.
 *
 * @throws Refusal 400 `unknown_item`, 400 `wrong_amount`.
 */
export function requireCataloguePrice(purchase: Purchase): void {
  const item = findItem(purchase.item);
  if (!item)
    throw new Refusal({
      status: 400,
      error: "unknown_item",
      description: "The catalogue has no such item. Choose an id from GET /catalogue.",
    });
  const amount = totalOf(item.price, purchase.quantity);
  if (amount === purchase.amount && item.currency === purchase.currency) return;
  throw new Refusal({
    status: 400,
    error: "wrong_amount",
    description: `${purchase.quantity} of ${item.id} cost ${amount} ${item.currency}. Order them for that.`,
    members: { expected: { amount, currency: item.currency } },
  });
}
