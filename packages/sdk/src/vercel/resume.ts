import { stateSlot } from "../call-state.ts";
import { type BehalfContext, type CallContext, runWithContext } from "../context.ts";
import { BehalfError } from "../errors.ts";
import { callParts, isResumeIdOf, toolNameOf } from "../guard.ts";
import { type InterruptData, interruptFromError } from "../interrupt.ts";
import { failedState, type RunOnceState, runOnce } from "../run-once.ts";
import type { Runtime } from "../runtime.ts";
import { type InterruptedToolCall, interruptsFromMessages, type MessageLike } from "./client.ts";

/** A chunk of a UI message stream that tells the browser how a call ended. */
export type ToolOutputChunk =
  | { type: "tool-output-available"; toolCallId: string; output: unknown }
  | { type: "tool-output-error"; toolCallId: string; errorText: string };

/** How the interrupted calls ended. */
export interface ResumedToolCalls<Message> {
  /** The messages with the outputs in place: what to convert for the model, and to store. */
  messages: Message[];
  /** What still waits for the user. Unless empty, do not call the model. */
  interrupts: InterruptData[];
  /** To be written to the UI message stream before the model's own. */
  chunks: ToolOutputChunk[];
}

interface ResumeRequest<Message> {
  messages: readonly Message[];
  tools: Readonly<Record<string, object>>;
  context: BehalfContext;
  abortSignal?: AbortSignal;
  /** What `streamText` is given under the same name: each tool's own context. */
  toolsContext?: Readonly<Record<string, unknown>>;
}

/**
 * Runs again exactly those tool calls of the last message that ended in an interrupt, with the same id and
 * input, and puts their outputs in place. Call it before calling the model. Each call finishes once,
 * however often and from however many processes this is called; a call that the browser changed, or that
 * belongs to another user or thread, is refused (`call.not_resumable` as its error text) and not run.
 */
export type ResumeInterruptedToolCalls = <Message extends MessageLike>(
  request: ResumeRequest<Message>,
) => Promise<ResumedToolCalls<Message>>;

/** Long enough for a browser tab that was left open over a holiday to ask again. */
const RESULT_TTL_SECONDS = 7 * 24 * 60 * 60;

export function createResumer(runtime: Runtime): ResumeInterruptedToolCalls {
  return async (request) => {
    const calls = interruptsFromMessages(request.messages);
    const chunks = await Promise.all(calls.map((call) => resumeToChunk(runtime, request, call)));
    const interrupts = chunks.flatMap((chunk) =>
      chunk.type === "tool-output-error" ? (interruptFromError(chunk.errorText) ?? []) : [],
    );
    return { messages: withChunks(request.messages, chunks), interrupts, chunks };
  };
}

async function resumeToChunk<Message>(
  runtime: Runtime,
  request: ResumeRequest<Message>,
  interrupted: InterruptedToolCall,
): Promise<ToolOutputChunk> {
  const { toolCallId } = interrupted;
  try {
    const output = await resumeCall(runtime, request, interrupted);
    return { type: "tool-output-available", toolCallId, output };
  } catch (error) {
    return { type: "tool-output-error", toolCallId, errorText: errorText(error, interrupted.interrupt) };
  }
}

/**
 * What only time repairs leaves the call interrupted as it was, with the reason as its message: an approval
 * that is given while the server is down must still find its call. Everything else the model has to know;
 * it is a tool's own error, as the AI SDK passes on by default.
 */
function errorText(error: unknown, before: InterruptData): string {
  const interrupt = interruptFromError(error);
  if (interrupt) return JSON.stringify(interrupt);
  if (BehalfError.is(error) && error.retryable) return JSON.stringify({ ...before, message: error.message });
  return error instanceof Error ? error.message : "The tool failed.";
}

async function resumeCall<Message>(
  runtime: Runtime,
  request: ResumeRequest<Message>,
  { interrupt, toolName, input }: InterruptedToolCall,
): Promise<unknown> {
  const call: CallContext = { ...request.context, toolCall: interrupt.toolCall };
  const execute = executeOf(request.tools, toolName);
  const sameTool = execute && toolNameOf(execute) === call.toolCall.name;
  if (!sameTool || !isResumeIdOf(runtime, interrupt.resumeId, call, input)) throw notResumable();
  const slot = stateSlot<RunOnceState>(runtime, "resume", [...callParts(runtime, call), call.toolCall.name]);
  const { abortSignal, toolsContext } = request;
  const run = {
    toolCallId: call.toolCall.id,
    messages: [], // the model's messages of that time are gone; a tool that reads them sees none
    context: toolsContext?.[toolName],
    ...(abortSignal ? { abortSignal } : {}),
  };
  return slot.exclusively(() =>
    runOnce(slot, RESULT_TTL_SECONDS, async () => {
      try {
        return await runWithContext(request.context, () => execute(input, run));
      } catch (error) {
        const spent = failedState(error);
        if (spent) await slot.write(spent, RESULT_TTL_SECONDS);
        throw error;
      }
    }),
  );
}

type Execute = (input: unknown, run: { toolCallId: string }) => unknown;

function executeOf(tools: Readonly<Record<string, object>>, toolName: string): Execute | undefined {
  const tool = Object.hasOwn(tools, toolName) ? tools[toolName] : undefined;
  if (!tool || !("execute" in tool) || typeof tool.execute !== "function") return undefined;
  return tool.execute as Execute; // a protected tool's: `toolNameOf` checks that it is
}

function notResumable(): BehalfError {
  const message = "This tool call cannot be resumed here: it was changed, or belongs to somebody else.";
  return new BehalfError("call.not_resumable", message);
}

function withChunks<Message extends MessageLike>(
  messages: readonly Message[],
  chunks: readonly ToolOutputChunk[],
): Message[] {
  const last = messages.at(-1);
  if (!last || chunks.length === 0) return [...messages];
  const byCall = new Map(chunks.map((chunk) => [chunk.toolCallId, chunk]));
  const parts = last.parts.map((part) => {
    const chunk = "toolCallId" in part ? byCall.get(String(part.toolCallId)) : undefined;
    return chunk ? withOutput(part, chunk) : part;
  });
  return [...messages.slice(0, -1), { ...last, parts }];
}

function withOutput(part: { type: string }, chunk: ToolOutputChunk): { type: string } {
  if (chunk.type === "tool-output-error") return { ...part, errorText: chunk.errorText } as { type: string };
  const { errorText: _, ...rest } = part as { type: string; errorText?: string }; // a part that ended in an error
  return { ...rest, state: "output-available", output: chunk.output } as { type: string };
}
