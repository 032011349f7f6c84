import type { AssistantMessage } from "./tools/index.ts";

/** What the page knows when it opens. No token and no secret is among it. */
export interface Bootstrap {
  person: { name: string; email: string | null };
  chat: { id: string; title: string };
  /** Earlier conversations, newest first. */
  chats: { id: string; title: string }[];
  messages: AssistantMessage[];
  /** Whether an answer is owed: the model has not had the last word. */
  unanswered: boolean;
  model: { label: string; offline: boolean };
  /** Where approvals are answered, such as `http://localhost:4000/approvals/`. */
  approvalsUrl: string;
  issuerName: string;
}
