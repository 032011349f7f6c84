import { Buffer } from "node:buffer";
import type { AnswerHeaders } from "./answer.ts";
import type { AppAuth, Session, TokenWish } from "./index.ts";
import { type NodeRequest, webRequest } from "./node.ts";

/** What is used of Fastify's request, of version 5. */
export interface FastifyRequestLike {
  readonly method: string;
  readonly originalUrl: string;
  readonly headers: NodeRequest["headers"];
  readonly body: unknown;
}

/** What is used of Fastify's reply. */
export interface FastifyReplyLike {
  header(name: string, value: string): unknown;
  code(status: number): unknown;
  send(body: Buffer): unknown;
}

/** What is used of a Fastify instance. */
export interface FastifyLike {
  removeAllContentTypeParsers(): unknown;
  addContentTypeParser: (...args: never[]) => unknown;
  all(
    path: string,
    handler: (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown>,
  ): unknown;
}

/** The one of its overloads that is used; no structural type fits them all. */
type AddParser = (
  type: string,
  options: { parseAs: "buffer"; bodyLimit: number },
  parser: (request: unknown, body: Buffer) => Promise<Buffer>,
) => unknown;

/** An app's logins for Fastify. */
export interface FastifyAuth {
  /** `app.register(auth.routes)`: answers everything under `/auth/`, with body parsers of its own. */
  routes(instance: FastifyLike): Promise<void>;
  /**
   * A `preHandler`: lets requests with a session on; see `AppAuth.requireSession`. `sessionOf(request)` is the
   * session it found.
   */
  requireSession(request: FastifyRequestLike, reply: FastifyReplyLike): Promise<unknown>;
  /** The session that `requireSession` found for this request. */
  sessionOf(request: FastifyRequestLike): Session;
  getSession(request: FastifyRequestLike, reply: FastifyReplyLike): Promise<Session | undefined>;
  /** See `AppAuth.getAccessToken`. */
  getAccessToken(request: FastifyRequestLike, reply: FastifyReplyLike, wish?: TokenWish): Promise<string>;
}

/** No route takes a longer body. */
const MAX_BODY_BYTES = 64 * 1024;

export function fastifyAuth(auth: AppAuth): FastifyAuth {
  const found = new WeakMap<FastifyRequestLike, Session>();
  const toWeb = ({ method, originalUrl: path, headers, body }: FastifyRequestLike) =>
    webRequest(
      { method, path, headers, ...(body instanceof Buffer ? { body: new Uint8Array(body) } : {}) },
      auth.appOrigin,
    );
  return {
    async routes(instance) {
      instance.removeAllContentTypeParsers(); // of this plugin alone: Fastify encapsulates them
      const options = { parseAs: "buffer", bodyLimit: MAX_BODY_BYTES } as const;
      const addParser = instance.addContentTypeParser as AddParser; // see there
      addParser.call(instance, "*", options, async (_request, body) => body);
      instance.all("/auth/*", async (request, reply) =>
        sendToFastify(await auth.handler(toWeb(request)), reply),
      );
    },
    async requireSession(request, reply) {
      const session = await auth.requireSession(toWeb(request), answerOf(reply));
      if (session instanceof Response) return sendToFastify(session, reply);
      found.set(request, session);
      return undefined;
    },
    sessionOf(request) {
      const session = found.get(request);
      if (!session) throw new TypeError("sessionOf is for routes behind the preHandler requireSession");
      return session;
    },
    getSession: (request, reply) => auth.getSession(toWeb(request), answerOf(reply)),
    getAccessToken: (request, reply, wish) => auth.getAccessToken(toWeb(request), wish, answerOf(reply)),
  };
}

/** Fastify collects `set-cookie` and replaces every other header. */
function answerOf(reply: FastifyReplyLike): AnswerHeaders {
  return {
    append: (name, value) => void reply.header(name, value),
    set: (name, value) => void reply.header(name, value),
  };
}

/** Sends a web-standard answer; Fastify collects its cookies. */
export async function sendToFastify(response: Response, reply: FastifyReplyLike): Promise<unknown> {
  reply.code(response.status);
  for (const [name, value] of response.headers) reply.header(name, value);
  return reply.send(Buffer.from(await response.arrayBuffer()));
}
