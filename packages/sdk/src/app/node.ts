import { Buffer } from "node:buffer";
import { isObject } from "../http.ts";
import type { AnswerHeaders } from "./answer.ts";

/** What is used of `http.IncomingMessage`, as Express hands it on. */
export interface NodeRequest extends AsyncIterable<Uint8Array> {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** Express keeps the whole address here where a router was mounted under a path. */
  readonly originalUrl?: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What a parser before us made of the body. */
  readonly body?: unknown;
}

/** What is used of `http.ServerResponse`. */
export interface NodeResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  appendHeader(name: string, value: string): unknown;
  end(body?: Uint8Array): unknown;
}

/** The part of a Node request that a web-standard one is made of; frameworks hand the body on themselves. */
export interface RequestParts {
  method: string;
  /** Path and query as they came in. */
  path: string;
  headers: NodeRequest["headers"];
  body?: BodyInit;
}

/** Longest body that is read before anybody has looked at it; no route takes a longer one. */
const MAX_BODY_BYTES = 64 * 1024;

/**
 * The request of a browser to this app. The origin is the configured one: the `Host` header is whatever the
 * other side says.
 */
export function webRequest(parts: RequestParts, appOrigin: string): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(parts.headers)) {
    if (name.startsWith(":")) continue; // HTTP/2 pseudo-headers
    for (const item of Array.isArray(value) ? value : [value])
      if (item !== undefined) headers.append(name, item);
  }
  const path = parts.path.startsWith("/") ? parts.path : "/";
  const hasBody = parts.body !== undefined && !["GET", "HEAD"].includes(parts.method);
  return new Request(`${appOrigin}${path}`, {
    method: parts.method,
    headers,
    ...(hasBody ? { body: parts.body as BodyInit } : {}), // checked right above
  });
}

/** Reads the body too, unless a parser did; then it is written down again as what it was. */
export async function webRequestOf(request: NodeRequest, appOrigin: string): Promise<Request> {
  const withBody = request.method === "POST";
  return webRequest({ ...partsOf(request), ...(withBody ? { body: await bodyOf(request) } : {}) }, appOrigin);
}

/** The same without the body, for looking at cookies. */
export function webRequestHead(request: NodeRequest, appOrigin: string): Request {
  return webRequest(partsOf(request), appOrigin);
}

function partsOf({ method = "GET", originalUrl, url, headers }: NodeRequest): RequestParts {
  return { method, path: originalUrl ?? url ?? "/", headers };
}

async function bodyOf(request: NodeRequest): Promise<BodyInit> {
  const { body } = request;
  if (typeof body === "string") return body;
  if (body instanceof Uint8Array) return new Uint8Array(body);
  if (isObject(body) && Object.keys(body).length > 0) return parsedBody(request, body);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) break; // what is cut off is refused by whoever reads it
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parsedBody(request: NodeRequest, body: object): BodyInit {
  if (/^application\/json\b/i.test(String(request.headers["content-type"] ?? "")))
    return JSON.stringify(body);
  const pairs = Object.entries(body).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((item): [string, string] => [name, String(item)]),
  );
  return new URLSearchParams(pairs).toString();
}

/** Sends a web-standard answer. Cookies that are on the response already stay. */
export async function sendWebResponse(response: Response, to: NodeResponse): Promise<void> {
  to.statusCode = response.status;
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") to.setHeader(name, value);
  }
  for (const cookie of response.headers.getSetCookie()) to.appendHeader("set-cookie", cookie);
  to.end(new Uint8Array(await response.arrayBuffer()));
}

/** Where headers go that are set before the app answers. */
export function answerOf(response: NodeResponse): AnswerHeaders {
  return {
    append: (name, value) => void response.appendHeader(name, value),
    set: (name, value) => void response.setHeader(name, value),
  };
}

/** Whether a path, as it came in, is one that the app's logins answer. */
export function isAuthPath(path: string | undefined): boolean {
  return path?.startsWith("/auth/") ?? false;
}
