import type { InterruptedToolCall } from "@behalf/sdk/vercel/client";
import { partInterrupt } from "@behalf/sdk/vercel/client";
import { getToolName, isToolUIPart } from "ai";
import type { ReactNode } from "react";
import type { Bootstrap } from "../bootstrap.ts";
import type { AssistantMessage } from "../tools/index.ts";
import { Mark } from "./icons.tsx";
import { InterruptCard } from "./interrupt-card.tsx";
import { Markdown } from "./markdown.tsx";
import { ToolPart } from "./tool-part.tsx";
import type { Assistant } from "./use-assistant.ts";

interface Props {
  message: AssistantMessage;
  isLast: boolean;
  /** Whether this message is still being written. */
  answering: boolean;
  interrupts: readonly InterruptedToolCall[];
  assistant: Assistant;
  bootstrap: Bootstrap;
}

/** One message: text, what was done for it, and what waits for the person. */
export function Message({ message, ...context }: Props): ReactNode {
  if (message.role === "user") {
    return (
      <li className="message user">
        <span className="visually-hidden">You said: </span>
        <p>{message.parts.map((part) => (part.type === "text" ? part.text : "")).join("")}</p>
      </li>
    );
  }
  return (
    <li className="message assistant" aria-busy={context.answering}>
      <span className="face">
        <Mark />
      </span>
      <div className="parts">
        {message.parts.map((part, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts are only ever added at the end
          <Part key={i} part={part} {...context} />
        ))}
      </div>
    </li>
  );
}

function Part({ part, ...context }: Omit<Props, "message"> & { part: AssistantMessage["parts"][number] }) {
  if (part.type === "text") {
    return (
      <div className="prose">
        <Markdown text={part.text} />
      </div>
    );
  }
  if (!isToolUIPart(part)) return null;
  const interrupt = partInterrupt(part);
  if (!interrupt) return <ToolPart part={part} name={getToolName(part)} answering={context.answering} />;
  if (!context.isLast) return <p className="set-aside">Set aside: the conversation went on without it.</p>;
  return (
    <InterruptCard
      interrupt={interrupt}
      input={part.input}
      assistant={context.assistant}
      bootstrap={context.bootstrap}
    />
  );
}
