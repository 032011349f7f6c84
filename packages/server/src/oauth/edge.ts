import type { IncomingMessage, ServerResponse } from "node:http";
import { errors, type Provider } from "oidc-provider";
import { ApiError } from "../http/errors.ts";
import { MAX_OAUTH_BODY_BYTES, readBody } from "../http/limits.ts";
import type { NodeHandler } from "../http/server.ts";
import type { BrowserSessions } from "../login/index.ts";
import { type ClientAuthentication, withoutProof } from "./client-authentication.ts";
import type { Cors } from "./cors.ts";
import { mapQuery, parseForm, parseFormAsQuery, toFormText } from "./form.ts";
import { replayBody } from "./internals.ts";
import type { HintedLogout } from "./logout.ts";
import type { OwnGrants } from "./own-grants.ts";
import { toRequest } from "./request.ts";

/**
 * The paths the core serves, exactly. It would take any case and a slash more as well, past what is done for
 * one path here.
 */
const PATHS = new Set([
  "/authorize",
  "/bc-authorize",
  "/oauth/device/code",
  "/oauth/introspect",
  "/oauth/par",
  "/oauth/revoke",
  "/oauth/token",
  "/oidc/logout",
  "/oidc/logout/confirm",
  "/oidc/logout/success",
  "/oidc/register",
  "/userinfo",
  "/v2/logout",
  "/.well-known/jwks.json",
  "/.well-known/openid-configuration",
  "/.well-known/oauth-authorization-server",
]);
/** Where a client says who it is, and proves it. */
const CLIENT_PATHS = new Set([
  "/bc-authorize",
  "/oauth/device/code",
  "/oauth/introspect",
  "/oauth/par",
  "/oauth/revoke",
  "/oauth/token",
]);
/** Where an authorization request goes on after log-in or consent. */
const RESUME = /^\/authorize\/[A-Za-z0-9_-]+$/;

const SESSION_COOKIE = /(?:^|;\s*)behalf_op(?:\.sig)?=[^;]*/g;

/**
 * Stands before the core: takes JSON as well as forms, refuses repeated parameters, maps `audience` to
 * `resource`, and fixes host and protocol to the issuer's so that no header of the request can change a link.
 */
export function createEdge(deps: {
  issuer: string;
  provider: Provider;
  sessions: BrowserSessions;
  ownGrants: OwnGrants;
  authentication: ClientAuthentication;
  /** Answers `/oidc/register`; absent while registration is switched off. */
  registration: { handle(request: IncomingMessage, response: ServerResponse): Promise<void> } | undefined;
  hintedLogout: HintedLogout;
  cors: Cors;
}): NodeHandler {
  const { provider, ownGrants } = deps;
  const issuer = new URL(deps.issuer);
  const callback = provider.callback();

  return {
    serves: (path) => PATHS.has(path) || RESUME.test(path),
    async handle(request, response) {
      pinOrigin(request, issuer);
      request.url = mapOldLogout(request.url ?? "/");
      const [path = "/", query] = splitOnce(request.url, "?");
      if (await deps.cors.preflight(request, response, path)) return;
      if (request.method === "GET") await deps.cors.mark(request, response, path, undefined);
      if (path === "/oidc/register" && request.method === "POST" && deps.registration)
        return deps.registration.handle(request, response);
      if (
        path === "/oidc/logout" &&
        request.method === "GET" &&
        (await deps.hintedLogout.handle(request, response))
      )
        return;
      if (path === "/authorize" && request.method === "POST") return redirectToQuery(request, response);
      if (path === "/authorize" && query !== undefined) request.url = `${path}?${mapQuery(query)}`;
      if (request.method === "POST" && path !== "/oidc/register") {
        const params = await readParsed(request, response, parseForm);
        if (!params) return;
        await deps.cors.mark(request, response, path, params["client_id"]);
        const proof = CLIENT_PATHS.has(path) ? await deps.authentication.prove(request, params) : "none";
        if (proof === "refused") return refuseClient(response);
        const client = proof === "none" ? undefined : proof;
        if (path === "/oauth/token" && ownGrants.handles(params["grant_type"]))
          return ownGrants.handle(request, response, params, client);
        replayBody(request, Buffer.from(toFormText(client ? withoutProof(params, client.id) : params)));
      }
      if (path === "/authorize") await dropForeignSession(deps, request, response);
      await callback(request, response);
    },
  };
}

/** One answer for every reason. @see RFC 6749 section 5.2 */
function refuseClient(response: ServerResponse): void {
  response.writeHead(401, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(
    JSON.stringify({ error: "invalid_client", error_description: "client authentication failed" }),
  );
}

/** Published SDKs know an older address of the same thing, with another name for where to go back to. */
function mapOldLogout(target: string): string {
  if (!/^\/v2\/logout(\?|$)/.test(target)) return target;
  const { searchParams } = new URL(target, "http://request.invalid");
  const params = new URLSearchParams();
  for (const [from, to] of Object.entries({
    client_id: "client_id",
    returnTo: "post_logout_redirect_uri",
    state: "state",
  })) {
    // One that comes twice stays so, for the core to refuse.
    for (const value of searchParams.getAll(from)) params.append(to, value);
  }
  return `/oidc/logout?${params}`;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** Links and checks are made from the issuer alone, whatever the request claims (T28). */
function pinOrigin(request: IncomingMessage, issuer: URL): void {
  for (const name of Object.keys(request.headers))
    if (name === "forwarded" || name.startsWith("x-forwarded-")) delete request.headers[name];
  request.headers.host = issuer.host;
  request.headers["x-forwarded-proto"] = issuer.protocol.slice(0, -1);
}

/**
 * A form that another site posts brings no cookie along, so it goes on as the same request by GET, which does.
 * @see OpenID Connect Core section 3.1.2.1
 */
async function redirectToQuery(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const query = await readParsed(request, response, parseFormAsQuery);
  if (query === undefined) return;
  response.writeHead(303, { location: `/authorize?${query}`, "cache-control": "no-store" });
  response.end();
}

/** The body as `parse` understands it; `undefined` when that failed and was answered. */
async function readParsed<T>(
  request: IncomingMessage,
  response: ServerResponse,
  parse: (body: Uint8Array, contentType: string) => T,
): Promise<T | undefined> {
  try {
    const body = await readBody(request, MAX_OAUTH_BODY_BYTES);
    return parse(body, request.headers["content-type"] ?? "");
  } catch (error) {
    if (!ApiError.is(error) && !(error instanceof errors.OIDCProviderError)) throw error;
    // A body that is too long is not read to its end, so the connection cannot be used again.
    const status = error.status ?? 400;
    const description = error instanceof errors.OIDCProviderError ? error.error_description : error.message;
    response.writeHead(status, {
      "content-type": "application/json",
      "cache-control": "no-store",
      connection: "close",
    });
    response.end(JSON.stringify({ error: "invalid_request", error_description: description }));
    return undefined;
  }
}

/**
 * Our own browser session is the truth about who is logged in. A session of the core that says otherwise,
 * or that outlived ours, ends here, before it can answer for somebody.
 */
async function dropForeignSession(
  { provider, sessions }: { provider: Provider; sessions: BrowserSessions },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!request.headers.cookie?.includes("behalf_op=")) return;
  const session = await provider.Session.get(provider.createContext(request, response) as never);
  if (!session.accountId) return;
  const current = await sessions.current(toRequest({ req: request }));
  if (current?.userId === session.accountId) return;
  await session.destroy();
  request.headers.cookie = request.headers.cookie.replace(SESSION_COOKIE, "").replace(/^;\s*/, "");
}
