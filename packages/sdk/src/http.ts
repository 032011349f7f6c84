import { BehalfError } from "./errors.ts";

/** A JSON object as an answer holds it; nothing about its members is known yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** An HTTP answer whose body was JSON or empty. */
export interface JsonAnswer {
  status: number;
  /** Empty when the body was. */
  body: JsonObject;
  retryAfterSeconds?: number;
}

export interface JsonRequest {
  url: string;
  method?: "GET" | "POST" | "DELETE";
  headers?: Record<string, string>;
  body?: string | URLSearchParams;
}

export interface Transport {
  fetch: typeof fetch;
  timeoutMs: number;
}

/** Largest answer that is read. Nothing this SDK asks for comes near. */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;

/**
 * Sends a request and reads a JSON object. Whether the status is good is the caller's business.
 * @throws BehalfError `network.unreachable` or `network.timeout` (retryable), `server.bad_answer` for an
 * answer that is a redirect, not JSON, or too large (retryable when its status is 5xx)
 */
export async function requestJson(transport: Transport, request: JsonRequest): Promise<JsonAnswer> {
  const signal = AbortSignal.timeout(transport.timeoutMs);
  const { origin } = new URL(request.url);
  try {
    // Redirects are not followed: a client secret or token would travel along.
    const response = await transport.fetch(request.url, {
      method: request.method ?? "GET",
      headers: { accept: "application/json", ...request.headers },
      ...(request.body === undefined ? {} : { body: request.body }),
      redirect: "manual",
      signal,
    });
    const text = await readLimited(response);
    return believeJson(response, text, origin);
  } catch (cause) {
    throw BehalfError.is(cause) ? cause : transportError(cause, origin, signal, transport.timeoutMs);
  }
}

function believeJson(response: Response, text: string, origin: string): JsonAnswer {
  const body = text === "" ? {} : parseObject(text);
  if (!body || (response.status >= 300 && response.status < 400)) {
    throw badAnswer(origin, response.status, body ? "a redirect" : "no JSON object");
  }
  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
  return {
    status: response.status,
    body,
    ...(retryAfter >= 0 ? { retryAfterSeconds: Math.ceil(retryAfter) } : {}),
  };
}

function transportError(cause: unknown, origin: string, signal: AbortSignal, timeoutMs: number): BehalfError {
  if (signal.aborted) {
    const message = `${origin} did not answer within ${timeoutMs} ms.`;
    return new BehalfError("network.timeout", message, { retryable: true, cause });
  }
  return new BehalfError("network.unreachable", `${origin} could not be reached.`, {
    retryable: true,
    cause,
  });
}

/** An answer that breaks the protocol; says what was found, never what it contained. */
export function badAnswer(origin: string, status: number, what: string): BehalfError {
  const message = `${origin} answered with ${what} (status ${status}).`;
  return new BehalfError("server.bad_answer", message, { retryable: status >= 500, status });
}

async function readLimited(response: Response): Promise<string> {
  if (!response.body) return "";
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) {
      throw badAnswer(new URL(response.url).origin, response.status, `more than ${MAX_ANSWER_BYTES} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // the caller reports it, with the status
  }
}

/** Whether a value is a JSON object (not an array, not null). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The member if it is a non-empty text. */
export function text(body: JsonObject, member: string): string | undefined {
  const value = body[member];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The member if it is a finite number of at least zero, given as a number or as digits. */
export function quantity(body: JsonObject, member: string): number | undefined {
  const value = body[member];
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) && number >= 0 ? number : undefined;
}

/** The texts of the member if it is an array; what is not a text is left out. */
export function texts(body: JsonObject, member: string): string[] {
  const value = body[member];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** The words of a scope, whether parted by spaces (RFC 6749 section 3.3) or, as some providers do, commas. */
export function scopeWords(scope: string | undefined): string[] {
  return (scope ?? "").split(/[\s,]+/).filter(Boolean);
}
