import { createHash } from "node:crypto";
import { type StateSlot, stateSlot } from "./call-state.ts";
import { sameJson, toJsonValue } from "./canonical-json.ts";
import type { AsyncAuthorizationCredentials, CallContext } from "./context.ts";
import { BehalfError } from "./errors.ts";
import {
  callParts,
  type GuardedRun,
  type GuardOptions,
  guard,
  type ProtectedTool,
  type Resolvable,
  resolve,
  type ToolFunction,
  type ToolRun,
} from "./guard.ts";
import { badAnswer, isObject, type JsonAnswer, type JsonObject, quantity, scopeWords, text } from "./http.ts";
import { failedState, type RunOnceState, runOnce } from "./run-once.ts";
import type { Runtime } from "./runtime.ts";
import { rfc3339 } from "./time.ts";
import { oauthError, pollRefusal } from "./wire-errors.ts";

/** What the user is asked before the tool runs. */
export interface AsyncAuthorizationOptions<Args, Result> extends GuardOptions {
  /** Who is asked. Default: the user of the context. */
  userId?: Resolvable<string, Args>;
  /** What the resulting token may do at `audience`; `openid` is added. */
  scopes: readonly string[];
  /** The API that carries the action out. */
  audience?: string;
  /** A sentence beside the details, shown as a quotation of the agent. */
  bindingMessage: Resolvable<string, Args>;
  /**
   * The action in the API's own detail types (RFC 9396). Default: one detail of type `tool_call` that holds
   * the tool's name and its arguments.
   */
  authorizationDetails?: Resolvable<readonly JsonObject[], Args>;
  /** How long the user may take, in seconds. Default 300. */
  requestedExpirySeconds?: number;
  /** Makes the tool's result when the user said no or did not answer. Default: the error is thrown. */
  onUnauthorized?: (error: BehalfError, args: Args, context: CallContext) => Result | PromiseLike<Result>;
}

interface Pending {
  state: "pending";
  authReqId: string;
  approvalId: string;
  expiresAtMs: number;
  intervalSeconds: number;
  details: JsonObject[];
}

interface Approved {
  state: "approved";
  credentials: AsyncAuthorizationCredentials;
}

interface Refused {
  state: "refused";
  code: string;
  message: string;
}

type ApprovalState = Pending | Approved | Refused | RunOnceState;

const GRANT = "urn:openid:params:grant-type:ciba";
const DEFAULT_EXPIRY_SECONDS = 300;
/** CIBA section 7.3: the interval when the server names none. */
const DEFAULT_INTERVAL_SECONDS = 5;
/** RFC 8628 section 3.5, which CIBA follows: each `slow_down` adds this much. */
const SLOW_DOWN_SECONDS = 5;
/** How long an answer is remembered: a repeated call gets the same one and asks nobody again. */
const ANSWER_TTL_SECONDS = 7 * 24 * 60 * 60;
/** Life of a token whose `expires_in` is missing. */
const DEFAULT_TOKEN_SECONDS = 300;

/**
 * The tool runs once the user has approved exactly this action. The first run asks and throws the interrupt
 * `approval.pending`; run the same call again (same id, same arguments) until it returns.
 *
 * - The open request is stored before the interrupt is thrown, the token before the tool runs: any process
 *   with the same store goes on, also after a kill.
 * - The approved details are compared with the arguments; a difference throws `approval.arguments_changed`.
 * - The tool finishes once. A repeated call returns the stored result (`call.already_done` when it was too
 *   large to store). If it throws, the approval is spent (`call.already_failed`), unless what it threw is an
 *   interrupt or a retryable `BehalfError`.
 *
 * Throws `approval.denied`, `approval.expired`, `approval.redeemed` or `approval.unknown` as final answers.
 */
export function withAsyncAuthorization<Args, Result, Run extends ToolRun>(
  runtime: Runtime,
  options: AsyncAuthorizationOptions<Args, Result>,
  tool: ToolFunction<Args, Result, Run>,
): ProtectedTool<Args, Result, Run> {
  return guard(runtime, options, tool, async (run) => {
    const slot = approvalSlot(runtime, options, run.call);
    try {
      return await slot.exclusively(() => runApproved(runtime, options, run, slot));
    } catch (error) {
      if (!options.onUnauthorized || !BehalfError.is(error) || !isRefusal(error.code)) throw error;
      return options.onUnauthorized(error, run.args, run.call);
    }
  });
}

