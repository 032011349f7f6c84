import { type BehalfContext, BehalfError } from "@behalf/sdk";
import type { VercelBehalf } from "@behalf/sdk/vercel";
import type { AssistantMessage, AssistantTools } from "./tools/index.ts";

interface Request {
  messages: AssistantMessage[];
  tools: AssistantTools;
  context: BehalfContext;
}

/**
 * The messages after the interrupted calls were run again. A call that failed for a reason that passes by
 * itself (a server that is being restarted) keeps its interrupt: it is still waiting and is tried again.
 */
export async function resumeCalls(behalf: VercelBehalf, request: Request): Promise<AssistantMessage[]> {
  const passing = new Set<string>();
  const tools = watched(request.tools, (toolCallId) => passing.add(toolCallId));
  const resumed = await behalf.resumeInterruptedToolCalls({ ...request, tools });
  const before = request.messages.at(-1);
  const after = resumed.messages.at(-1);
  if (!before || !after || passing.size === 0) return resumed.messages;
  const parts = after.parts.map((part, i) => {
    const waits = "toolCallId" in part && passing.has(part.toolCallId);
    return waits ? (before.parts[i] ?? part) : part;
  });
  return [...resumed.messages.slice(0, -1), { ...after, parts }];
}

/** The method form accepts tools of any input. */
interface AnyTool {
  execute?(input: never, run: never): unknown;
}

/** The same tools; `notice` is told of calls that threw a retryable error. */
function watched(tools: AssistantTools, notice: (toolCallId: string) => void): Record<string, object> {
  const byName: Record<string, AnyTool> = tools;
  return Object.fromEntries(
    Object.entries(byName).map(([name, tool]) => {
      const { execute } = tool;
      if (!execute) return [name, tool];
      const watchedExecute = async (input: never, run: { toolCallId: string }) => {
        try {
          return await execute.call(tool, input, run as never); // the AI SDK's own options, handed on
        } catch (error) {
          if (BehalfError.is(error) && error.retryable) notice(run.toolCallId);
          throw error;
        }
      };
      // What marks the function as protected goes along.
      Object.defineProperties(watchedExecute, Object.getOwnPropertyDescriptors(execute));
      return [name, { ...tool, execute: watchedExecute }];
    }),
  );
}
