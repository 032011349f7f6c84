import type { AppAuth, Session, TokenWish } from "./index.ts";

/** What is used of the `cookies` function of `next/headers`, of Next.js 15 and later. */
export type NextCookies = () => Promise<{ getAll(): readonly { name: string; value: string }[] }>;

/** What is used of `NextResponse`. */
interface ResponseLike {
  readonly headers: Headers;
}

/** An app's logins for the App Router of Next.js. */
export interface NextAuth {
  /** `app/auth/[...path]/route.ts`: `export const { GET, POST } = auth;` */
  GET(request: Request): Promise<Response>;
  POST(request: Request): Promise<Response>;
  /**
   * For `proxy.ts` (`middleware.ts` before Next.js 16): keeps a session that is used alive, and sends whoever
   * has none to the login. With the answer that the proxy would give otherwise; call it for the paths that
   * need a login.
   */
  proxy<R extends ResponseLike>(request: Request, otherwise: R): Promise<R | Response>;
  /** In server components, server actions and route handlers: of the request that is being answered. */
  getSession(): Promise<Session | undefined>;
  /**
   * The same, for an API. With `sessionsIn: "cookie"` only a token that is held already: a server component
   * cannot set the cookie for a renewed one; call `AppAuth.getAccessToken` in a route handler then.
   */
  getAccessToken(wish?: TokenWish): Promise<string>;
}

/** @param options.cookies `cookies` of `next/headers` */
export function nextAuth(auth: AppAuth, { cookies }: { cookies: NextCookies }): NextAuth {
  /** Made anew at each call: a request that is kept belongs to whoever came first. */
  async function current(): Promise<Request> {
    const jar = await cookies();
    const cookie = jar
      .getAll()
      .map(({ name, value }) => `${name}=${value}`)
      .join("; ");
    return new Request(`${auth.appOrigin}/`, cookie ? { headers: { cookie } } : {});
  }
  return {
    GET: auth.handler,
    POST: auth.handler,
    async proxy(request, otherwise) {
      const found = await auth.requireSession(request, otherwise.headers);
      return found instanceof Response ? found : otherwise;
    },
    getSession: async () => auth.getSession(await current()),
    getAccessToken: async (wish) => auth.getAccessToken(await current(), wish),
  };
}
