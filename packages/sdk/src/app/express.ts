import type { AppAuth, Session, TokenWish } from "./index.ts";
import {
  answerOf,
  isAuthPath,
  type NodeRequest,
  type NodeResponse,
  sendWebResponse,
  webRequestHead,
  webRequestOf,
} from "./node.ts";

type Next = (error?: unknown) => void;
type Middleware = (request: NodeRequest, response: NodeResponse, next: Next) => Promise<void>;

/** An app's logins for Express, and for Connect and anything else with its middleware. */
export interface ExpressAuth {
  /** `app.use(auth.routes)`: answers everything under `/auth/`. Body parsers may stand before or behind it. */
  routes: Middleware;
  /** Lets requests with a session on; see `AppAuth.requireSession`. */
  requireSession: Middleware;
  /** The session that `requireSession` found for the request of this response. */
  sessionOf(response: NodeResponse): Session;
  getSession(request: NodeRequest, response: NodeResponse): Promise<Session | undefined>;
  /** See `AppAuth.getAccessToken`. */
  getAccessToken(request: NodeRequest, response: NodeResponse, wish?: TokenWish): Promise<string>;
}

export function expressAuth(auth: AppAuth): ExpressAuth {
  const { appOrigin } = auth;
  const sessions = new WeakMap<NodeResponse, Session>();
  return {
    async routes(request, response, next) {
      if (!isAuthPath(request.originalUrl ?? request.url)) return next();
      await passErrors(next, async () => {
        await sendWebResponse(await auth.handler(await webRequestOf(request, appOrigin)), response);
      });
    },
    async requireSession(request, response, next) {
      await passErrors(next, async () => {
        const found = await auth.requireSession(webRequestHead(request, appOrigin), answerOf(response));
        if (found instanceof Response) return sendWebResponse(found, response);
        sessions.set(response, found);
        next();
      });
    },
    sessionOf(response) {
      const session = sessions.get(response);
      if (!session) throw new TypeError("sessionOf is for routes behind requireSession");
      return session;
    },
    getSession: (request, response) =>
      auth.getSession(webRequestHead(request, appOrigin), answerOf(response)),
    getAccessToken: (request, response, wish) =>
      auth.getAccessToken(webRequestHead(request, appOrigin), wish, answerOf(response)),
  };
}

/** Express 4 does not look at what a middleware's promise became. */
async function passErrors(next: Next, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    next(error);
  }
}
