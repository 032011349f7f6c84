/**
 * The URL to send the browser to, made from what a link asked for: only ever a page of this app. Anything
 * else leads to the start page.
 *
 * The answer is absolute: a path alone could begin with two slashes after `.` segments are resolved, and a
 * browser would take its first part for a host.
 * @param appOrigin such as `https://app.example`, without a path
 */
export function safeReturnTo(returnTo: string | null | undefined, appOrigin: string): string {
  const home = `${appOrigin}/`;
  // A path, and nothing that a browser and the URL parser may read differently: backslashes count as
  // slashes, tabs and line ends are dropped by the parser (WHATWG URL section 4.4).
  if (!returnTo || !/^\/(?![/\\])[^\\\p{Cc}]*$/u.test(returnTo) || !URL.canParse(returnTo, home)) return home;
  const url = new URL(returnTo, home);
  if (url.origin !== appOrigin || url.pathname.startsWith("//")) return home;
  return url.href;
}
