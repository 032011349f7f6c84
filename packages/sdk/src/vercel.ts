import type { AsyncAuthorizationOptions } from "./approval.ts";
import { type Behalf, createBehalf as createCore } from "./behalf.ts";
import type { BehalfOptions } from "./config.ts";
import type { DeviceAuthorizationOptions } from "./device.ts";
import { BehalfError } from "./errors.ts";
import type { FgaGuardOptions } from "./fga/guard.ts";
import { type ProtectedTool, type ToolFunction, type ToolRun, toolNameOf } from "./guard.ts";
import { interruptFromError } from "./interrupt.ts";
import type { TokenVaultOptions } from "./vault.ts";
import { createResumer, type ResumeInterruptedToolCalls } from "./vercel/resume.ts";

export { runWithContext } from "./context.ts";
export { interruptFromError } from "./interrupt.ts";
export { type InterruptedToolCall, interruptsFromMessages } from "./vercel/client.ts";
export type { ResumedToolCalls, ToolOutputChunk } from "./vercel/resume.ts";

/** The member of an AI SDK tool that protections use. The method form accepts tools of any input. */
export interface VercelTool {
  execute?(input: never, options: never): unknown;
}

type InputOf<T> = T extends { execute?: (input: infer Input, ...rest: never[]) => unknown } ? Input : never;
type OutputOf<T> = T extends { execute?: (...args: never[]) => infer Output }
  ? Exclude<Awaited<Output>, AsyncIterable<unknown>>
  : never;

/** The SDK for tools of the AI SDK (version 5 and later). */
export interface VercelBehalf extends Pick<Behalf, "fga" | "connectedAccounts" | "runtime"> {
  withTokenVault<T extends VercelTool>(options: TokenVaultOptions<InputOf<T>>, tool: T): T;
  withAsyncAuthorization<T extends VercelTool>(
    options: AsyncAuthorizationOptions<InputOf<T>, OutputOf<T>>,
    tool: T,
  ): T;
  withDeviceAuthorization<T extends VercelTool>(options: DeviceAuthorizationOptions, tool: T): T;
  withFGA<T extends VercelTool>(options: FgaGuardOptions<InputOf<T>, OutputOf<T>>, tool: T): T;
  readonly resumeInterruptedToolCalls: ResumeInterruptedToolCalls;
}

/**
 * The SDK of one client at one server, for tools of the AI SDK. A protected tool is the same tool with
 * another `execute`; a tool that streams its output gives only the last value.
 * @throws BehalfError `config.invalid`, naming everything that is missing or wrong
 */
export function createBehalf(options: BehalfOptions): VercelBehalf {
  const core = createCore(options);
  return {
    fga: core.fga,
    connectedAccounts: core.connectedAccounts,
    runtime: core.runtime,
    withTokenVault: (toolOptions, tool) =>
      protect(toolOptions, tool, (named, execute) => core.withTokenVault(named, execute)),
    withAsyncAuthorization: (toolOptions, tool) =>
      protect(toolOptions, tool, (named, execute) => core.withAsyncAuthorization(named, execute)),
    withDeviceAuthorization: (toolOptions, tool) =>
      protect(toolOptions, tool, (named, execute) => core.withDeviceAuthorization(named, execute)),
    withFGA: (toolOptions, tool) =>
      protect(toolOptions, tool, (named, execute) => core.withFGA(named, execute)),
    resumeInterruptedToolCalls: createResumer(core.runtime),
  };
}

type Execute = ToolFunction<never, never>;

function protect<T extends VercelTool, Options extends { toolName?: string }>(
  options: Options,
  tool: T,
  wrap: (options: Options, execute: Execute) => ProtectedTool<never, unknown>,
): T {
  const { execute } = tool;
  if (!execute) {
    throw new BehalfError(
      "config.invalid",
      "A tool without execute runs elsewhere and cannot be protected here.",
    );
  }
  const toolName = options.toolName ?? toolNameOf(execute);
  const named = toolName === undefined ? options : { ...options, toolName };
  const run = async (input: never, run: ToolRun): Promise<never> =>
    // The AI SDK hands over its own options, of which ToolRun is a part; the output stays what it was.
    lastValue(await execute.call(tool, input, run as never)) as Promise<never>;
  return { ...tool, execute: wrap(named, run) };
}

async function lastValue(output: unknown): Promise<unknown> {
  if (typeof output !== "object" || output === null || !(Symbol.asyncIterator in output)) return output;
  let last: unknown;
  for await (const value of output as AsyncIterable<unknown>) last = value; // it has the iterator
  return last;
}

/** The members of an AI SDK step that `stopOnInterrupt` reads. */
interface StepLike {
  readonly content: readonly { readonly type: string }[];
}

/**
 * A stop condition: the model is not asked again while a tool call waits for the user.
 * @example `stopWhen: [isStepCount(8), stopOnInterrupt]`
 */
export function stopOnInterrupt({ steps }: { steps: readonly StepLike[] }): boolean {
  return (steps.at(-1)?.content ?? []).some(
    (part) => part.type === "tool-error" && "error" in part && interruptFromError(part.error) !== undefined,
  );
}

/**
 * For `onError` of a UI message stream: interrupts travel as JSON, which `interruptsFromMessages` reads in
 * the browser; errors of this SDK as their message; everything else as `other` says.
 * @param other default: a sentence that tells nothing about the server
 */
export function errorSerializer(
  other: (error: unknown) => string = () => "An error occurred.",
): (error: unknown) => string {
  return (error) => {
    const interrupt = interruptFromError(error);
    if (interrupt) return JSON.stringify(interrupt);
    return BehalfError.is(error) ? error.message : other(error);
  };
}
