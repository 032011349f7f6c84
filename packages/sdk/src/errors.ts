const MARK = Symbol.for("behalf.error");

/** What a `BehalfError` says beside its message. */
export interface BehalfErrorOptions {
  /** Whether the same call may succeed later without anybody changing anything. Default false. */
  retryable?: boolean;
  /** How long to wait before the next attempt, where the server said so. */
  retryAfterSeconds?: number;
  /** The HTTP status the error came with. */
  status?: number;
  cause?: unknown;
}

/**
 * A failure that the person using the agent cannot repair: the developer, the operator or time must.
 * What only the person can repair is an `Interrupt`.
 *
 * Families by the first part of `code`: `config` and `context` (the developer), `oauth` (this client's
 * registration), `vault`, `approval`, `device`, `fga`, `token` and `session` (the rule that refused), `call` (the
 * same tool call runs elsewhere or already ran), `network` and `server` (transport; nothing was decided).
 */
export class BehalfError extends Error {
  override readonly name = "BehalfError";
  readonly code: string;
  readonly retryable: boolean;
  declare readonly retryAfterSeconds?: number;
  declare readonly status?: number;
  readonly [MARK] = true;

  constructor(code: string, message: string, options: BehalfErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    if (options.retryAfterSeconds !== undefined) this.retryAfterSeconds = options.retryAfterSeconds;
    if (options.status !== undefined) this.status = options.status;
  }

  /** Recognises errors of any copy of this package; with `code`, only that one. */
  static is(value: unknown, code?: string): value is BehalfError {
    if (typeof value !== "object" || value === null || !(MARK in value)) return false;
    return code === undefined || ("code" in value && value.code === code);
  }
}

const REJECTED = Symbol.for("behalf.token-rejected");

/**
 * What a tool throws when the provider refused the token it got from the Token Vault (a 401 from the
 * provider's API). The guard turns it into the interrupt `vault.account_broken`: the token was fresh, so
 * only the user, by connecting the account again, can go on.
 * @example `if (response.status === 401) throw tokenRejected();`
 */
export function tokenRejected(cause?: unknown): Error {
  const error = new BehalfError(
    "vault.token_rejected",
    "The provider refused the connected account's token.",
    {
      cause,
    },
  );
  return Object.defineProperty(error, REJECTED, { value: true });
}

/** Whether `tokenRejected()` made this value. */
export function isTokenRejected(value: unknown): boolean {
  return typeof value === "object" && value !== null && REJECTED in value;
}
