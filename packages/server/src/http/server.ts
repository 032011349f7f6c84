import { readFileSync } from "node:fs";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { TlsOptions } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import { certificateRequest, clientCertificateOf } from "./client-certificate.ts";
import { withRequestContext } from "./context.ts";
import { MAX_HEADER_BYTES } from "./limits.ts";
import { createAddressReader } from "./networks.ts";

/** A part of the server that speaks `node:http` itself. */
export interface NodeHandler {
  /** Whether this handler serves the path (without query). */
  serves(path: string, method: string): boolean;
  handle(request: IncomingMessage, response: ServerResponse): Promise<void> | void;
}

/** The part of a Hono application that answers. */
interface Application {
  readonly fetch: Parameters<typeof getRequestListener>[0];
}

/** A listening server. */
export interface HttpServer {
  /** Port it listens on; of interest when 0 was asked for. */
  readonly port: number;
  /** Stops accepting, lets running requests end for at most 25 seconds, then closes. */
  close(): Promise<void>;
}

export interface HttpServerOptions {
  readonly host: string;
  readonly port: number;
  /** Ranges of proxies whose `X-Forwarded-For` is believed. Default: none. */
  readonly trustedProxies?: readonly string[];
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** A second port, with the same certificate, that asks its peers for theirs. Needs `tls`. */
  readonly mtls?: { readonly port: number; readonly caFile: string | undefined } | undefined;
  /** Tells browsers to come by https alone from now on. Default: false, as it outlives this server. */
  readonly strictTransport?: boolean;
}

const DRAIN_MS = 25_000;
const SWEEP_MS = 50;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** Serves `nodeHandlers` first and `app` for everything else, giving each request an id and a log line. */
export async function startHttpServer(
  deps: { app: Application; nodeHandlers: readonly NodeHandler[]; log: Log; ids: Ids; clock: Clock },
  options: HttpServerOptions,
): Promise<HttpServer> {
  const appListener = getRequestListener(deps.app.fetch, { overrideGlobalObjects: false });
  const always = headersOfAll(options);
  const addressOf = createAddressReader(options.trustedProxies ?? []);
  const listenerOf =
    (asksForCertificates: boolean): RequestListener =>
    (request, response) => {
      const startedAt = deps.clock.now();
      const requestId = deps.ids.prefixed("req");
      const path = pathOf(request);
      response.setHeader("x-request-id", requestId);
      for (const [name, value] of always) response.setHeader(name, value);
      response.once("close", () =>
        deps.log.info("request", {
          method: request.method,
          path,
          status: response.statusCode,
          duration_ms: deps.clock.now() - startedAt,
          request_id: requestId,
        }),
      );
      const handler = deps.nodeHandlers.find((candidate) => candidate.serves(path, request.method ?? "GET"));
      const ip = addressOf(request.socket.remoteAddress, forwardedFor(request));
      const clientCertificate = asksForCertificates ? clientCertificateOf(request.socket) : undefined;
      withRequestContext({ requestId, ip, clientCertificate }, async () => {
        try {
          await (handler ? handler.handle(request, response) : appListener(request, response));
        } catch (error) {
          // Whoever hangs up in the middle of a request waits for no answer, and nothing of ours is broken.
          if (hasHungUp(request)) return void response.destroy();
          deps.log.error("unhandled", {
            request_id: requestId,
            error: error instanceof Error ? error.stack : "unknown",
          });
          if (!response.headersSent) response.writeHead(500, { "content-type": "application/json" });
          response.end('{"error":"server_error","error_description":"Something broke on our side."}');
        }
      });
    };
  const { host, mtls } = options;
  const server = await open(createListeningServer(listenerOf(false), options), options.port, host);
  if (!mtls) return server;
  try {
    const withCertificates = createListeningServer(listenerOf(true), options, certificateRequest(mtls));
    const second = await open(withCertificates, mtls.port, host);
    return {
      port: server.port,
      close: async () => void (await Promise.all([server.close(), second.close()])),
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

function open(server: Server, wanted: number, host: string): Promise<HttpServer> {
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(wanted, host, () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : wanted;
      resolve({ port, close: () => drain(server) });
    });
  });
}

/** Whether the peer is gone before its request had come to an end. */
export function hasHungUp(request: IncomingMessage): boolean {
  return request.destroyed && !request.complete;
}

const YEAR_SECONDS = 31_536_000;

/** What every answer carries, whoever makes it. */
function headersOfAll({ strictTransport }: HttpServerOptions): readonly [string, string][] {
  const headers: [string, string][] = [["x-content-type-options", "nosniff"]];
  return strictTransport ? [...headers, ["strict-transport-security", `max-age=${YEAR_SECONDS}`]] : headers;
}

function createListeningServer(
  listener: RequestListener,
  options: HttpServerOptions,
  more: TlsOptions = {},
): Server {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
  };
  if (!options.tls) return createServer(limits, listener);
  const pair = { cert: readFileSync(options.tls.certFile), key: readFileSync(options.tls.keyFile) };
  return createTlsServer({ ...limits, ...pair, ...more }, listener);
}

/** All of the header, in its order: a second one would otherwise hide what a proxy added to the first. */
function forwardedFor({ headers }: IncomingMessage): string | undefined {
  const value = headers["x-forwarded-for"];
  return Array.isArray(value) ? value.join(",") : value;
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? "/";
  const end = url.indexOf("?");
  return end < 0 ? url : url.slice(0, end);
}

function drain(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    // A connection whose last request ends meanwhile stays open for the next one unless it is swept.
    const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
    server.close(() => {
      clearTimeout(timer);
      clearInterval(sweep);
      resolve();
    });
    server.closeIdleConnections();
  });
}
