import { FgaError } from "./errors.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import type { ConditionJson } from "./model-json.ts";
import { hasForbiddenCharacters } from "./syntax.ts";

/**
 * Decides conditions. The engine asks it for each conditioned tuple that would be used; it has none of its own,
 * and without one every such tuple is an error, never an allow.
 */
export interface ConditionEvaluator {
  /**
   * True if the tuple counts. Members of `tupleContext` override those of `requestContext`.
   * @throws FgaError `validation_error` if a parameter is missing or of the wrong type, or the cost limit is reached
   */
  evaluate(condition: ConditionJson, tupleContext: JsonObject, requestContext: JsonObject): boolean;
}

/** Why a tuple's context does not fit its condition, or undefined if it does. Types of values are not looked at. */
export function contextProblem(condition: ConditionJson, context: JsonObject): string | undefined {
  const unknown = Object.keys(context).find((key) => !Object.hasOwn(condition.parameters, key));
  return (
    forbiddenIn(context) ??
    (unknown === undefined ? undefined : `found invalid context parameter: ${unknown}`)
  );
}

/** Refuses a request context with control characters in keys or strings. @throws FgaError `validation_error` */
export function validateContext(context: JsonObject | undefined): void {
  const problem = context && forbiddenIn(context);
  if (problem) throw new FgaError("validation_error", `invalid context: ${problem}`);
}

/** The error for a condition that nobody can decide. */
export function cannotEvaluate(condition: ConditionJson): FgaError {
  return new FgaError("validation_error", `failed to evaluate relationship condition: '${condition.name}'`);
}

/** Walks without recursion: the context comes from a stranger and may nest. */
function forbiddenIn(context: JsonObject): string | undefined {
  const open: unknown[] = [context];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value === "string") {
      if (hasForbiddenCharacters(value)) return "context value contains forbidden characters";
    } else if (Array.isArray(value)) {
      for (const item of value) open.push(item);
    } else if (isJsonObject(value)) {
      if (Object.keys(value).some(hasForbiddenCharacters)) return "context key contains forbidden characters";
      for (const item of Object.values(value)) open.push(item);
    }
  }
  return undefined;
}
