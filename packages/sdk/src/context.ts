import { AsyncLocalStorage } from "node:async_hooks";
import { BehalfError } from "./errors.ts";

/** Who a piece of work is done for. */
export interface BehalfContext {
  /** The user's subject identifier (`sub`). */
  userId: string;
  /** The conversation. State of one thread is never found from another. */
  threadId: string;
}

/** One call of one tool, as a protection's option functions see it. */
export interface CallContext extends BehalfContext {
  toolCall: { id: string; name: string };
}

/** A connected account's access token, for the tool that runs right now. Not kept anywhere. */
export interface TokenVaultCredentials {
  connection: string;
  accessToken: string;
  tokenType: string;
  /** The scopes that the provider granted. */
  scopes: string[];
  /** RFC 3339, UTC. */
  expiresAt?: string;
}

/** What the user's approval gave. */
export interface AsyncAuthorizationCredentials {
  accessToken: string;
  tokenType: string;
  scopes: string[];
  /** RFC 3339, UTC. */
  expiresAt: string;
  /** The details as the user approved them; the tool's arguments were compared with them. */
  authorizationDetails: Readonly<Record<string, unknown>>[];
  /** The same for every run of one approved call: usable as an idempotency key. */
  approvalId: string;
}

/** What the user's consent on another device gave. */
export interface DeviceAuthorizationCredentials {
  accessToken: string;
  tokenType: string;
  scopes: string[];
  /** RFC 3339, UTC. */
  expiresAt: string;
  refreshToken?: string;
}

/** What the protections around the running tool have gathered. */
export interface Frame {
  call: CallContext;
  vault: ReadonlyMap<string, TokenVaultCredentials>;
  approval?: AsyncAuthorizationCredentials;
  device?: DeviceAuthorizationCredentials;
}

interface Scopes {
  context: AsyncLocalStorage<BehalfContext>;
  frame: AsyncLocalStorage<Frame>;
}

/**
 * One for the whole process: bundlers may include this module several times (a copy for each route), and
 * the copy that runs the tool must see what the copy around it has set.
 */
function scopes(): Scopes {
  const shared = globalThis as { [key: symbol]: Scopes | undefined }; // our own symbol; nobody else writes it
  const key = Symbol.for("behalf.scopes.v1");
  shared[key] ??= { context: new AsyncLocalStorage(), frame: new AsyncLocalStorage() };
  return shared[key];
}

/**
 * Runs `fn` on behalf of a user: every protected tool that is called inside, however deep, belongs to this
 * user and thread.
 */
export function runWithContext<T>(context: BehalfContext, fn: () => T): T {
  if (!context.userId || !context.threadId) throw contextMissing();
  return scopes().context.run({ userId: context.userId, threadId: context.threadId }, fn);
}

/** @throws BehalfError `context.missing` */
export function currentContext(): BehalfContext {
  const context = scopes().context.getStore();
  if (!context) throw contextMissing();
  return context;
}

function contextMissing(): BehalfError {
  return new BehalfError(
    "context.missing",
    "A protected tool does not know its user: call the model inside runWithContext({ userId, threadId }, fn).",
  );
}

/** The frame of the protections around this very call; undefined in the outermost one. */
export function frameOf(call: CallContext["toolCall"]): Frame | undefined {
  const frame = scopes().frame.getStore();
  const same = frame?.call.toolCall.id === call.id && frame.call.toolCall.name === call.name;
  return same ? frame : undefined;
}

export function runInFrame<T>(frame: Frame, fn: () => T): T {
  return scopes().frame.run(frame, fn);
}

function currentFrame(getter: string): Frame {
  const frame = scopes().frame.getStore();
  if (frame) return frame;
  throw new BehalfError("context.missing", `${getter} works only inside a tool that is protected by it.`);
}

/**
 * The credentials that `withTokenVault` fetched for the running tool.
 * @param connection needed only when the tool is protected for more than one
 * @throws BehalfError `context.missing`, `context.ambiguous`
 */
export function getCredentialsFromTokenVault(connection?: string): TokenVaultCredentials {
  const { vault } = currentFrame("getCredentialsFromTokenVault()");
  if (connection === undefined && vault.size > 1) {
    const names = [...vault.keys()].join(", ");
    throw new BehalfError("context.ambiguous", `This tool has several connections; name one of: ${names}.`);
  }
  const [only] = vault.values();
  const found = connection === undefined ? only : vault.get(connection);
  if (found) return found;
  const what = connection ? `the connection ${connection}` : "a connection";
  throw new BehalfError("context.missing", `This tool is not protected by withTokenVault for ${what}.`);
}

/** The access token of `getCredentialsFromTokenVault`. */
export function getAccessTokenFromTokenVault(connection?: string): string {
  return getCredentialsFromTokenVault(connection).accessToken;
}

/**
 * What the user approved for the running tool.
 * @throws BehalfError `context.missing`
 */
export function getAsyncAuthorizationCredentials(): AsyncAuthorizationCredentials {
  const { approval } = currentFrame("getAsyncAuthorizationCredentials()");
  if (approval) return approval;
  throw new BehalfError("context.missing", "This tool is not protected by withAsyncAuthorization.");
}

/**
 * What the user consented to on another device.
 * @throws BehalfError `context.missing`
 */
export function getDeviceAuthorizationCredentials(): DeviceAuthorizationCredentials {
  const { device } = currentFrame("getDeviceAuthorizationCredentials()");
  if (device) return device;
  throw new BehalfError("context.missing", "This tool is not protected by withDeviceAuthorization.");
}
