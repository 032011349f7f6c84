/** The part of a core request that sessions and languages read, as a web-standard request. */
export function toRequest(ctx: {
  req: { url?: string | undefined; headers: NodeJS.Dict<string | string[]> };
}): Request {
  const headers = new Headers();
  for (const name of ["cookie", "accept-language"]) {
    const value = ctx.req.headers[name];
    if (typeof value === "string") headers.set(name, value);
  }
  return new Request(new URL(ctx.req.url ?? "/", "http://request.invalid"), { headers });
}
