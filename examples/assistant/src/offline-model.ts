import type { LanguageModel } from "ai";
import { answerFrom, INTRODUCTION, smallTalk, type ToolAnswer } from "./offline/answers.ts";
import { wishesOf } from "./offline/intents.ts";

/** The AI SDK's language model interface, version 4. */
type Model = Extract<LanguageModel, { specificationVersion: "v4" }>;
type CallOptions = Parameters<Model["doStream"]>[0];
type Prompt = CallOptions["prompt"];
type StreamPart =
  Awaited<ReturnType<Model["doStream"]>>["stream"] extends ReadableStream<infer Part> ? Part : never;
type Content = Awaited<ReturnType<Model["doGenerate"]>>["content"][number];

/** Long enough to be seen as streaming, short enough not to be waited for. */
const WORD_DELAY_MS = 14;
const NO_USAGE = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
};

/**
 * A language model without a network: a script that matches words, calls the tools it is given through the
 * AI SDK's own loop, and says what they answered. It sees what any model sees: the prompt and the tools.
 * The first words of a conversation say what it is.
 */
export function createOfflineModel({ wordDelayMs = WORD_DELAY_MS }: { wordDelayMs?: number } = {}): Model {
  return {
    specificationVersion: "v4",
    provider: "offline",
    modelId: "scripted",
    supportedUrls: {},
    async doGenerate(options) {
      const content = decide(options);
      return { content, finishReason: finishReason(content), usage: NO_USAGE, warnings: [] };
    },
    async doStream(options) {
      const content = decide(options);
      return { stream: toStream(play(content, wordDelayMs, options.abortSignal)) };
    },
  };
}

/** Calls tools first; when they have answered, speaks. */
function decide({ prompt, tools = [] }: CallOptions): Content[] {
  const question = lastQuestion(prompt);
  const answers = answersSince(prompt);
  if (answers.length > 0) return [text(prompt, answerFrom(answers, question))];
  const known = new Set(tools.map(({ name }) => name));
  const wishes = wishesOf(question).filter(({ tool }) => known.has(tool));
  if (wishes.length === 0) return [text(prompt, smallTalk(question))];
  return wishes.map(({ tool, input }) => ({
    type: "tool-call",
    toolCallId: `call_${crypto.randomUUID()}`,
    toolName: tool,
    input: JSON.stringify(input),
  }));
}

function text(prompt: Prompt, answer: string): Content {
  const hasSpoken = prompt.some(
    ({ role, content }) =>
      role === "assistant" && Array.isArray(content) && content.some(({ type }) => type === "text"),
  );
  return { type: "text", text: hasSpoken ? answer : INTRODUCTION + answer };
}

function lastQuestion(prompt: Prompt): string {
  const message = prompt.findLast(({ role }) => role === "user");
  if (message?.role !== "user") return "";
  return message.content.map((part) => (part.type === "text" ? part.text : "")).join(" ");
}

/** What tools have answered since the user spoke last, in the order of the calls. */
function answersSince(prompt: Prompt): ToolAnswer[] {
  const since = prompt.slice(prompt.findLastIndex(({ role }) => role === "user") + 1);
  const inputs = new Map<string, unknown>();
  const answers: ToolAnswer[] = [];
  for (const message of since) {
    if (message.role !== "assistant" && message.role !== "tool") continue;
    for (const part of message.content) {
      if (part.type === "tool-call") inputs.set(part.toolCallId, part.input);
      if (part.type === "tool-result") {
        answers.push({
          tool: part.toolName,
          input: inputs.get(part.toolCallId),
          ...toOutcome(part.output),
        });
      }
    }
  }
  return answers;
}

type ToolOutput = Extract<
  Extract<Prompt[number], { role: "tool" }>["content"][number],
  { type: "tool-result" }
>["output"];

function toOutcome(output: ToolOutput): { output: unknown; error?: string } {
  if (output.type === "json") return { output: output.value };
  if (output.type === "error-text") return { output: undefined, error: output.value };
  if (output.type === "error-json") return { output: undefined, error: JSON.stringify(output.value) };
  return { output: undefined, error: "the tool answered with something that I cannot read." };
}

function finishReason(content: readonly Content[]) {
  const unified = content.some(({ type }) => type === "tool-call")
    ? ("tool-calls" as const)
    : ("stop" as const);
  return { unified, raw: undefined };
}

function toStream<T>(parts: AsyncGenerator<T>): ReadableStream<T> {
  return new ReadableStream<T>({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
}

async function* play(
  content: readonly Content[],
  wordDelayMs: number,
  abortSignal: AbortSignal | undefined,
): AsyncGenerator<StreamPart> {
  yield { type: "stream-start", warnings: [] };
  for (const [i, part] of content.entries()) {
    if (part.type === "tool-call") yield part;
    if (part.type !== "text") continue;
    const id = `text-${i}`;
    yield { type: "text-start", id };
    for (const delta of part.text.match(/\s*\S+\s*?/g) ?? []) {
      if (abortSignal?.aborted) return;
      yield { type: "text-delta", id, delta };
      if (wordDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, wordDelayMs));
    }
    yield { type: "text-end", id };
  }
  yield { type: "finish", finishReason: finishReason(content), usage: NO_USAGE };
}
