import { once } from "node:events";
import { createServer } from "node:http";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { StartError } from "./start-error.ts";

/** The sandbox serves this machine alone. */
const HOST = "127.0.0.1";
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Room for a bearer token of 100 kB, which the provider issues when it is told to. */
const MAX_HEADER_BYTES = 128 * 1024;

/** A web-standard handler that may also look at the socket behind the request. */
export type FetchHandler = (request: Request, env: HttpBindings) => Response | Promise<Response>;

/** A server that accepts requests. */
export type Listening = {
  /** Address without a trailing slash, such as `http://127.0.0.1:4410`. */
  url: string;
  port: number;
  /** Cuts open connections, then waits for the handlers that are still at work. Safe to call twice. */
  close(): Promise<void>;
};

/**
 * Listens on the loopback interface. Port 0 takes a free one; the handler is made once the address is known.
 *
 * @throws StartError when the port is taken or may not be used.
 */
export async function listen(port: number, createHandler: (url: string) => FetchHandler): Promise<Listening> {
  const server = createServer({
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  });
  server.listen(port, HOST);
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new StartError(`Port ${port} cannot be used (${codeOf(cause)}). Choose another one with --port.`, {
      cause,
    });
  }
  const address = server.address();
  if (address === null || typeof address === "string") throw new StartError("The server has no TCP address.");
  const url = `http://${HOST}:${address.port}`;
  const handler = createHandler(url);
  // The global Request and Response belong to the process that starts us in process: they stay as they are.
  const listener = getRequestListener((request, env) => handler(request, env as HttpBindings), {
    overrideGlobalObjects: false,
  });
  const atWork = new Set<Promise<unknown>>();
  server.on("request", (incoming, outgoing) => {
    const work = listener(incoming, outgoing).finally(() => atWork.delete(work));
    atWork.add(work);
  });
  const stop = async () => {
    const stopped = once(server, "close");
    server.close();
    server.closeAllConnections();
    await stopped;
    await Promise.allSettled(atWork);
  };
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= stop();
    return closing;
  };
  return { url, port: address.port, close };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}
