import type { IncomingMessage } from "node:http";
import { httpError } from "./errors.ts";

/** Largest form or JSON body of the OAuth endpoints: authorization details of 5 KiB and a signed request fit many times. */
export const MAX_OAUTH_BODY_BYTES = 56 * 1024;
/** Largest body of our own APIs. */
export const MAX_API_BODY_BYTES = 64 * 1024;
/** Largest body of the FGA API: what OpenFGA takes by default (512 × 1204). */
export const MAX_FGA_BODY_BYTES = 616_448;
/** All headers together; a session cookie and a bearer token of 8 KiB fit. */
export const MAX_HEADER_BYTES = 32 * 1024;

/** Reads a body of at most `maxBytes`; throws `request.too_large` before it has read more. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    // A request without an encoding yields buffers.
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** Reads a web-standard request's JSON object within `maxBytes`. */
export async function readJson(
  request: Request,
  maxBytes = MAX_API_BODY_BYTES,
): Promise<Record<string, unknown>> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) throw httpError("request.unsupported_media_type");
  const text = await readText(request, maxBytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw httpError("request.invalid", { detail: "The body is not JSON.", cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw httpError("request.invalid", { detail: "The body must be a JSON object." });
  return value as Record<string, unknown>;
}

/**
 * Reads a web-standard request's text within `maxBytes`. Bytes that are no UTF-8 are refused: replaced in
 * silence, two different bodies would become one text (RFC 8259 section 8.1).
 */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw httpError("request.invalid", { detail: "The body is not UTF-8.", cause });
  }
}

function tooLarge(maxBytes: number) {
  return httpError("request.too_large", { detail: `The body may have at most ${maxBytes} bytes.` });
}
