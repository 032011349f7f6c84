import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { MAX_FGA_BODY_BYTES } from "../http/limits.ts";
import type { NodeHandler } from "../http/server.ts";
import type { Log } from "../lib/log.ts";
import type { Authenticate } from "./authenticate.ts";
import { type Answer, bodyEndedEarly, bodyNotText, bodyTooLarge, errorAnswer } from "./http.ts";
import type { QueryEndpoints } from "./query-endpoints.ts";

const PREFIX = "/stores/";

/**
 * The query endpoints on `node:http` itself: what agents ask at each step is mostly the price of HTTP, and the
 * web-standard layer would double it. Answers byte for byte as the routes do.
 */
export function createNodeHandler(deps: {
  endpoints: QueryEndpoints;
  authenticate: Authenticate;
  log: Log;
}): NodeHandler {
  const { endpoints, authenticate, log } = deps;
  const names = new Set(endpoints.names);

  async function answer(request: IncomingMessage): Promise<Answer> {
    try {
      const waiting = authenticate(request.headers.authorization);
      if (waiting) await waiting;
      const [storeId, name] = partsOf(request.url ?? "");
      const found = endpoints.answer(name, storeId, await readBody(request));
      return found instanceof Promise ? await found : found;
    } catch (error) {
      return errorAnswer(log, error);
    }
  }

  return {
    serves: (path, method) =>
      method === "POST" && path.startsWith(PREFIX) && names.has(partsOf(path)[1]) && isWhole(path),
    async handle(request, response) {
      send(response, await answer(request));
      // An unread body would be taken for the next request.
      if (!request.complete) request.resume();
    },
  };
}

/** `/stores/{store}/{name}` and nothing behind. */
function isWhole(path: string): boolean {
  const first = path.indexOf("/", PREFIX.length);
  return path.indexOf("/", first + 1) < 0;
}

function partsOf(url: string): [storeId: string, name: string] {
  const slash = url.indexOf("/", PREFIX.length);
  const query = url.indexOf("?");
  if (slash < 0) return ["", ""];
  return [url.slice(PREFIX.length, slash), url.slice(slash + 1, query < 0 ? undefined : query)];
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_FGA_BODY_BYTES) reject(bodyTooLarge());
      else chunks.push(chunk);
    });
    // The caller is gone; nobody is told, and it is no fault of ours.
    request.once("error", () => reject(bodyEndedEarly()));
    request.once("end", () => {
      const bytes = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      if (bytes && isUtf8(bytes)) resolve(bytes.toString("utf8"));
      else reject(bodyNotText());
    });
  });
}
