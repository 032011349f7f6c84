import { useChat } from "@ai-sdk/react";
import { type InterruptedToolCall, interruptsFromMessages } from "@behalf/sdk/vercel/client";
import { DefaultChatTransport } from "ai";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Bootstrap } from "../bootstrap.ts";
import type { Resumed } from "../chat.ts";
import type { AssistantMessage } from "../tools/index.ts";

/** Why nothing goes on at the moment. */
export type Trouble = { kind: "login" } | { kind: "unreachable" } | { kind: "failed"; message: string };

/** The conversation, as the page sees it. */
export interface Assistant {
  messages: AssistantMessage[];
  /** Whether an answer is being written. */
  answering: boolean;
  /** Calls that wait for the person. */
  interrupts: InterruptedToolCall[];
  trouble: Trouble | undefined;
  send(text: string): void;
  /** Looks at once whether what waited can go on. */
  resumeNow(): void;
  chooseAccount(loginHint: string): Promise<void>;
  /** After trouble: takes the conversation as the server has it, and goes on. */
  retry(): void;
}

const DEFAULT_INTERVAL_MS = 5_000;
/** While the server cannot be reached it is tried again this often. */
const RETRY_MS = 3_000;

class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Talks to the server: messages stream in, interrupted calls are resumed by themselves. */
export function useAssistant(bootstrap: Bootstrap): Assistant {
  const api = `/api/chats/${bootstrap.chat.id}`;
  const [trouble, setTrouble] = useState<Trouble>();
  const transport = useMemo(() => createTransport(api), [api]);
  const onError = useCallback((error: Error) => setTrouble(troubleOf(error)), []);
  const chat = useChat<AssistantMessage>({
    id: bootstrap.chat.id,
    messages: bootstrap.messages,
    transport,
    onError,
  });
  const { messages, setMessages, sendMessage, status, clearError } = chat;
  const answering = status === "submitted" || status === "streaming";
  const isAnswering = useRef(answering);
  isAnswering.current = answering;
  const interrupts = useMemo(
    () => (answering ? [] : interruptsFromMessages(messages)),
    [answering, messages],
  );

  const go = useCallback(async () => {
    setTrouble(undefined);
    clearError();
    await sendMessage();
  }, [sendMessage, clearError]);

  const reload = useCallback(async () => {
    const { messages: stored, unanswered } = await request<Bootstrap>(api, "GET");
    if (isAnswering.current) return;
    setMessages(stored);
    setTrouble(undefined);
    if (unanswered) await go();
  }, [api, setMessages, go]);

  const retry = useCallback(() => {
    reload().catch((error: unknown) => setTrouble(troubleOf(error)));
  }, [reload]);

  const { resumeNow } = useResuming({
    api,
    waiting: interrupts,
    async onResumed(resumed) {
      if (isAnswering.current) return; // the person has said something else meanwhile
      setTrouble(undefined);
      const { message } = resumed;
      if (!message || message.id !== messages.at(-1)?.id) return reload();
      setMessages((shown) => [...shown.slice(0, -1), message]);
      if (resumed.unanswered) await go();
    },
    onTrouble: (error) => setTrouble(troubleOf(error)),
  });

  useEveryStart(() => {
    if (bootstrap.unanswered) void go();
  });
  useReconnect(trouble?.kind === "unreachable" && interrupts.length === 0, retry);

  return {
    messages,
    answering,
    interrupts,
    trouble: answering ? undefined : trouble,
    send(text) {
      setTrouble(undefined);
      clearError();
      void sendMessage({ text });
    },
    resumeNow,
    async chooseAccount(loginHint) {
      await request(`${api}/account`, "PUT", { loginHint });
      resumeNow();
    },
    retry,
  };
}

interface Resuming {
  api: string;
  waiting: InterruptedToolCall[];
  onResumed: (resumed: Resumed) => Promise<void>;
  onTrouble: (error: unknown) => void;
}

