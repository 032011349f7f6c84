import { errorSerializer, runWithContext, stopOnInterrupt, type VercelBehalf } from "@behalf/sdk/vercel";
import { interruptsFromMessages } from "@behalf/sdk/vercel/client";
import {
  consumeStream,
  convertToModelMessages,
  createIdGenerator,
  createUIMessageStreamResponse,
  isStepCount,
  type LanguageModel,
  streamText,
  toUIMessageStream,
} from "ai";
import type { ChatStore } from "./chat-store.ts";
import { INSTRUCTIONS } from "./instructions.ts";
import type { Person } from "./people.ts";
import type { AssistantMessage, AssistantTools } from "./tools/index.ts";

/** One turn of a conversation could not be begun. */
export type ChatProblem = "busy" | "nothing_to_do" | "waiting";

/** A person's conversation, with the tools of the request that is being answered. */
export interface Turn {
  person: Person;
  chatId: string;
  tools: AssistantTools;
}

/** What became of the calls that waited for the person. */
export interface Resumed {
  /** Whether some still wait. */
  waiting: boolean;
  /** Whether the model has to go on from here. */
  unanswered: boolean;
  /** The last message as it is now. */
  message: AssistantMessage | undefined;
}

export interface Conversations {
  /** Answers a message, or goes on where the last answer stopped; as a stream of UI message chunks. */
  answer(turn: Turn, said?: AssistantMessage): Promise<Response | ChatProblem>;
  /** Runs the interrupted calls again, each until it has finished once. */
  resume(turn: Turn): Promise<Resumed | ChatProblem>;
}

interface Deps {
  behalf: VercelBehalf;
  store: ChatStore;
  model: LanguageModel;
  logError: (error: unknown) => void;
}

/** A tool loop that has not come to an answer after this many rounds does not come to one. */
const MAX_STEPS = 8;
/** What the model is shown of a long conversation. */
const MAX_MODEL_MESSAGES = 40;
/** Longer than looking for an approval takes, so that a message that was sent meanwhile is not turned away. */
const BUSY_WAIT_MS = 4_000;
const BUSY_POLL_MS = 40;

/**
 * The conversations of this process. What was said is in the store, never taken from the browser: a browser
 * cannot put words or results into anybody's mouth.
 */
export function createConversations({ behalf, store, model, logError }: Deps): Conversations {
  const newId = createIdGenerator({ prefix: "msg", size: 20 });
  /** Conversations that are being answered; two tabs take turns. */
  const busy = new Set<string>();

  /** Waits a little for the conversation to be free, then holds it. */
  async function take(chatId: string): Promise<boolean> {
    for (let waitedMs = 0; busy.has(chatId); waitedMs += BUSY_POLL_MS) {
      if (waitedMs >= BUSY_WAIT_MS) return false;
      await new Promise((resolve) => setTimeout(resolve, BUSY_POLL_MS));
    }
    busy.add(chatId);
    return true;
  }

  const messagesOf = (chatId: string) => store.messages(chatId) as AssistantMessage[]; // written here alone

  function begin(turn: Turn, said: AssistantMessage | undefined): AssistantMessage[] | ChatProblem {
    const messages = messagesOf(turn.chatId);
    if (said && said.id !== messages.at(-1)?.id) {
      if (messages.some(({ id }) => id === said.id)) return "nothing_to_do";
      store.save(turn.chatId, messages.length, said);
      return [...messages, said];
    }
    if (interruptsFromMessages(messages).length > 0) return "waiting";
    return isUnanswered(messages) ? messages : "nothing_to_do";
  }

  async function stream(turn: Turn, messages: AssistantMessage[]) {
    const context = { userId: turn.person.id, threadId: turn.chatId };
    const last = messages.at(-1);
    const position = last?.role === "assistant" ? messages.length - 1 : messages.length;
    const modelMessages = await convertToModelMessages(messages.slice(-MAX_MODEL_MESSAGES), {
      tools: turn.tools,
      ignoreIncompleteToolCalls: true,
    });
    const result = runWithContext(context, () =>
      streamText({
        model,
        instructions: INSTRUCTIONS,
        messages: modelMessages,
        tools: turn.tools,
        stopWhen: [isStepCount(MAX_STEPS), stopOnInterrupt],
        onError: ({ error }) => logError(error),
      }),
    );
    return toUIMessageStream<AssistantTools, AssistantMessage>({
      stream: result.stream,
      originalMessages: messages,
      generateMessageId: newId,
      onError: errorSerializer(() => "Something went wrong here. Try again."),
      // After each step, so that a killed process loses no more than the step it was in.
      onStepEnd: ({ responseMessage }) => store.save(turn.chatId, position, responseMessage),
      onEnd: ({ responseMessage }) => store.save(turn.chatId, position, responseMessage),
    });
  }

  return {
    async answer(turn, said) {
      if (!(await take(turn.chatId))) return "busy";
      try {
        const messages = begin(turn, said);
        if (typeof messages === "string") {
          busy.delete(turn.chatId);
          return messages;
        }
        const [toBrowser, toEnd] = (await stream(turn, messages)).tee();
        // Read to its end whatever the browser does: a closed tab must not cut an answer off.
        void consumeStream({ stream: toEnd, onError: logError }).finally(() => busy.delete(turn.chatId));
        return createUIMessageStreamResponse({ stream: toBrowser });
      } catch (error) {
        busy.delete(turn.chatId);
        throw error;
      }
    },

    async resume(turn) {
      if (!(await take(turn.chatId))) return "busy";
      try {
        const messages = messagesOf(turn.chatId);
        if (interruptsFromMessages(messages).length === 0) return resumed(messages);
        const context = { userId: turn.person.id, threadId: turn.chatId };
        const after = await behalf.resumeInterruptedToolCalls({ messages, tools: turn.tools, context });
        const message = after.messages.at(-1);
        if (message) store.save(turn.chatId, after.messages.length - 1, message);
        return resumed(after.messages);
      } finally {
        busy.delete(turn.chatId);
      }
    },
  };
}

function resumed(messages: AssistantMessage[]): Resumed {
  const waiting = interruptsFromMessages(messages).length > 0;
  return { waiting, unanswered: isUnanswered(messages), message: messages.at(-1) };
}

/**
 * Whether the model owes an answer: after a kill, and after interrupted calls have finished. Not while a call
 * waits for the person.
 */
export function isUnanswered(messages: readonly AssistantMessage[]): boolean {
  const last = messages.at(-1);
  if (!last || interruptsFromMessages(messages).length > 0) return false;
  if (last.role === "user") return true;
  const part = last.parts.findLast(({ type }) => type === "text" || type.startsWith("tool-"));
  return part !== undefined && part.type !== "text";
}
