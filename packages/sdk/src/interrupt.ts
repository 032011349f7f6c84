/** The `name` that every interrupt carries, thrown or as JSON. */
export const INTERRUPT_NAME = "BEHALF_INTERRUPT";

/** Why only the user can go on. */
export type InterruptCode =
  | "vault.not_connected"
  | "vault.scope_missing"
  | "vault.account_ambiguous"
  | "vault.account_broken"
  | "approval.pending"
  | "approval.polled_too_fast"
  | "device.pending"
  | "device.polled_too_fast"
  | "login.required";

const CODES: readonly string[] = [
  "vault.not_connected",
  "vault.scope_missing",
  "vault.account_ambiguous",
  "vault.account_broken",
  "approval.pending",
  "approval.polled_too_fast",
  "device.pending",
  "device.polled_too_fast",
  "login.required",
] satisfies InterruptCode[];

/** One of the accounts the user may choose from; give `loginHint` back as the option of that name. */
export interface InterruptAccount {
  id: string;
  label: string;
  loginHint: string;
}

/** The approval that the user is asked for. */
export interface InterruptApproval {
  /** Names the request towards the user; it is not the secret `auth_req_id`. */
  id: string;
  /** RFC 3339, UTC. */
  expiresAt: string;
  /** Run the call again no sooner than after this many seconds. */
  intervalSeconds: number;
}

/** What the user needs in order to approve on another device (RFC 8628). */
export interface InterruptDevice {
  userCode: string;
  verificationUri: string;
  verificationUriComplete?: string;
  /** RFC 3339, UTC. */
  expiresAt: string;
  intervalSeconds: number;
}

/** An interrupt as plain JSON: what travels to a browser, a queue or another process. */
export interface InterruptData {
  name: typeof INTERRUPT_NAME;
  code: InterruptCode;
  /** A sentence for the user. */
  message: string;
  connection?: string;
  /** The scopes the tool was declared with. */
  scopes?: string[];
  /** The scopes to ask for when the user connects: those above and those already granted, each once. */
  requiredScopes?: string[];
  accounts?: InterruptAccount[];
  approval?: InterruptApproval;
  device?: InterruptDevice;
  /** Proves to the host, when the call comes back, that it is the same call: user, thread, tool and arguments. */
  resumeId: string;
  toolCall: { id: string; name: string };
}

const MARK = Symbol.for("behalf.interrupt");

/**
 * What a protected tool throws when only the user can go on: connect an account, approve, log in.
 * It is an answer, not a failure: show it, and run the same tool call again afterwards.
 */
export class Interrupt extends Error {
  override readonly name = INTERRUPT_NAME;
  readonly code: InterruptCode;
  readonly data: InterruptData;
  readonly [MARK] = true;

  constructor(data: Omit<InterruptData, "name">) {
    super(data.message);
    this.code = data.code;
    this.data = { name: INTERRUPT_NAME, ...data };
  }

  /** The plain value, without a stack. */
  toJSON(): InterruptData {
    return this.data;
  }

  /**
   * Recognises an interrupt, thrown by any copy of this package or read from JSON; with `code`, only that
   * one. It proves the shape, not the origin: on a server, `resumeId` must be checked before a call runs.
   */
  static is(value: unknown, code?: InterruptCode): value is Interrupt | InterruptData {
    const data = interruptData(value);
    return data !== undefined && (code === undefined || data.code === code);
  }
}

/** How many `cause` links are followed before an error counts as something else. */
const MAX_CAUSES = 8;
/** Longest text that is tried as JSON; an interrupt is far shorter. */
const MAX_TEXT_LENGTH = 65_536;

/**
 * The interrupt inside an error, as plain JSON: the error itself, one of its causes, or a text that holds
 * the JSON (as error texts of UI messages do). Undefined when there is none.
 */
export function interruptFromError(error: unknown): InterruptData | undefined {
  let current = error;
  for (let links = 0; links <= MAX_CAUSES && current !== undefined && current !== null; links += 1) {
    const found = typeof current === "string" ? interruptFromText(current) : interruptData(current);
    if (found) return found;
    current = typeof current === "object" && "cause" in current ? current.cause : undefined;
  }
  return undefined;
}

function interruptFromText(text: string): InterruptData | undefined {
  if (!text.startsWith("{") || text.length > MAX_TEXT_LENGTH) return undefined;
  try {
    return interruptData(JSON.parse(text));
  } catch {
    return undefined; // an ordinary error text that happens to begin with a brace
  }
}

function interruptData(value: unknown): InterruptData | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const data = MARK in value && "data" in value ? value.data : value;
  return isInterruptData(data) ? data : undefined;
}

function isInterruptData(value: unknown): value is InterruptData {
  if (typeof value !== "object" || value === null) return false;
  const data = value as Partial<Record<keyof InterruptData, unknown>>; // members are checked right below
  return (
    data.name === INTERRUPT_NAME &&
    typeof data.code === "string" &&
    CODES.includes(data.code) &&
    typeof data.message === "string" &&
    typeof data.resumeId === "string" &&
    isToolCall(data.toolCall)
  );
}

function isToolCall(value: unknown): value is InterruptData["toolCall"] {
  return (
    typeof value === "object" &&
    value !== null &&
    "id" in value &&
    typeof value.id === "string" &&
    "name" in value &&
    typeof value.name === "string"
  );
}