/**
 * Looks again for what waits: at the start, when the window for connecting reports back, when the person
 * returns to this one, and for approvals as often as the server allows.
 */
function useResuming({ api, waiting, onResumed, onTrouble }: Resuming): { resumeNow: () => void } {
  const running = useRef(false);
  const latest = useRef({ onResumed, onTrouble });
  latest.current = { onResumed, onTrouble };
  const [attempt, setAttempt] = useState(0);
  const isWaiting = waiting.length > 0;

  const resumeNow = useCallback(() => {
    if (running.current) return;
    running.current = true;
    request<Resumed>(`${api}/resume`, "POST")
      .then((resumed) => latest.current.onResumed(resumed))
      .catch((error: unknown) => latest.current.onTrouble(error))
      .finally(() => {
        running.current = false;
        setAttempt((count) => count + 1);
      });
  }, [api]);

  useEveryStart(() => {
    if (isWaiting) resumeNow();
  });

  const intervalMs = pollIntervalMs(waiting);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt starts the wait for the next one
  useEffect(() => {
    if (intervalMs === undefined) return;
    const timer = setTimeout(resumeNow, intervalMs);
    return () => clearTimeout(timer);
  }, [intervalMs, attempt, resumeNow]);

  useEffect(() => {
    if (!isWaiting) return;
    const channel = new BroadcastChannel("assistant");
    channel.onmessage = ({ data }) => {
      if (data?.type === "connected" && !data.error) resumeNow();
    };
    return () => channel.close();
  }, [isWaiting, resumeNow]);
  return { resumeNow };
}

/** The slowest of the intervals that the server named; undefined when nothing has to be looked for. */
function pollIntervalMs(waiting: readonly InterruptedToolCall[]): number | undefined {
  const seconds = waiting.flatMap(({ interrupt }) => interrupt.approval?.intervalSeconds ?? []);
  return seconds.length === 0 ? undefined : Math.max(DEFAULT_INTERVAL_MS, Math.max(...seconds) * 1000);
}

/** Once when the page opens. */
function useEveryStart(start: () => void): void {
  const first = useRef(start);
  useEffect(() => first.current(), []);
}

function useReconnect(unreachable: boolean, retry: () => void): void {
  useEffect(() => {
    if (!unreachable) return;
    const timer = setInterval(retry, RETRY_MS);
    return () => clearInterval(timer);
  }, [unreachable, retry]);
}

/** The server keeps the conversation: only what was said last is sent. */
function createTransport(api: string): DefaultChatTransport<AssistantMessage> {
  return new DefaultChatTransport({
    api: `${api}/messages`,
    prepareSendMessagesRequest({ messages }) {
      const last = messages.at(-1);
      if (last?.role !== "user") return { body: {} };
      const text = last.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
      return { body: { message: { id: last.id, text } } };
    },
    async fetch(input, init) {
      const response = await fetch(input, init);
      if (!response.ok) throw await problemOf(response);
      return response;
    },
  });
}

async function request<T>(url: string, method: string, body?: unknown): Promise<T> {
  const response = await fetch(url, {
    method,
    headers: { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw await problemOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T; // this app's own server
}

async function problemOf(response: Response): Promise<ApiProblem> {
  const body: unknown = await response.json().catch(() => undefined);
  const { code = "server.error", message = "Something went wrong here. Try again." } = (body ?? {}) as {
    code?: string;
    message?: string;
  };
  return new ApiProblem(response.status, code, message);
}

function troubleOf(error: unknown): Trouble {
  if (!(error instanceof ApiProblem)) {
    // What `fetch` throws when nobody answers; a stream that breaks off is the same to the person.
    const offline = error instanceof TypeError;
    const message = error instanceof Error ? error.message : "";
    return offline ? { kind: "unreachable" } : { kind: "failed", message };
  }
  return error.status === 401 ? { kind: "login" } : { kind: "failed", message: error.message };
}
