import { canonicalJson, toJsonValue } from "./canonical-json.ts";
import { type CallContext, currentContext, type Frame, frameOf, runInFrame } from "./context.ts";
import { BehalfError } from "./errors.ts";
import { Interrupt, type InterruptCode, type InterruptData } from "./interrupt.ts";
import type { Runtime } from "./runtime.ts";

/** What a framework gives beside a tool's arguments. */
export interface ToolRun {
  /** The model's id of this call; a repeated call with the same id is the same call. */
  toolCallId: string;
}

/** A tool as the core sees it. */
export type ToolFunction<Args, Result, Run extends ToolRun = ToolRun> = (
  args: Args,
  run: Run,
) => Result | PromiseLike<Result>;

/** A tool under protection; it can be protected again. */
export type ProtectedTool<Args, Result, Run extends ToolRun = ToolRun> = (
  args: Args,
  run: Run,
) => Promise<Result>;

/** A fixed value, or how to find it for one call. */
export type Resolvable<T, Args> = T | ((args: Args, context: CallContext) => T | PromiseLike<T>);

/** What every protection can be told. */
export interface GuardOptions {
  /**
   * The tool's name as the model, the user and the approval see it. Needed on the innermost protection;
   * those around it take it over.
   */
  toolName?: string;
}

/** One run of a protected tool, as a protection sees it. */
export interface GuardedRun<Args, Result> {
  args: Args;
  call: CallContext;
  /** Runs the tool with what this protection has gathered. */
  proceed(gathered: Partial<Omit<Frame, "call">>): Promise<Result>;
  /** An interrupt of this very call, ready to be thrown. */
  interrupt(code: InterruptCode, message: string, extra?: InterruptExtra): Interrupt;
}

/** The members of an interrupt that depend on its code. */
export type InterruptExtra = Partial<
  Pick<InterruptData, "connection" | "scopes" | "requiredScopes" | "accounts" | "approval" | "device">
>;

const TOOL_NAME = Symbol.for("behalf.tool-name");

/**
 * Puts a protection around a tool. The protection decides before anything of the tool runs.
 * @throws BehalfError `config.invalid` when nobody said what the tool is called
 */
export function guard<Args, Result, Run extends ToolRun>(
  runtime: Runtime,
  options: GuardOptions,
  tool: ToolFunction<Args, Result, Run>,
  protect: (run: GuardedRun<Args, Result>) => Promise<Result>,
): ProtectedTool<Args, Result, Run> {
  const name = options.toolName ?? toolNameOf(tool);
  if (!name) {
    const message = "A protected tool has no name: pass toolName with the innermost protection.";
    throw new BehalfError("config.invalid", message);
  }
  const guarded = async (args: Args, run: Run): Promise<Result> => {
    const call = callContext(name, run);
    const outer = frameOf(call.toolCall);
    return protect({
      args,
      call,
      async proceed(gathered) {
        const vault = new Map([...(outer?.vault ?? []), ...(gathered.vault ?? [])]);
        return runInFrame({ ...outer, ...gathered, call, vault }, () => tool(args, run));
      },
      interrupt(code, message, extra = {}) {
        const resumeId = resumeIdOf(runtime, call, args);
        return new Interrupt({ code, message, ...extra, resumeId, toolCall: call.toolCall });
      },
    });
  };
  return Object.defineProperty(guarded, TOOL_NAME, { value: name });
}

/** The name under which a protected tool is known; undefined for other functions. */
export function toolNameOf(tool: object): string | undefined {
  return TOOL_NAME in tool && typeof tool[TOOL_NAME] === "string" ? tool[TOOL_NAME] : undefined;
}

function callContext(name: string, run: ToolRun | undefined): CallContext {
  if (!run?.toolCallId) {
    throw new BehalfError("context.missing", `The tool ${name} was called without { toolCallId }.`);
  }
  return { ...currentContext(), toolCall: { id: run.toolCallId, name } };
}

/**
 * Names one call and proves it: only this host can make it, and it fits no other user, thread, tool or
 * arguments. A browser that sends back a changed call cannot make it run.
 */
export function resumeIdOf(runtime: Runtime, call: CallContext, args: unknown): string {
  return runtime.sealer.prove(resumeText(runtime, call, args));
}

/** Whether `resumeIdOf` made this id for this call with these arguments. */
export function isResumeIdOf(runtime: Runtime, resumeId: string, call: CallContext, args: unknown): boolean {
  return runtime.sealer.isProof(resumeId, resumeText(runtime, call, args));
}

function resumeText(runtime: Runtime, call: CallContext, args: unknown): string {
  return canonicalJson(["resume", ...callParts(runtime, call), call.toolCall.name, toJsonValue(args)]);
}

/** What every piece of state is kept under: never without the user. */
export function callParts({ config }: Runtime, call: CallContext): string[] {
  return [config.issuer, config.clientId, call.userId, call.threadId, call.toolCall.id];
}

export async function resolve<T, Args>(
  value: Resolvable<T, Args>,
  args: Args,
  context: CallContext,
): Promise<T> {
  if (typeof value !== "function") return value;
  const find = value as (args: Args, context: CallContext) => T | PromiseLike<T>; // T itself is never a function
  return find(args, context);
}
