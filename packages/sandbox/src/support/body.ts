import { duplicateMember, isJsonObject, type JsonObject } from "./json.ts";
import { Refusal } from "./refusal.ts";

/** Every body that the sandbox takes is a short form or a small object. */
export const MAX_BODY_BYTES = 16 * 1024;

/**
 * The request's body as one JSON object: UTF-8, no name twice, at most 16 KiB.
 *
 * @throws Refusal 415 `unsupported_media_type`, 413 `body_too_large`, 400 `invalid_json`.
 */
export async function readJsonObject(request: Request): Promise<JsonObject> {
  requireType(request, "application/json");
  const text = await readText(request, "invalid_json");
  const value = parse(text);
  if (!isJsonObject(value)) throw invalidJson("The body must be a JSON object.");
  const twice = duplicateMember(text);
  if (twice !== undefined) throw invalidJson(`The body has the member ${JSON.stringify(twice)} twice.`);
  return value;
}

/**
 * The parameters of a form body, each at most once (RFC 6749 section 3.2).
 *
 * @throws Refusal 415 `invalid_request`, 413 `body_too_large`, 400 `invalid_request`.
 */
export async function readForm(request: Request): Promise<Map<string, string>> {
  requireType(request, "application/x-www-form-urlencoded");
  return uniqueParameters(new URLSearchParams(await readText(request, "invalid_request")));
}

/**
 * The parameters by name. A parameter that is sent twice is refused, an empty one counts as not sent
 * (RFC 6749 section 3.1).
 *
 * @throws Refusal 400 `invalid_request`.
 */
export function uniqueParameters(parameters: URLSearchParams): Map<string, string> {
  const unique = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (unique.has(name)) {
      throw new Refusal({
        status: 400,
        error: "invalid_request",
        description: `The parameter ${JSON.stringify(name.slice(0, 40))} is sent twice. Send it once.`,
      });
    }
    unique.set(name, value);
  }
  return new Map([...unique].filter(([, value]) => value !== ""));
}

function requireType(request: Request, wanted: string): void {
  const type = (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  if (type === wanted && !request.headers.has("content-encoding")) return;
  const isForm = wanted.endsWith("form-urlencoded");
  throw new Refusal({
    status: 415,
    error: isForm ? "invalid_request" : "unsupported_media_type",
    description: `Send the body as ${wanted}, without a content encoding.`,
  });
}

async function readText(request: Request, malformed: string): Promise<string> {
  const bytes = await readBytes(request);
  try {
    // A byte order mark is kept, so that it fails as the malformed JSON it is (RFC 8259 section 8.1).
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refusal({ status: 400, error: malformed, description: "The body is not valid UTF-8." });
  }
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const tooLarge = new Refusal({
    status: 413,
    error: "body_too_large",
    description: `The body is larger than ${MAX_BODY_BYTES} bytes.`,
  });
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidJson("The body is not valid JSON.");
  }
}

function invalidJson(description: string): Refusal {
  return new Refusal({ status: 400, error: "invalid_json", description });
}
