import { BehalfError } from "./errors.ts";
import { badAnswer, isObject, type JsonAnswer, type JsonObject, requestJson, text, texts } from "./http.ts";
import type { Runtime } from "./runtime.ts";

/** One account that the user has connected. */
export interface ConnectedAccount {
  id: string;
  connection: string;
  scopes: string[];
  /** RFC 3339, UTC. */
  createdAt: string;
  /** What the user would recognise it by, where the server tells. */
  label?: string;
}

/** A started connection: send the browser to `connectUrl`. */
export interface ConnectStart {
  authSession: string;
  connectUrl: string;
}

/**
 * The user's own accounts (My Account API). Each call takes an access token for `audience` with the scope
 * it names.
 */
export interface ConnectedAccounts {
  /** `${issuer}me/` */
  readonly audience: string;
  /** Needs `create:me:connected_accounts`. */
  start(
    accessToken: string,
    request: {
      connection: string;
      scopes?: readonly string[];
      redirectUri: string;
      state: string;
      codeChallenge: string;
      authorizationParams?: Readonly<Record<string, string>>;
    },
  ): Promise<ConnectStart>;
  /** Needs `create:me:connected_accounts`. At most once for one code. */
  complete(
    accessToken: string,
    request: { authSession: string; connectCode: string; redirectUri: string; codeVerifier: string },
  ): Promise<ConnectedAccount>;
  /** Every page. Needs `read:me:connected_accounts`. */
  list(accessToken: string, filter?: { connection?: string }): Promise<ConnectedAccount[]>;
  /** Needs `delete:me:connected_accounts`. */
  remove(accessToken: string, id: string): Promise<void>;
}

const PAGE_SIZE = 20;
/** More pages than anybody has accounts; ends a cursor that never does. */
const MAX_PAGES = 50;

/** @see auth0-wire section 3.2 */
export function createConnectedAccounts({ config }: Runtime): ConnectedAccounts {
  const base = `${config.issuer}me/v1/connected-accounts`;

  async function call(
    accessToken: string,
    method: "GET" | "POST" | "DELETE",
    path: string,
    expected: number,
    body?: JsonObject,
  ): Promise<JsonObject> {
    const answer = await requestJson(config, {
      url: base + path,
      method,
      headers: {
        authorization: `Bearer ${accessToken}`,
        ...(body ? { "content-type": "application/json" } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (answer.status !== expected) throw apiError(answer);
    return answer.body;
  }

  return {
    audience: `${config.issuer}me/`,
    async start(accessToken, request) {
      const body = await call(accessToken, "POST", "/connect", 201, {
        connection: request.connection,
        redirect_uri: request.redirectUri,
        state: request.state,
        code_challenge: request.codeChallenge,
        code_challenge_method: "S256",
        ...(request.scopes?.length ? { scopes: request.scopes } : {}),
        ...(request.authorizationParams ? { authorization_params: request.authorizationParams } : {}),
      });
      return believeStart(body, config.issuer);
    },
    async complete(accessToken, request) {
      const body = await call(accessToken, "POST", "/complete", 201, {
        auth_session: request.authSession,
        connect_code: request.connectCode,
        redirect_uri: request.redirectUri,
        code_verifier: request.codeVerifier,
      });
      return believeAccount(body, config.issuer);
    },
    async list(accessToken, { connection } = {}) {
      const accounts: ConnectedAccount[] = [];
      let from: string | undefined;
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const query = new URLSearchParams({ take: String(PAGE_SIZE) });
        if (connection) query.set("connection", connection);
        if (from) query.set("from", from);
        const body = await call(accessToken, "GET", `/accounts?${query}`, 200);
        const rows: unknown[] = Array.isArray(body["accounts"]) ? body["accounts"] : [];
        accounts.push(...rows.filter(isObject).map((row) => believeAccount(row, config.issuer)));
        from = text(body, "next");
        if (!from) return accounts;
      }
      throw new BehalfError("server.bad_answer", "The list of connected accounts does not end.");
    },
    async remove(accessToken, id) {
      await call(accessToken, "DELETE", `/accounts/${encodeURIComponent(id)}`, 204);
    },
  };
}

function believeStart(body: JsonObject, issuer: string): ConnectStart {
  const [authSession, connectUri] = [text(body, "auth_session"), text(body, "connect_uri")];
  const ticket = isObject(body["connect_params"]) ? text(body["connect_params"], "ticket") : undefined;
  if (!authSession || !connectUri || !ticket || !URL.canParse(connectUri)) {
    throw badAnswer(issuer, 201, "no auth_session, connect_uri or ticket");
  }
  const url = new URL(connectUri);
  url.searchParams.set("ticket", ticket);
  return { authSession, connectUrl: url.href };
}

function believeAccount(body: JsonObject, issuer: string): ConnectedAccount {
  const [id, connection, createdAt] = [text(body, "id"), text(body, "connection"), text(body, "created_at")];
  if (!id || !connection || !createdAt) throw badAnswer(issuer, 200, "an account without id or connection");
  const label = text(body, "label");
  return { id, connection, scopes: texts(body, "scopes"), createdAt, ...(label ? { label } : {}) };
}

/** Problem details (RFC 9457) or an OAuth error; the code is the server's own where it gives one. */
function apiError({ status, body, retryAfterSeconds }: JsonAnswer): BehalfError {
  const code = text(body, "code") ?? `account.status_${status}`;
  const said = text(body, "detail") ?? text(body, "title") ?? text(body, "error_description") ?? "no detail";
  return new BehalfError(code, `The server refused: ${said}`, {
    status,
    retryable: status >= 500 || status === 429,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
