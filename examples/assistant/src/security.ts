import type { MiddlewareHandler } from "hono";

/** Headers of every answer: nothing from elsewhere runs or is loaded, and nobody frames the page. */
export function secureHeaders({ issuer }: { issuer: string }): MiddlewareHandler {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    // Logging out is a form that leads on to the issuer.
    `form-action 'self' ${new URL(issuer).origin}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return async (c, next) => {
    await next();
    // The session's own pages bring a policy that is stricter still.
    if (!c.res.headers.has("content-security-policy")) c.header("content-security-policy", policy);
    c.header("x-frame-options", "DENY");
    c.header("x-content-type-options", "nosniff");
    c.header("permissions-policy", "camera=(), microphone=(), geolocation=()");
    // Not "no-referrer": with it browsers hide the origin of this app's own forms as well.
    if (!c.res.headers.has("referrer-policy")) c.header("referrer-policy", "same-origin");
    if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
  };
}

/**
 * Whether a request that changes something was made by this app's own pages. Cookies are `SameSite=Lax`
 * already; this holds also where another port of the same host counts as the same site.
 */
export function isOwnRequest(request: Request, appUrl: string): boolean {
  const origin = request.headers.get("origin");
  if (origin !== null) return origin === new URL(appUrl).origin;
  const site = request.headers.get("sec-fetch-site");
  return site === null || site === "same-origin" || site === "none";
}
