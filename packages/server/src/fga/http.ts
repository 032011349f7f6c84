import { isUtf8 } from "node:buffer";
import type { JsonObject } from "@behalf/fga";
import type { Context } from "hono";
import { currentRequest } from "../http/context.ts";
import { ApiError } from "../http/errors.ts";
import { MAX_FGA_BODY_BYTES, readText } from "../http/limits.ts";
import type { Log } from "../lib/log.ts";
import { FgaApiError, type FgaErrorName, fgaError, wireErrorOf } from "./errors.ts";
import { parseBody } from "./message.ts";

/** Reads the body within OpenFGA's limit. @throws FgaApiError `validation_error`, `exceeded_entity_limit` */
export async function readFgaBody(c: Context): Promise<JsonObject> {
  const announced = c.req.header("content-length");
  // A body of announced length is never longer than that, so that it can be taken in one piece.
  if (announced !== undefined && Number(announced) <= MAX_FGA_BODY_BYTES) {
    const bytes = Buffer.from(await c.req.arrayBuffer());
    if (!isUtf8(bytes)) throw fgaError("validation_error", "the body is not UTF-8");
    return parseBody(bytes.toString("utf8"));
  }
  try {
    return parseBody(await readText(c.req.raw, MAX_FGA_BODY_BYTES));
  } catch (error) {
    if (!ApiError.is(error)) throw error;
    if (error.code !== "request.too_large") throw fgaError("validation_error", "the body is not UTF-8");
    throw fgaError(
      "exceeded_entity_limit",
      `The number of bytes exceeds the allowed limit of ${MAX_FGA_BODY_BYTES}`,
    );
  }
}

/** Answers with JSON. */
export function json(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}

/** Answers with what went wrong. What is no refusal is logged and says nothing to the caller. */
export function errorResponse(log: Log, error: unknown): Response {
  const { status, code, message } = refusalOf(log, error);
  return json(status, { code, message }, errorHeaders(status));
}

/**
 * The same for a stream: OpenFGA's gateway writes a generic status there. Both forms go out, because nothing was
 * sent yet and clients read either.
 */
export function streamErrorResponse(log: Log, error: unknown): Response {
  const { status, code, message } = refusalOf(log, error);
  const generic = { code: status === 500 ? GRPC_INTERNAL : GRPC_INVALID_ARGUMENT, message, details: [] };
  return json(status, { code, message, error: generic }, errorHeaders(status));
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
