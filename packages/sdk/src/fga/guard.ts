import type { CallContext } from "../context.ts";
import { BehalfError } from "../errors.ts";
import { type GuardOptions, guard, type ProtectedTool, type ToolFunction, type ToolRun } from "../guard.ts";
import type { Runtime } from "../runtime.ts";
import type { FgaClient, FgaConsistency, FgaQuery } from "./client.ts";

/** The relation that must hold before a tool runs. */
export interface FgaGuardOptions<Args, Result> extends GuardOptions {
  buildQuery: (args: Args, context: CallContext) => FgaQuery | PromiseLike<FgaQuery>;
  /** Default `HIGHER_CONSISTENCY`. */
  consistency?: FgaConsistency;
  /** Makes the tool's result when the relation does not hold. Default: `fga.denied` is thrown. */
  onUnauthorized?: (args: Args, context: CallContext) => Result | PromiseLike<Result>;
}

/**
 * The tool runs if the relation holds. An engine that cannot be asked is not a "yes": its error is thrown.
 *
 * The protected tool throws `BehalfError` `fga.denied`, or what the client throws.
 */
export function withFga<Args, Result, Run extends ToolRun>(
  runtime: Runtime,
  fga: FgaClient,
  options: FgaGuardOptions<Args, Result>,
  tool: ToolFunction<Args, Result, Run>,
): ProtectedTool<Args, Result, Run> {
  return guard(runtime, options, tool, async (run) => {
    const query = await options.buildQuery(run.args, run.call);
    const { consistency } = options;
    if (await fga.check(query, consistency ? { consistency } : {})) return run.proceed({});
    if (options.onUnauthorized) return options.onUnauthorized(run.args, run.call);
    throw new BehalfError("fga.denied", "The user may not do this. It was not carried out.");
  });
}
