import type { Behalf } from "@behalf/sdk";
// #region session
import { createAppAuth } from "@behalf/sdk/app";

/** Login, logout and connecting accounts, under `/auth/*` of the app. */
export function createLogins(behalf: Behalf, { appUrl, secret }: { appUrl: string; secret: string }) {
  return createAppAuth({ behalf, appBaseUrl: appUrl, secret });
}
// #endregion

type Logins = ReturnType<typeof createLogins>;

/** Who came back from logging in. */
export interface LoggedIn {
  userId: string;
  refreshToken: () => Promise<string | undefined>;
}

/** The app: the session's addresses, and a start page that tells `onLogin` of each login it sees. */
export function createApp(logins: Logins, onLogin: (user: LoggedIn) => void) {
  return async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/auth/")) return logins.handler(request);
    const session = await logins.getSession(request);
    if (!session) return Response.redirect(new URL("/auth/login", request.url), 303);
    onLogin({ userId: session.userId, refreshToken: () => logins.getRefreshToken(request) });
    return new Response("Done. Go back to the terminal.\n");
  };
}
