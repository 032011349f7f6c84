import type { Context } from "hono";
import { currentRequest } from "../http/context.ts";
import { ApiError } from "../http/errors.ts";
import { MAX_FGA_BODY_BYTES, readText } from "../http/limits.ts";
import type { Log } from "../lib/log.ts";
import { FgaApiError, type FgaErrorName, fgaError, wireErrorOf } from "./errors.ts";

/** An answer, whatever carries it: the web-standard routes or `node:http`. */
export interface Answer {
  readonly status: number;
  /** `""` for none. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** JSON with headers of its own. */
export function json(status: number, body: unknown, headers: Answer["headers"] = {}): Answer {
  return { status, body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } };
}

/** 204 with headers. */
export function noContent(headers: Answer["headers"]): Answer {
  return { status: 204, body: "", headers };
}

/** What went wrong, as an answer. What is no refusal is logged and says nothing to the caller. */
export function errorAnswer(log: Log, error: unknown): Answer {
  const { status, code, message } = refusalOf(log, error);
  return json(status, { code, message }, errorHeaders(status));
}

/**
 * The same for a stream: OpenFGA's gateway writes a generic status there. Both forms go out, because nothing was
 * sent yet and clients read either.
 */
export function streamErrorAnswer(log: Log, error: unknown): Answer {
  const { status, code, message } = refusalOf(log, error);
  const generic = { code: status >= 500 ? GRPC_INTERNAL : GRPC_INVALID_ARGUMENT, message, details: [] };
  return json(status, { code, message, error: generic }, errorHeaders(status));
}

/** The answer as the web-standard routes give it. */
export function toResponse({ status, body, headers }: Answer): Response {
  return new Response(body === "" ? null : body, { status, headers });
}

/** Headers that OpenFGA's clients and proxies read. */
export function headersOf(storeId: string, modelId?: string): Record<string, string> {
  return modelId === undefined
    ? { "openfga-store-id": storeId }
    : { "openfga-store-id": storeId, "openfga-authorization-model-id": modelId };
}

/** The text of a body within OpenFGA's limit. @throws FgaApiError `validation_error`, `exceeded_entity_limit` */
export async function readFgaText(c: Context): Promise<string> {
  try {
    return await readText(c.req.raw, MAX_FGA_BODY_BYTES);
  } catch (error) {
    if (!ApiError.is(error)) throw bodyEndedEarly();
    throw error.code === "request.too_large" ? bodyTooLarge() : bodyNotText();
  }
}

/** The refusal of a body past the limit. */
export function bodyTooLarge(): FgaApiError {
  return fgaError(
    "exceeded_entity_limit",
    `The number of bytes exceeds the allowed limit of ${MAX_FGA_BODY_BYTES}`,
  );
}

/** The refusal of bytes that are no UTF-8: replaced in silence, two bodies would become one text. */
export function bodyNotText(): FgaApiError {
  return fgaError("validation_error", "the body is not UTF-8");
}

/** The refusal of a body that its sender gave up. */
export function bodyEndedEarly(): FgaApiError {
  return fgaError("validation_error", "the body ended early");
}

const GRPC_INVALID_ARGUMENT = 3;
const GRPC_INTERNAL = 13;

function refusalOf(log: Log, error: unknown): { status: number; code: FgaErrorName; message: string } {
  const wire = wireErrorOf(error);
  if (!wire) {
    log.error("unhandled", { error: error instanceof Error ? error.stack : "unknown" });
    return { status: 500, code: "internal_error", message: "Internal Server Error" };
  }
  if (FgaApiError.is(error) && error.reason !== undefined)
    log.info("refused", { code: wire.code, reason: error.reason });
  return wire;
}

function errorHeaders(status: number): Record<string, string> {
  const requestId = currentRequest()?.requestId;
  return {
    // Where OpenFGA's SDKs look for the id of a failed request.
    ...(requestId === undefined ? {} : { "fga-request-id": requestId }),
    // RFC 9110 section 11.6.1
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
  };
}
