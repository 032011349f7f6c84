import type { StateSlot } from "./call-state.ts";
import { BehalfError } from "./errors.ts";
import { Interrupt } from "./interrupt.ts";

/** What is remembered of a call that has run. */
export type RunOnceState =
  | { state: "done"; result: unknown }
  | { state: "done_unstored" }
  | { state: "failed"; message: string };

/** Largest result that is kept for a repeated call. */
const MAX_RESULT_LENGTH = 65_536;

/**
 * Runs `fn` until it has finished once; from then on its result is repeated. To be called inside
 * `slot.exclusively`. What else the slot holds is given to `fn`, and replaced when it has finished.
 * @throws BehalfError `call.already_done` when the result was not one JSON can hold or larger than 64 KiB,
 * `call.already_failed` when `fn` threw something else than an interrupt or a retryable error
 */
export async function runOnce<Other extends { state: string }, Result>(
  slot: StateSlot<Other | RunOnceState>,
  ttlSeconds: number,
  fn: (other: Other | undefined) => Promise<Result>,
): Promise<Result> {
  const state = await slot.read();
  if (state && isRunOnceState(state)) return repeat(state);
  const result = await fn(state);
  await slot.write(doneState(result), ttlSeconds);
  return result;
}

function repeat<Result>(state: RunOnceState): Result {
  if (state.state === "done") return state.result as Result; // `doneState` stored it for this very call
  if (state.state === "done_unstored") {
    throw new BehalfError(
      "call.already_done",
      "This tool call was carried out already; its result was not kept.",
    );
  }
  throw new BehalfError("call.already_failed", state.message);
}

function doneState(result: unknown): RunOnceState {
  const text = tryStringify(result);
  if (text === undefined || text.length > MAX_RESULT_LENGTH) return { state: "done_unstored" };
  return { state: "done", result };
}

function tryStringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value ?? null);
  } catch {
    return undefined; // cycles, big integers: such a result cannot be repeated
  }
}

/** The state after `fn` threw: spent, unless the failure lies outside of what the tool does. */
export function failedState(error: unknown): RunOnceState | undefined {
  if (Interrupt.is(error) || (BehalfError.is(error) && error.retryable)) return undefined;
  return { state: "failed", message: "This tool call failed after it was approved; it is not tried again." };
}

function isRunOnceState(state: { state: string }): state is RunOnceState {
  return state.state === "done" || state.state === "done_unstored" || state.state === "failed";
}
