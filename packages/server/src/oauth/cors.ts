import type { IncomingMessage, ServerResponse } from "node:http";
import type { ClientRegistry } from "./clients.ts";

/** Endpoints that a client's own pages may call, with the methods they take. What everybody may read is the core's. */
const PATHS: Readonly<Record<string, string>> = {
  "/oauth/device/code": "POST",
  "/oauth/par": "POST",
  "/oauth/revoke": "POST",
  "/oauth/token": "POST",
  "/userinfo": "GET, POST",
};
const PREFLIGHT_SECONDS = 600;
const ALLOWED_HEADERS = "Authorization, Auth0-Client, Content-Type, DPoP";
const EXPOSED_HEADERS = "DPoP-Nonce, Retry-After, WWW-Authenticate, X-Request-Id";

export const takesOrigins = (path: string): boolean => path in PATHS;

/**
 * Lets pages of registered origins read our answers, without cookies. Any other origin gets the answer a server
 * gives that knows of no such thing: a browser then keeps it from the page.
 * @see Fetch Standard section 3.2
 */
export function createCors(deps: { clients: ClientRegistry }) {
  async function isRegistered(origin: string): Promise<boolean> {
    const all = await Promise.all((await deps.clients.list()).map(({ id }) => deps.clients.find(id)));
    return all.some((client) => client?.disabledAt === undefined && client?.webOrigins.includes(origin));
  }

  /** What to answer a preflight request with. */
  async function preflightHeaders(origin: string | undefined, methods: string): Promise<HeaderRecord> {
    if (origin === undefined || !(await isRegistered(origin))) return {};
    return {
      "access-control-allow-origin": origin,
      "access-control-allow-methods": methods,
      "access-control-allow-headers": ALLOWED_HEADERS,
      "access-control-max-age": String(PREFLIGHT_SECONDS),
    };
  }

  /** What lets an origin of this client read an answer; without `clientId`, of any client. */
  async function answerHeaders(
    origin: string | undefined,
    clientId: string | undefined,
  ): Promise<HeaderRecord> {
    if (origin === undefined) return {};
    const client = clientId === undefined ? undefined : await deps.clients.find(clientId);
    if (!(clientId === undefined ? await isRegistered(origin) : client?.webOrigins.includes(origin)))
      return {};
    return { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED_HEADERS };
  }

  return {
    /** Answers a preflight request; false when it is none. */
    async preflight(request: IncomingMessage, response: ServerResponse, path: string): Promise<boolean> {
      const { origin } = request.headers;
      if (request.method !== "OPTIONS" || !takesOrigins(path)) return false;
      response.setHeader("vary", "Origin");
      response.writeHead(204, await preflightHeaders(origin, PATHS[path] ?? "")).end();
      return true;
    },
    /** Marks the answer to an origin of this client; without `clientId`, of any client. */
    async mark(
      request: IncomingMessage,
      response: ServerResponse,
      path: string,
      clientId: string | undefined,
    ): Promise<void> {
      const { origin } = request.headers;
      if (!takesOrigins(path)) return;
      // The core would refuse the request, or let everybody read.
      delete request.headers.origin;
      response.setHeader("vary", "Origin");
      for (const [name, value] of Object.entries(await answerHeaders(origin, clientId)))
        response.setHeader(name, value);
    },
    preflightHeaders,
    answerHeaders,
  };
}

type HeaderRecord = Readonly<Record<string, string>>;

export type Cors = ReturnType<typeof createCors>;
