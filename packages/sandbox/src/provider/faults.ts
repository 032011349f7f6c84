import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { HttpBindings } from "@hono/node-server";
import type { Context, MiddlewareHandler } from "hono";
import { type BaseVariables, note } from "../support/base-app.ts";
import type { Clock } from "../support/clock.ts";
import type { Plan, Switchboard } from "./switchboard.ts";
import type { AnswerFault, Endpoint, Switches } from "./switches.ts";

/** What the provider's handlers find on their context. */
export type ProviderEnv = { Bindings: HttpBindings; Variables: BaseVariables & { plan: Plan } };

/** What the faults need. */
export type FaultDeps = {
  switchboard: Switchboard;
  clock: Clock;
  /** Ends every wait, so that the provider stops at once. */
  stopping: AbortSignal;
};

/** Middleware that lets the switches act on the requests of one endpoint. */
export function createFaults(deps: FaultDeps): (endpoint: Endpoint) => MiddlewareHandler<ProviderEnv> {
  return (endpoint) => async (c, next) => {
    const plan = deps.switchboard.plan(endpoint);
    c.set("plan", plan);
    if (plan.slow?.when === "before") await wait(plan.slow.ms, deps.stopping);
    if (plan.fault?.when === "before") return answerOf(c, plan, plan.fault.name, deps.clock);
    await next();
    if (plan.slow?.when === "after") await wait(plan.slow.ms, deps.stopping);
    if (plan.fault?.when === "after") {
      // The work is done and committed: only the answer is replaced.
      c.res = undefined;
      c.res = answerOf(c, plan, plan.fault.name, deps.clock);
    }
    return undefined;
  };
}

async function wait(ms: number, stopping: AbortSignal): Promise<void> {
  // Rejects only when the provider stops, and then the connection is cut anyway.
  await sleep(ms, undefined, { signal: stopping }).catch(() => undefined);
}

function answerOf(c: Context<ProviderEnv>, plan: Plan, name: AnswerFault, clock: Clock): Response {
  note(c, { fault: name, when: plan.fault?.when ?? "before" });
  c.set("outcome", name);
  return ANSWERS[name](plan.switches, c, clock);
}

const ANSWERS: Record<AnswerFault, (switches: Switches, c: Context<ProviderEnv>, clock: Clock) => Response> =
  {
    resetConnection(_switches, c) {
      // A reset, not an orderly end: what a caller sees when a load balancer drops it.
      c.env.incoming.socket.resetAndDestroy();
      return new Response(null, { status: 502 });
    },
    status429({ status429 }, _c, clock) {
      const seconds = status429?.retryAfterSeconds ?? 0;
      const at = new Date(clock() + seconds * 1_000);
      const retryAfter = status429?.asDate ? at.toUTCString() : String(seconds);
      const body = { error: "rate_limited", error_description: "Too many requests." };
      return Response.json(body, { status: 429, headers: { "retry-after": retryAfter } });
    },
    status500: () =>
      Response.json({ error: "server_error", error_description: "Something went wrong." }, { status: 500 }),
    redirect: ({ redirect }) =>
      new Response(null, { status: 307, headers: { location: redirect?.location ?? "/" } }),
    html({ html }) {
      const page = "<!doctype html><title>We will be back</title><h1>We will be back soon</h1>";
      const headers = { "content-type": "text/html; charset=utf-8" };
      return new Response(page, { status: html?.status ?? 200, headers });
    },
    okWithError: ({ okWithError }) => Response.json({ ok: false, error: okWithError?.error ?? "unknown" }),
    gzipBomb({ gzipBomb }) {
      const body = JSON.stringify({ padding: " ".repeat(gzipBomb?.bytes ?? 0) });
      const headers = { "content-type": "application/json", "content-encoding": "gzip" };
      return new Response(new Uint8Array(gzipSync(body)), { headers });
    },
  };
