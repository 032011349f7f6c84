import { type StateSlot, stateSlot } from "./call-state.ts";
import type { CallContext, DeviceAuthorizationCredentials } from "./context.ts";
import { BehalfError } from "./errors.ts";
import type { ToolFunction, ToolRun } from "./guard.ts";
import { callParts, type GuardedRun, type GuardOptions, guard, type ProtectedTool } from "./guard.ts";
import { badAnswer, type JsonAnswer, quantity, scopeWords, text } from "./http.ts";
import type { Runtime } from "./runtime.ts";
import { rfc3339 } from "./time.ts";
import { oauthError, pollRefusal } from "./wire-errors.ts";

/** What a host without a browser asks for. */
export interface DeviceAuthorizationOptions extends GuardOptions {
  /** `openid` is added. */
  scopes: readonly string[];
  /** The API that the token is for. Default: the server's own. */
  audience?: string;
}

interface Pending {
  state: "pending";
  deviceCode: string;
  userCode: string;
  verificationUri: string;
  verificationUriComplete?: string;
  expiresAtMs: number;
  intervalSeconds: number;
}

interface Granted {
  state: "granted";
  credentials: DeviceAuthorizationCredentials;
}

const GRANT = "urn:ietf:params:oauth:grant-type:device_code";
/** RFC 8628 section 3.2: the interval when the server names none. */
const DEFAULT_INTERVAL_SECONDS = 5;
/** RFC 8628 section 3.5: each `slow_down` adds this much. */
const SLOW_DOWN_SECONDS = 5;
/** Life of a token whose `expires_in` is missing. */
const DEFAULT_TOKEN_SECONDS = 300;
/** A token is asked for again this long before it ends, so that none ends on its way. */
const MARGIN_MS = 30_000;
/** Keeps a pending code a little past its end, so that the server says that it ended. */
const PENDING_MARGIN_SECONDS = 60;

/**
 * The tool runs once the user has logged in on another device. The first run throws the interrupt
 * `device.pending` with the code to enter; run the call again until it returns. The token is kept, sealed,
 * for the thread until it ends: later calls of the thread ask nobody.
 *
 * Whoever enters the code is the user of the token; nothing compares it with the context's `userId`.
 *
 * Throws `device.denied`, `device.expired` or `device.unknown`; the next run then starts anew.
 * @see RFC 8628
 */
export function withDeviceAuthorization<Args, Result, Run extends ToolRun>(
  runtime: Runtime,
  options: DeviceAuthorizationOptions,
  tool: ToolFunction<Args, Result, Run>,
): ProtectedTool<Args, Result, Run> {
  return guard(runtime, options, tool, async (run) => {
    const slot = deviceSlot(runtime, options, run.call);
    const device = await slot.exclusively(() => obtain(runtime, options, run, slot));
    return run.proceed({ device });
  });
}

function deviceSlot(
  runtime: Runtime,
  { audience = "", scopes }: DeviceAuthorizationOptions,
  call: CallContext,
): StateSlot<Pending | Granted> {
  const ofThread = callParts(runtime, call).slice(0, -1);
  return stateSlot(runtime, "device", [...ofThread, audience, ...scopes]);
}

async function obtain<Args, Result>(
  runtime: Runtime,
  options: DeviceAuthorizationOptions,
  run: GuardedRun<Args, Result>,
  slot: StateSlot<Pending | Granted>,
): Promise<DeviceAuthorizationCredentials> {
  const state = await slot.read();
  if (state?.state === "granted" && isValid(runtime, state.credentials)) return state.credentials;
  if (state?.state === "pending") return poll(runtime, run, slot, state);
  throw await ask(runtime, options, run, slot);
}

function isValid({ config }: Runtime, { expiresAt }: DeviceAuthorizationCredentials): boolean {
  return Date.parse(expiresAt) - MARGIN_MS > config.clock.now();
}

