/** A tool call that the script derives from what was said. */
export interface Wish {
  tool: string;
  input: Record<string, unknown>;
}

const NUMBER_WORDS: Readonly<Record<string, number>> = {
  a: 1,
  an: 1,
  another: 1,
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  six: 6,
  ten: 10,
};

const BUY = /\b(?:buy|purchase|order me|get me)\s+(.+)/i;
/** Where the wish to buy ends and another begins: "buy a kettle and show my events". */
const NEXT_WISH =
  /\s*(?:[.;?!]|,?\s*(?:and|then|also)\s+(?=(?:then\s+)?(?:show|tell|what|which|who|list|check|look|read|do i|is|are)\b))/i;
const ORDERS = /\borders?\b|\bpurchases\b|\bwhat (?:did|have) i (?:buy|bought|ordered)\b/i;
const ORDER_ID = /\bord_[\w-]+/;
const EVENTS =
  /\bcalendar\b|\bevents?\b|\bappointments?\b|\bagenda\b|\bmy (?:day|week|schedule)\b|\bwhat do i have (?:today|tomorrow|on)\b/i;
const WHO = /\bwho am i\b|\bmy (?:name|profile|account|email)\b|\bam i logged in\b|\blogged in as\b/i;
const SMALL_TALK = /^(?:hi|hello|hey|thanks?|thank you|ok(?:ay)?|no|yes|not now|good morning|help)\b/i;

/**
 * What somebody wants, by matching words; empty when it is small talk. Everything else is taken for a
 * question to the documents.
 */
export function wishesOf(text: string): Wish[] {
  const wishes = [...purchases(text)];
  const rest = wishes.length > 0 ? text.replace(BUY, (_, tail: string) => afterPurchase(tail)) : text;
  if (WHO.test(rest)) wishes.push({ tool: "whoAmI", input: {} });
  const orderId = ORDER_ID.exec(rest)?.[0];
  if (orderId) wishes.push({ tool: "myPastOrders", input: { orderId } });
  else if (ORDERS.test(rest)) wishes.push({ tool: "myPastOrders", input: {} });
  if (EVENTS.test(rest)) wishes.push({ tool: "listMyEvents", input: daysOf(rest) });
  if (wishes.length > 0 || SMALL_TALK.test(text.trim())) return wishes;
  return [{ tool: "askMyDocuments", input: { question: text.trim().slice(0, 500) } }];
}

function purchases(text: string): Wish[] {
  const tail = BUY.exec(text)?.[1]?.split(NEXT_WISH)[0];
  if (!tail) return [];
  return tail
    .split(/\s*(?:,|\band\b)\s*/i)
    .map(parsePurchase)
    .filter((input) => input.item !== "")
    .map((input) => ({ tool: "buy", input }));
}

function afterPurchase(tail: string): string {
  const first = tail.split(NEXT_WISH)[0] ?? "";
  return tail.slice(first.length);
}

function parsePurchase(phrase: string): { item: string; quantity: number } {
  const [, count = "", rest = ""] = /^(?:me\s+)?(\d{1,3}|[a-z]+)?\s*x?\s*(.*)$/i.exec(phrase.trim()) ?? [];
  const quantity = Number(count) || NUMBER_WORDS[count.toLowerCase()];
  const words = quantity === undefined ? `${count} ${rest}` : rest;
  const item = words
    .replace(/\b(?:the|some|my|please|for me|now|from the shop|of)\b/gi, " ")
    .replace(/\s+/g, " ")
    .trim();
  return { item: item.slice(0, 100), quantity: quantity ?? 1 };
}

function daysOf(text: string): { days: number } {
  if (/\btoday\b/i.test(text)) return { days: 1 };
  if (/\btomorrow\b/i.test(text)) return { days: 2 };
  return { days: /\bmonth\b/i.test(text) ? 31 : 7 };
}
