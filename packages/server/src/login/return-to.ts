/** Where somebody goes who came from nowhere in particular. */
export const HOME = "/approvals";

/** After log-in one goes on to where one came from: only ever a path of ours. */
export function safeReturnTo(value: string | null | undefined): string {
  if (!value?.startsWith("/") || value.startsWith("//") || /[\\\s\p{Cc}]/u.test(value)) return HOME;
  const url = URL.parse(value, "http://self.invalid");
  // Dot segments are resolved by now, and what is left of "/..//host" would lead to that host.
  if (url?.origin !== "http://self.invalid" || url.pathname.startsWith("//")) return HOME;
  return url.pathname + url.search;
}
