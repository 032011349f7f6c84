import type { IncomingMessage, ServerResponse } from "node:http";
import { type JWTVerifyGetKey, errors as joseErrors, jwtVerify } from "jose";
import type { Provider } from "oidc-provider";
import type { Audit } from "../audit/index.ts";
import { LOGOUT_TOKEN_TYPE } from "./back-channel-logout.ts";
import type { ClientRegistry } from "./clients.ts";
import type { EndableSessions } from "./create.ts";
import { oauthEvents } from "./events.ts";
import { toRequest } from "./request.ts";

/** Logs out without a question when the app proves that the question was answered: it holds the user's ID token. */
export interface HintedLogout {
  /** Answers the request and returns true; false when it must be asked, or refused, by the core. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

const ALGORITHMS = ["RS256", "ES256", "EdDSA"];

/**
 * A link alone must not end somebody's session, so the core asks. An ID token of the very user who is logged
 * in here shows that the link comes from the app they used; then the question would only be in the way.
 * @see OpenID Connect RP-Initiated Logout 1.0 section 2
 */
export function createHintedLogout(deps: {
  issuer: string;
  verifyKey: JWTVerifyGetKey;
  provider: Provider;
  clients: ClientRegistry;
  sessions: EndableSessions;
  audit: Audit;
}): HintedLogout {
  const { issuer, provider, clients, sessions, audit } = deps;

  /** Subject and client of an ID token of ours, however old: it only has to have been true once. */
  async function readHint(token: string): Promise<{ userId: string; clientId: string } | undefined> {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, deps.verifyKey, {
        issuer,
        algorithms: ALGORITHMS,
        currentDate: new Date(0),
      });
      if (
        ["at+jwt", LOGOUT_TOKEN_TYPE].includes(protectedHeader.typ ?? "") ||
        typeof payload.aud !== "string" ||
        !payload.sub
      )
        return undefined;
      return { userId: payload.sub, clientId: payload.aud };
    } catch (error) {
      if (error instanceof joseErrors.JOSEError) return undefined; // The core says what is wrong with it.
      throw error;
    }
  }

  async function target(params: URLSearchParams, clientId: string): Promise<string | undefined> {
    const client = await clients.find(clientId);
    const wanted = params.get("post_logout_redirect_uri");
    if (!client || client.disabledAt !== undefined || wanted === null) return undefined;
    if ((params.get("client_id") ?? clientId) !== clientId) return undefined;
    if (!client.postLogoutRedirectUris.includes(wanted)) return undefined;
    const url = new URL(wanted);
    const state = params.get("state");
    if (state !== null) url.searchParams.set("state", state);
    // Without a state the address goes back as it was registered, byte for byte.
    return state === null ? wanted : url.href;
  }

  return {
    async handle(request, response) {
      const params = new URL(request.url ?? "/", issuer).searchParams;
      // The core refuses what comes twice; nobody could say which one counts.
      if (new Set(params.keys()).size !== params.size) return false;
      const hint = await readHint(params.get("id_token_hint") ?? "");
      const session = hint && (await sessions.current(toRequest({ req: request })));
      if (!hint || session?.userId !== hint.userId) return false;
      const location = await target(params, hint.clientId);
      if (location === undefined) return false;
      const core = await provider.Session.get(provider.createContext(request, response) as never);
      if (core.accountId) await core.destroy();
      const cookie = await sessions.end(toRequest({ req: request }));
      await audit.append({ action: oauthEvents.loggedOut, ...hint, outcome: "done" });
      response.writeHead(303, { location, "set-cookie": cookie, "cache-control": "no-store" });
      response.end();
      return true;
    },
  };
}
