import type { AnswerHeaders } from "./answer.ts";
import type { AppAuth, Session, TokenWish } from "./index.ts";

/** What is used of Hono's context, of version 4. */
export interface HonoContextLike {
  readonly req: { readonly raw: Request };
  header(name: string, value: string, options?: { append?: boolean }): void;
}

/** An app's logins for Hono. */
export interface HonoAuth {
  /** `app.all("/auth/*", auth.routes)` */
  routes(context: HonoContextLike): Promise<Response>;
  /** Middleware: lets requests with a session on; see `AppAuth.requireSession`. */
  requireSession(context: HonoContextLike, next: () => Promise<void>): Promise<Response | undefined>;
  /** The session that `requireSession` found for this request. */
  sessionOf(context: HonoContextLike): Session;
  getSession(context: HonoContextLike): Promise<Session | undefined>;
  /** See `AppAuth.getAccessToken`. */
  getAccessToken(context: HonoContextLike, wish?: TokenWish): Promise<string>;
}

export function honoAuth(auth: AppAuth): HonoAuth {
  const found = new WeakMap<Request, Session>();
  return {
    routes: (context) => auth.handler(context.req.raw),
    async requireSession(context, next) {
      const session = await auth.requireSession(context.req.raw, answerOf(context));
      if (session instanceof Response) return session;
      found.set(context.req.raw, session);
      await next();
      return undefined;
    },
    sessionOf(context) {
      const session = found.get(context.req.raw);
      if (!session) throw new TypeError("sessionOf is for routes behind requireSession");
      return session;
    },
    getSession: (context) => auth.getSession(context.req.raw, answerOf(context)),
    getAccessToken: (context, wish) => auth.getAccessToken(context.req.raw, wish, answerOf(context)),
  };
}

function answerOf(context: HonoContextLike): AnswerHeaders {
  return {
    append: (name, value) => context.header(name, value, { append: true }),
    set: (name, value) => context.header(name, value),
  };
}
