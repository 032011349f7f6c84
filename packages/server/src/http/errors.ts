import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { ErrorTable } from "../lib/error-table.ts";
import { currentRequest } from "./context.ts";

const mark = Symbol.for("behalf.server.api-error");

/** A failure the caller of our own API can act on. Becomes a problem document. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly [mark] = true;
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;
  /** Further members of the problem document; never a secret. */
  readonly members: Readonly<Record<string, unknown>>;
  /** Why, for the operator's log alone. */
  readonly reason: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    entry: { code: string; status: number; retryable: boolean; message: string },
    options: ApiErrorOptions,
  ) {
    super(options.detail ?? entry.message, { cause: options.cause });
    this.code = entry.code;
    this.status = entry.status;
    this.retryable = entry.retryable;
    this.members = options.members ?? {};
    this.reason = options.reason;
    this.headers = options.headers ?? {};
  }

  static is(value: unknown): value is ApiError {
    return typeof value === "object" && value !== null && mark in value;
  }
}

/** What one occurrence adds to its table entry. */
export interface ApiErrorOptions {
  /** Replaces the general sentence: what happened here and what to do. */
  readonly detail?: string;
  readonly members?: Readonly<Record<string, unknown>>;
  readonly reason?: string;
  /** Further headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Makes the error constructor of a slice: `const apiError = errorsOf(vaultErrors)`. */
export function errorsOf<Code extends string>(table: ErrorTable<Code>) {
  return (code: Code, options: ApiErrorOptions = {}): ApiError =>
    new ApiError({ code, ...table[code] }, options);
}

/** Errors that any route may answer with. */
export const httpErrors = {
  "request.invalid": { status: 400, retryable: false, message: "The request is malformed. See detail." },
  "request.too_large": { status: 413, retryable: false, message: "The body is too large. Send less." },
  "request.not_found": {
    status: 404,
    retryable: false,
    message: "There is nothing at this address. Check path and method.",
  },
  "request.unsupported_media_type": {
    status: 415,
    retryable: false,
    message: "The body has a content type this address does not take. Send application/json.",
  },
  "auth.token_missing": {
    status: 401,
    retryable: false,
    message: "There is no access token. Send one as Authorization: Bearer.",
  },
  "auth.token_invalid": {
    status: 401,
    retryable: false,
    message: "The access token is unknown, expired or meant for another audience. Get a new one.",
  },
  "auth.insufficient_scope": {
    status: 403,
    retryable: false,
    message: "The access token lacks a scope this address asks for. Get one with the scopes in scopes.",
  },
  "server.error": {
    status: 500,
    retryable: false,
    message: "Something broke on our side. Quote the request id.",
  },
} as const satisfies ErrorTable;

export const httpError = errorsOf(httpErrors);

/** RFC 9457 problem document of an error. */
export function problemOf(error: ApiError): Record<string, unknown> {
  return {
    type: `urn:behalf:error:${error.code}`,
    title: error.code,
    status: error.status,
    detail: error.message,
    code: error.code,
    retryable: error.retryable,
    request_id: currentRequest()?.requestId,
    ...error.members,
  };
}

/** Answers with the problem document of `error`. */
export function problemResponse(context: Context, error: ApiError): Response {
  // Statuses come from error tables, all of which carry a body.
  return context.json(problemOf(error), error.status as ContentfulStatusCode, {
    "content-type": "application/problem+json",
    ...(error.status === 401 ? { "www-authenticate": challenge(error) } : {}),
    ...error.headers,
  });
}

/** RFC 6750 section 3: no error code when there was no token at all. */
function challenge(error: ApiError): string {
  return error.code === "auth.token_invalid" ? 'Bearer error="invalid_token"' : "Bearer";
}
