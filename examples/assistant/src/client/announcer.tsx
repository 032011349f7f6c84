import type { InterruptedToolCall } from "@behalf/sdk/vercel/client";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { AssistantMessage } from "../tools/index.ts";

interface Props {
  messages: readonly AssistantMessage[];
  answering: boolean;
  interrupts: readonly InterruptedToolCall[];
}

/**
 * Says to screen readers what has happened: the whole answer once it is there instead of every word of it,
 * and what the person is needed for.
 */
export function Announcer({ messages, answering, interrupts }: Props): ReactNode {
  const [text, setText] = useState("");
  const wasAnswering = useRef(false);
  useEffect(() => {
    if (answering && !wasAnswering.current) setText("The assistant is answering.");
    if (!answering && wasAnswering.current) setText(announcement(messages.at(-1), interrupts));
    wasAnswering.current = answering;
  }, [answering, messages, interrupts]);
  return (
    <p className="visually-hidden" role="status" aria-live="polite">
      {text}
    </p>
  );
}

function announcement(
  message: AssistantMessage | undefined,
  interrupts: readonly InterruptedToolCall[],
): string {
  const said = (message?.parts ?? []).map((part) => (part.type === "text" ? part.text : "")).join(" ");
  const needed = interrupts.map(({ interrupt }) => `You are needed: ${interrupt.message}`);
  return [said.replace(/[*`]/g, ""), ...needed].join(" ").trim();
}