function approvalSlot<Args, Result>(
  runtime: Runtime,
  { audience = "", scopes }: AsyncAuthorizationOptions<Args, Result>,
  call: CallContext,
): StateSlot<ApprovalState> {
  const parts = [...callParts(runtime, call), call.toolCall.name, audience, ...scopes];
  return stateSlot(runtime, "approval", parts);
}

async function runApproved<Args, Result>(
  runtime: Runtime,
  options: AsyncAuthorizationOptions<Args, Result>,
  run: GuardedRun<Args, Result>,
  slot: StateSlot<ApprovalState>,
): Promise<Result> {
  return runOnce(slot, ANSWER_TTL_SECONDS, async (state) => {
    if (state?.state === "refused") throw new BehalfError(state.code, state.message);
    const details = await detailsOf(options, run);
    if (state?.state === "approved") return execute(runtime, run, slot, state.credentials, details);
    if (!state) throw await ask(runtime, options, run, slot, details);
    assertSame(state.details, details); // before the answer is fetched: it belongs to another action
    const credentials = await poll(runtime, run, slot, state);
    return execute(runtime, run, slot, credentials, details);
  });
}

async function detailsOf<Args, Result>(
  options: AsyncAuthorizationOptions<Args, Result>,
  { args, call }: GuardedRun<Args, Result>,
): Promise<JsonObject[]> {
  const given = await resolve(options.authorizationDetails, args, call);
  const details = given ?? [{ type: "tool_call", tool: call.toolCall.name, arguments: args }];
  return details.map((detail) => {
    const value = toJsonValue(detail);
    if (isObject(value) && text(value, "type")) return value;
    throw new BehalfError(
      "config.invalid",
      "Each of authorizationDetails is an object with a type (RFC 9396).",
    );
  });
}

/** @see OpenID Connect CIBA Core 1.0 section 7; RFC 9396 section 3 */
async function ask<Args, Result>(
  { config, oauth }: Runtime,
  options: AsyncAuthorizationOptions<Args, Result>,
  run: GuardedRun<Args, Result>,
  slot: StateSlot<ApprovalState>,
  details: JsonObject[],
): Promise<Error> {
  const { backchannelAuthenticationEndpoint: endpoint } = await oauth.metadata();
  if (!endpoint)
    throw new BehalfError("oauth.unsupported", "The server offers no asynchronous authorization.");
  const userId = (await resolve(options.userId, run.args, run.call)) ?? run.call.userId;
  const answer = await oauth.post(endpoint, {
    scope: [...new Set(["openid", ...options.scopes])].join(" "),
    audience: options.audience,
    login_hint: JSON.stringify({ format: "iss_sub", iss: config.issuer, sub: userId }),
    binding_message: await resolve(options.bindingMessage, run.args, run.call),
    authorization_details: details.length > 0 ? JSON.stringify(details) : undefined,
    requested_expiry: String(options.requestedExpirySeconds ?? DEFAULT_EXPIRY_SECONDS),
  });
  const pending = believeRequest(config.issuer, answer, details, config.clock.now());
  await slot.write(pending, pendingTtlSeconds(pending, config.clock.now()));
  return pendingInterrupt(run, pending);
}

function believeRequest(issuer: string, answer: JsonAnswer, details: JsonObject[], nowMs: number): Pending {
  if (answer.status !== 200) throw oauthError(answer);
  const authReqId = text(answer.body, "auth_req_id");
  const lifetimeSeconds = quantity(answer.body, "expires_in");
  if (!authReqId || lifetimeSeconds === undefined) {
    throw badAnswer(issuer, answer.status, "no auth_req_id or expires_in");
  }
  return {
    state: "pending",
    authReqId,
    approvalId: text(answer.body, "approval_id") ?? publicId(authReqId),
    expiresAtMs: nowMs + lifetimeSeconds * 1000,
    intervalSeconds: quantity(answer.body, "interval") ?? DEFAULT_INTERVAL_SECONDS,
    details,
  };
}

/** `auth_req_id` redeems the approval; what is shown around only has to be the same each time. */
function publicId(authReqId: string): string {
  return createHash("sha256").update(authReqId).digest("base64url").slice(0, 22);
}

