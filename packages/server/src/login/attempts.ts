import type { MiddlewareHandler } from "hono";
import { currentRequest } from "../http/context.ts";
import { ApiError } from "../http/errors.ts";
import { networkOf } from "../http/networks.ts";
import type { Clock } from "../lib/clock.ts";
import { type Language, pickLanguage } from "../pages/languages/index.ts";
import { renderPage } from "../pages/layout.ts";
import type { Storage } from "../storage/index.ts";
import { countWithin, uncount } from "../storage/rate.ts";
import { messageView } from "./views.ts";

/** How much one network may try; a whole office can be one. */
export interface AttemptLimits {
  /** Log-in steps that failed within ten minutes. */
  readonly failures: number;
  /** Posted sign-up forms within an hour: each tells whether an address has an account. */
  readonly signUps: number;
}

export const DEFAULT_LIMITS: AttemptLimits = { failures: 100, signUps: 100 };

const MINUTE_MS = 60_000;
const FAILURES_WINDOW_MS = 10 * MINUTE_MS;
const SIGN_UPS_WINDOW_MS = 60 * MINUTE_MS;
/** The queue of passwords is shorter than this. */
const BUSY_SECONDS = 5;

/**
 * Bounds what one network address can try, with however many addresses of accounts. Each attempt is counted before
 * it is made, so that parallel ones all count; one that goes on is given back. The answer does not depend on whom the
 * attempt was for.
 */
export function limitAttempts(deps: {
  storage: Storage;
  clock: Clock;
  limits: AttemptLimits;
}): MiddlewareHandler {
  const { storage, clock, limits } = deps;
  return async (c, next) => {
    if (c.req.method !== "POST") return next();
    const isSignUp = c.req.path === "/signup" || c.req.path === "/signup/passkey";
    const [windowMs, limit] = isSignUp
      ? [SIGN_UPS_WINDOW_MS, limits.signUps]
      : [FAILURES_WINDOW_MS, limits.failures];
    const key = `${isSignUp ? "signup" : "login"}:${networkOf(currentRequest()?.ip)}`;
    if (!(await countWithin(storage, key, clock.now(), windowMs, limit)))
      return refuse(c.req.raw, { status: 429, afterSeconds: windowMs / 1_000, text: "locked" });
    await next();
    const isBusy = ApiError.is(c.error) && c.error.code === "login.busy";
    // A step that goes on, and one that was not made, tell nobody anything.
    if (isBusy || (!isSignUp && c.res.status < 400)) await uncount(storage, key);
    if (isBusy) c.res = await refuse(c.req.raw, { status: 503, afterSeconds: BUSY_SECONDS, text: "busy" });
    return undefined;
  };
}

function refuse(
  request: Request,
  { status, afterSeconds, text }: { status: number; afterSeconds: number; text: "locked" | "busy" },
): Promise<Response> {
  const language: Language = pickLanguage(request);
  const { login } = language.texts;
  const body = messageView(login.title, login[text]);
  const headers = { "retry-after": String(afterSeconds) };
  return renderPage({ language, title: login.title, body, status, headers });
}
