import { useEffect } from "react";
import type { AssistantMessage } from "../tools/index.ts";

const keyOf = (chatId: string) => `draft:${chatId}`;

/** What was written when the login had ended, once. */
export function takeKeptDraft(chatId: string): string {
  const kept = sessionStorage.getItem(keyOf(chatId)) ?? "";
  sessionStorage.removeItem(keyOf(chatId));
  return kept;
}

/** Keeps a message that could not be sent, in this tab, until the person is logged in again. */
export function useKeepingDraft(chatId: string, unsent: AssistantMessage | undefined): void {
  useEffect(() => {
    if (unsent?.role !== "user") return;
    const text = unsent.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
    sessionStorage.setItem(keyOf(chatId), text);
  }, [chatId, unsent]);
}
