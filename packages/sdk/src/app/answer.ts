/**
 * Where the headers of an answer go that the app is about to send: a `Headers` object, or what a framework's
 * adapter makes of its own response.
 */
export type AnswerHeaders = Pick<Headers, "append" | "set">;

/** Cookies and tokens are one person's: no cache between app and browser may keep them. */
export const NO_STORE = "no-store";

/** Puts cookies on an answer, and keeps it out of every cache. */
export function putCookies(answer: AnswerHeaders, cookies: readonly string[]): void {
  if (cookies.length === 0) return;
  for (const cookie of cookies) answer.append("set-cookie", cookie);
  answer.set("cache-control", NO_STORE);
}
