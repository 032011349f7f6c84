import { wordsOf } from "../documents/rank.ts";
import type { DocumentsOutput } from "../tools/ask-my-documents.ts";
import type { BuyOutput } from "../tools/buy.ts";
import type { EventsOutput } from "../tools/list-my-events.ts";
import type { OrdersOutput } from "../tools/my-past-orders.ts";
import type { WhoAmIOutput } from "../tools/who-am-i.ts";

/** A tool's answer as the model gets it. */
export interface ToolAnswer {
  tool: string;
  input: unknown;
  /** The tool's output, or undefined when it failed. */
  output: unknown;
  error?: string;
}

const ABILITIES = `I can do five things for you:

- tell you who you are logged in as
- show your past orders at the shop
- read your calendar, once you have connected it
- buy something at the shop, once you have approved it
- answer from the company documents that you may read`;

export const INTRODUCTION = "I am a scripted offline model: I match words and call real tools.\n\n";

/** What the script says when there is nothing to do. */
export function smallTalk(text: string): string {
  if (/^(?:no|not now)\b/i.test(text.trim())) return "All right, I left it alone.";
  if (/^thank/i.test(text.trim())) return "You are welcome.";
  return `Hello. ${ABILITIES}`;
}

/** An answer made from what the tools said and from nothing else. */
export function answerFrom(answers: readonly ToolAnswer[], question: string): string {
  return answers.map((answer) => answerOne(answer, question)).join("\n\n");
}

function answerOne({ tool, output, error }: ToolAnswer, question: string): string {
  // The AI SDK puts an error's class in front of its message.
  if (error !== undefined) return `That did not work. ${error.replace(/^\w*Error: /, "")}`;
  // Each output is what the tool of this name returned in this very process.
  switch (tool) {
    case "whoAmI":
      return identity(output as WhoAmIOutput);
    case "myPastOrders":
      return orders(output as OrdersOutput);
    case "listMyEvents":
      return events(output as EventsOutput);
    case "buy":
      return purchase(output as BuyOutput);
    case "askMyDocuments":
      return documents(output as DocumentsOutput, question);
    default:
      return `The tool ${tool} answered: ${JSON.stringify(output)}`;
  }
}

function identity({ name, email, userId }: WhoAmIOutput): string {
  return `You are **${name}**${email ? `, ${email}` : ""}. The authorization server knows you as \`${userId}\`.`;
}

function orders(output: OrdersOutput): string {
  if (output.status === "login_required") return output.message;
  if (output.status === "refused") {
    const which = output.orderId ? `the order \`${output.orderId}\`` : "your orders";
    return `The shop refused to show me ${which}: “${output.message}” I asked with your own token, and it opens your orders alone.`;
  }
  if (output.orders.length === 0) return "You have no orders at the shop yet.";
  const lines = output.orders.map(
    ({ name, quantity, amount, currency, status, placed_at }) =>
      `- **${quantity} × ${name}**, ${amount} ${currency}, ${status}, ${dayOf(placed_at)}`,
  );
  const count = output.orders.length === 1 ? "one order" : `${output.orders.length} orders`;
  return `You have ${count} at the shop:\n\n${lines.join("\n")}`;
}

function events({ events, account, days }: EventsOutput): string {
  const span = days === 1 ? "today" : `in the ${days} days from today on`;
  if (events.length === 0) return `There is nothing in ${account} ${span}.`;
  const lines = events.map(
    ({ title, start, location }) =>
      `- **${dayOf(start)}, ${start.slice(11, 16)}**: ${title}${location ? ` (${location})` : ""}`,
  );
  return `In ${account} ${span}, times in UTC:\n\n${lines.join("\n")}`;
}

function purchase(output: BuyOutput): string {
  if (output.status === "denied") return "You said no. Nothing was bought.";
  if (output.status !== "bought") return output.message;
  const { order, name } = output;
  return `Done: **${order.quantity} × ${name}** for **${order.amount} ${order.currency}**. The order is \`${order.id}\`. Your approval was good for exactly this and is used up.`;
}

/** A passage with less in common than this is not an answer. */
const MIN_SCORE = 0.5;

function documents({ passages, readable }: DocumentsOutput, question: string): string {
  const [best] = passages;
  if (!best || best.score < MIN_SCORE) {
    return `I found nothing about that in the ${readable} documents that you may read.`;
  }
  return `${quote(best.text, question)}\n\nFrom **${best.document}**, “${best.heading}”.`;
}

/** The sentence of a passage that has most in common with the question, and the one after it. */
function quote(text: string, question: string): string {
  const sentences = text.match(/[^.!?]+(?:[.!?](?=\d)[^.!?]*)*[.!?]+/g)?.map((it) => it.trim()) ?? [text];
  const asked = new Set(wordsOf(question));
  // A number that was asked for says more than a word: of six levels it names the one.
  const weight = (word: string) => (asked.has(word) ? (/^\d+$/.test(word) ? 2 : 1) : 0);
  const hits = sentences.map((sentence) => wordsOf(sentence).reduce((sum, word) => sum + weight(word), 0));
  const best = hits.indexOf(Math.max(...hits));
  return sentences.slice(best, best + 2).join(" ");
}

function dayOf(iso: string): string {
  return new Date(iso).toLocaleDateString("en-GB", {
    weekday: "short",
    day: "numeric",
    month: "short",
    timeZone: "UTC",
  });
}
