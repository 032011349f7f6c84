import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { requireLoopback } from "./loopback.ts";
import { Refusal, refusalResponse } from "./refusal.ts";
import type { RequestLog, RequestNotes } from "./request-log.ts";

/** What every handler of a sandbox program finds on its context. */
export type BaseVariables = {
  notes: RequestNotes;
  /** Overrides the outcome that the log would derive from the response. */
  outcome: string | undefined;
};
/** The Hono environment of a program that needs nothing further. */
export type BaseEnv = { Bindings: HttpBindings; Variables: BaseVariables };

const MAX_LOGGED_PATH = 200;

/**
 * An app that records every request (those to `/_sandbox` aside), keeps `/_sandbox` to this machine and turns a
 * thrown `Refusal` into its response.
 */
export function createBaseApp<Env extends BaseEnv>(log: RequestLog): Hono<Env> {
  const app = new Hono<Env>();
  app.use("/_sandbox/*", async (c, next) => {
    requireLoopback(c);
    await next();
  });
  app.use(async (c, next) => {
    if (c.req.path.startsWith("/_sandbox/")) return next();
    const seq = log.open(c.req.method, c.req.path.slice(0, MAX_LOGGED_PATH));
    c.set("notes", {});
    await next();
    if (c.error instanceof Refusal && c.error.answer.reason) note(c, { reason: c.error.answer.reason });
    log.close(seq, c.get("outcome") ?? outcomeOf(c.error, c.res.status), c.get("notes"));
  });
  app.get("/_sandbox/log", (c) => c.json({ requests: log.list(logStart(c.req.query("after"))) }));
  app.onError((error) => {
    if (error instanceof Refusal) return refusalResponse(error.answer);
    // A fault of this program: said on its own error stream, never to the caller.
    console.error(error);
    return refusalResponse({
      status: 500,
      error: "server_error",
      description: "The sandbox program failed.",
    });
  });
  app.notFound((c) =>
    refusalResponse({ status: 404, error: "not_found", description: `There is no ${c.req.method} here.` }),
  );
  return app;
}

/** Adds identifiers and codes, never a secret, to the log entry of this request. */
export function note<Env extends BaseEnv>(c: Context<Env>, notes: RequestNotes): void {
  Object.assign(c.get("notes"), notes);
}

function outcomeOf(error: Error | undefined, status: number): string {
  if (error instanceof Refusal) return error.answer.error;
  return error ? "server_error" : String(status);
}

function logStart(after: string | undefined): number {
  if (after === undefined) return 0;
  const seq = Number(after);
  if (Number.isSafeInteger(seq) && seq >= 0) return seq;
  throw new Refusal({
    status: 400,
    error: "invalid_request",
    description: "`after` is the number of a log entry: a whole number, 0 or more.",
  });
}
