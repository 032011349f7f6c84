import { readFileSync } from "node:fs";
import {
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
  request as send,
} from "node:http";
import { createServer } from "node:https";
import { PERSON } from "../../../support/user-agent.ts";

/** What the server answered, whole. */
export interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string;
}

/** How a server is broken on purpose: which answers, and what becomes of them. */
export interface Breakage {
  readonly method: string;
  readonly path: string;
  /** Only the answers that are this way; default all of them. */
  readonly when?: (answer: Answer) => boolean;
  readonly alter: (answer: Answer) => Answer;
}

/**
 * Stands before a server, where the issuer says that it is: ends TLS, hands every request on, and writes down
 * which the package under test has made. The test's own requests are neither written down nor broken, nor are
 * those of a person's browser unless the package is what sent it there.
 */
export interface BreakingProxy {
  /** `METHOD /path` of each request that the package made since {@link BreakingProxy.start}. */
  readonly requests: readonly string[];
  /** How many answers the breakage has altered. */
  readonly altered: number;
  /** Forgets what was seen, and breaks answers from now on; without a breakage it breaks nothing. */
  start(options?: { breakage?: Breakage; watchBrowser?: boolean }): void;
  /** Does something of the test's own: it is handed on as it is. */
  aside<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Of a path, the part that is another in every run. */
const STORE_ID = /[0-9A-HJKMNP-TV-Z]{26}/;

export async function startProxy(options: {
  port: number;
  host?: string;
  to: number;
  tls: { readonly certFile: string; readonly keyFile: string };
}): Promise<BreakingProxy> {
  let breakage: Breakage | undefined;
  let requests: string[] = [];
  let altered = 0;
  let asides = 0;
  let watchBrowser = false;

  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const [path = "/"] = (request.url ?? "/").replace(STORE_ID, "{id}").split("?");
    const watched = asides === 0 && (watchBrowser || request.headers["user-agent"] !== PERSON);
    if (watched) requests.push(`${request.method} ${path}`);
    const applies = watched && breakage?.path === path && breakage.method === request.method;
    const broken = applies ? breakage : undefined;
    const outgoing = send(
      {
        host: "127.0.0.1",
        port: options.to,
        method: request.method,
        path: request.url,
        headers: request.headers,
      },
      async (incoming) => {
        if (!broken) {
          response.writeHead(incoming.statusCode ?? 502, incoming.headers);
          return void incoming.pipe(response);
        }
        const answer = await readAnswer(incoming);
        const meant = broken.when?.(answer) ?? true;
        if (meant) altered++;
        const { status, headers, body } = meant ? broken.alter(answer) : answer;
        response.writeHead(status, headers).end(body);
      },
    );
    // A server that is gone looks to the package as it would without a proxy: the connection breaks.
    outgoing.once("error", () => response.destroy());
    request.pipe(outgoing);
  };
  const pair = { cert: readFileSync(options.tls.certFile), key: readFileSync(options.tls.keyFile) };
  const server = createServer(pair, listener);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host ?? "127.0.0.1", resolve);
  });
  return {
    get requests() {
      return requests;
    },
    get altered() {
      return altered;
    },
    start(options = {}) {
      breakage = options.breakage;
      watchBrowser = options.watchBrowser ?? false;
      requests = [];
      altered = 0;
    },
    async aside(work) {
      asides++;
      try {
        return await work();
      } finally {
        asides--;
      }
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readAnswer(incoming: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  // The altered body has another length, and is sent whole.
  const { "content-length": _length, "transfer-encoding": _encoding, ...headers } = incoming.headers;
  return { status: incoming.statusCode ?? 502, headers, body: Buffer.concat(chunks).toString() };
}