/** The state outlives the request, so that a late run learns that it expired instead of asking again. */
function pendingTtlSeconds(pending: Pending, nowMs: number): number {
  return Math.max(1, (pending.expiresAtMs - nowMs) / 1000) + ANSWER_TTL_SECONDS;
}

function pendingInterrupt<Args, Result>(run: GuardedRun<Args, Result>, pending: Pending) {
  return run.interrupt("approval.pending", "Waiting for your approval of this action.", {
    approval: shownApproval(pending, pending.intervalSeconds),
  });
}

function tooFastInterrupt<Args, Result>(
  run: GuardedRun<Args, Result>,
  pending: Pending,
  { retryAfterSeconds }: JsonAnswer,
) {
  const slower = retryAfterSeconds ?? pending.intervalSeconds + SLOW_DOWN_SECONDS;
  const message = "Still waiting for your approval; it was looked for too often.";
  return run.interrupt("approval.polled_too_fast", message, { approval: shownApproval(pending, slower) });
}

function shownApproval({ approvalId, expiresAtMs }: Pending, intervalSeconds: number) {
  return { id: approvalId, expiresAt: rfc3339(expiresAtMs), intervalSeconds };
}

/** @see OpenID Connect CIBA Core 1.0 sections 10.1 and 11 */
async function poll<Args, Result>(
  { config, oauth }: Runtime,
  run: GuardedRun<Args, Result>,
  slot: StateSlot<ApprovalState>,
  pending: Pending,
): Promise<AsyncAuthorizationCredentials> {
  const answer = await oauth.token({ grant_type: GRANT, auth_req_id: pending.authReqId });
  if (answer.status === 200) {
    const credentials = believeApproval(config.issuer, answer, pending, config.clock.now());
    await slot.write({ state: "approved", credentials }, ANSWER_TTL_SECONDS);
    return credentials;
  }
  const refusal = pollRefusal(answer, "approval");
  if (refusal === "pending") throw pendingInterrupt(run, pending);
  if (refusal === "slow_down") throw tooFastInterrupt(run, pending, answer);
  if (isRefusal(refusal.code)) {
    await slot.write({ state: "refused", code: refusal.code, message: refusal.message }, ANSWER_TTL_SECONDS);
  }
  throw refusal;
}

function believeApproval(
  issuer: string,
  { status, body }: JsonAnswer,
  pending: Pending,
  nowMs: number,
): AsyncAuthorizationCredentials {
  const accessToken = text(body, "access_token");
  if (!accessToken) throw badAnswer(issuer, status, "no access_token");
  const details = body["authorization_details"];
  const lifetimeSeconds = quantity(body, "expires_in") ?? DEFAULT_TOKEN_SECONDS;
  return {
    accessToken,
    tokenType: text(body, "token_type") ?? "Bearer",
    scopes: scopeWords(text(body, "scope")),
    expiresAt: rfc3339(nowMs + lifetimeSeconds * 1000),
    authorizationDetails: Array.isArray(details) ? details.filter(isObject) : [],
    approvalId: pending.approvalId,
  };
}

async function execute<Args, Result>(
  { config }: Runtime,
  run: GuardedRun<Args, Result>,
  slot: StateSlot<ApprovalState>,
  credentials: AsyncAuthorizationCredentials,
  details: JsonObject[],
): Promise<Result> {
  assertSame(credentials.authorizationDetails, details);
  if (Date.parse(credentials.expiresAt) <= config.clock.now()) {
    const message = "The approval was given, but its time was over before the action could be carried out.";
    throw new BehalfError("approval.expired", message);
  }
  try {
    return await run.proceed({ approval: credentials });
  } catch (error) {
    const spent = failedState(error);
    if (spent) await slot.write(spent, ANSWER_TTL_SECONDS);
    throw error;
  }
}

/** What the user saw and what would run now must be one and the same (DESIGN section 8, "Approve"). */
function assertSame(approved: readonly JsonObject[], now: readonly JsonObject[]): void {
  if (sameJson(approved, now)) return;
  const message = "The call differs from what the user was asked. It was not carried out.";
  throw new BehalfError("approval.arguments_changed", message);
}

function isRefusal(code: string): boolean {
  return /^approval\.(denied|expired|redeemed|unknown)$/.test(code);
}
