import { type InterruptCode, type InterruptData, interruptFromError } from "../interrupt.ts";

export {
  INTERRUPT_NAME,
  type InterruptAccount,
  type InterruptApproval,
  type InterruptCode,
  type InterruptData,
  interruptFromError,
} from "../interrupt.ts";

/** The members of an AI SDK `UIMessage` that are read here. */
export interface MessageLike {
  id: string;
  role: string;
  parts: readonly { type: string }[];
}

/** A tool call that waits for the user. */
export interface InterruptedToolCall {
  interrupt: InterruptData;
  messageId: string;
  toolCallId: string;
  /** The name under which the tool stands in `tools`. */
  toolName: string;
  input: unknown;
}

/**
 * Every tool call that waits for the user, parallel ones too. Only the last message counts: once the user
 * has said something else, what the assistant wanted before is no longer asked for.
 */
export function interruptsFromMessages(messages: readonly MessageLike[]): InterruptedToolCall[] {
  const message = messages.at(-1);
  if (message?.role !== "assistant") return [];
  return message.parts.flatMap((part) => {
    const interrupt = partInterrupt(part);
    const toolName = toolNameOfPart(part);
    if (!interrupt || toolName === undefined || !("toolCallId" in part)) return [];
    if (part.toolCallId !== interrupt.toolCall.id) return [];
    const input = "input" in part ? part.input : undefined;
    return [{ interrupt, messageId: message.id, toolCallId: interrupt.toolCall.id, toolName, input }];
  });
}

/** The interrupt that a tool part of a message ended in; undefined for any other part. */
export function partInterrupt(part: object): InterruptData | undefined {
  if (!("state" in part) || part.state !== "output-error" || !("errorText" in part)) return undefined;
  return interruptFromError(part.errorText);
}

const STATIC_TOOL_PREFIX = "tool-";

function toolNameOfPart(part: { type: string }): string | undefined {
  if (part.type === "dynamic-tool") {
    return "toolName" in part && typeof part.toolName === "string" ? part.toolName : undefined;
  }
  return part.type.startsWith(STATIC_TOOL_PREFIX) ? part.type.slice(STATIC_TOOL_PREFIX.length) : undefined;
}

/** What connecting an account repairs. Choosing one of several does not need it. */
const CONNECT_CODES: readonly string[] = [
  "vault.not_connected",
  "vault.scope_missing",
  "vault.account_broken",
] satisfies InterruptCode[];

/**
 * Where to send the browser so that the user can repair an interrupt, as a path of the app's session
 * routes. Undefined when nothing has to be opened.
 * @param returnTo the path to come back to
 * @param loginHint which account of the connection it is about, where the app knows
 */
export function repairPath(
  interrupt: InterruptData,
  { returnTo, loginHint }: { returnTo: string; loginHint?: string },
): string | undefined {
  if (interrupt.code === "login.required") return `/auth/login?${new URLSearchParams({ returnTo })}`;
  if (!CONNECT_CODES.includes(interrupt.code) || !interrupt.connection) return undefined;
  const query = new URLSearchParams({ connection: interrupt.connection });
  for (const scope of interrupt.requiredScopes ?? []) query.append("scopes", scope);
  if (loginHint) query.set("login_hint", loginHint);
  query.set("returnTo", returnTo);
  return `/auth/connect?${query}`;
}