/** @see RFC 8628 sections 3.1 and 3.2 */
async function ask<Args, Result>(
  { config, oauth }: Runtime,
  { audience, scopes }: DeviceAuthorizationOptions,
  run: GuardedRun<Args, Result>,
  slot: StateSlot<Pending | Granted>,
): Promise<Error> {
  const { deviceAuthorizationEndpoint: endpoint } = await oauth.metadata();
  if (!endpoint) throw new BehalfError("oauth.unsupported", "The server offers no device authorization.");
  const scope = [...new Set(["openid", ...scopes])].join(" ");
  const answer = await oauth.post(endpoint, { scope, audience });
  const pending = believeCodes(config.issuer, answer, config.clock.now());
  const lifetimeSeconds = (pending.expiresAtMs - config.clock.now()) / 1000;
  await slot.write(pending, lifetimeSeconds + PENDING_MARGIN_SECONDS);
  return pendingInterrupt(run, pending);
}

function believeCodes(issuer: string, answer: JsonAnswer, nowMs: number): Pending {
  if (answer.status !== 200) throw oauthError(answer);
  const { body, status } = answer;
  const [deviceCode, userCode] = [text(body, "device_code"), text(body, "user_code")];
  const verificationUri = text(body, "verification_uri");
  const lifetimeSeconds = quantity(body, "expires_in");
  if (!deviceCode || !userCode || !verificationUri || lifetimeSeconds === undefined) {
    throw badAnswer(issuer, status, "no device_code, user_code, verification_uri or expires_in");
  }
  const complete = text(body, "verification_uri_complete");
  return {
    state: "pending",
    deviceCode,
    userCode,
    verificationUri,
    ...(complete ? { verificationUriComplete: complete } : {}),
    expiresAtMs: nowMs + lifetimeSeconds * 1000,
    intervalSeconds: quantity(body, "interval") ?? DEFAULT_INTERVAL_SECONDS,
  };
}

function pendingInterrupt<Args, Result>(run: GuardedRun<Args, Result>, pending: Pending) {
  const message = `Enter the code ${pending.userCode} at ${pending.verificationUri} to go on.`;
  return run.interrupt("device.pending", message, { device: shown(pending, pending.intervalSeconds) });
}

function shown({ userCode, verificationUri, ...rest }: Pending, intervalSeconds: number) {
  const { verificationUriComplete, expiresAtMs } = rest;
  return {
    userCode,
    verificationUri,
    ...(verificationUriComplete ? { verificationUriComplete } : {}),
    expiresAt: rfc3339(expiresAtMs),
    intervalSeconds,
  };
}

/** @see RFC 8628 sections 3.4 and 3.5 */
async function poll<Args, Result>(
  { config, oauth }: Runtime,
  run: GuardedRun<Args, Result>,
  slot: StateSlot<Pending | Granted>,
  pending: Pending,
): Promise<DeviceAuthorizationCredentials> {
  const answer = await oauth.token({ grant_type: GRANT, device_code: pending.deviceCode });
  if (answer.status === 200) {
    const credentials = believeGrant(config.issuer, answer, config.clock.now());
    const lifetimeSeconds = (Date.parse(credentials.expiresAt) - config.clock.now()) / 1000;
    await slot.write({ state: "granted", credentials }, Math.max(1, lifetimeSeconds));
    return credentials;
  }
  const refusal = pollRefusal(answer, "device");
  if (refusal === "pending") throw pendingInterrupt(run, pending);
  if (refusal === "slow_down") {
    const slower = answer.retryAfterSeconds ?? pending.intervalSeconds + SLOW_DOWN_SECONDS;
    const message = "Still waiting for the code to be entered; it was looked for too often.";
    throw run.interrupt("device.polled_too_fast", message, { device: shown(pending, slower) });
  }
  if (refusal.code.startsWith("device.")) await slot.remove();
  throw refusal;
}

function believeGrant(
  issuer: string,
  { status, body }: JsonAnswer,
  nowMs: number,
): DeviceAuthorizationCredentials {
  const accessToken = text(body, "access_token");
  if (!accessToken) throw badAnswer(issuer, status, "no access_token");
  const refreshToken = text(body, "refresh_token");
  const lifetimeSeconds = quantity(body, "expires_in") ?? DEFAULT_TOKEN_SECONDS;
  return {
    accessToken,
    tokenType: text(body, "token_type") ?? "Bearer",
    scopes: scopeWords(text(body, "scope")),
    expiresAt: rfc3339(nowMs + lifetimeSeconds * 1000),
    ...(refreshToken ? { refreshToken } : {}),
  };
}
