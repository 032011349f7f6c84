import type { ConnectionConfig } from "../config.ts";
import type { Discovery } from "../http/discovery.ts";
import { type Egress, EgressError } from "../http/egress.ts";
import type { Clock } from "../lib/clock.ts";
import { reveal, type Secret, secret } from "../lib/secret.ts";
import { splitScopes } from "./store.ts";

/** What a provider issued, once it is believed. */
export interface IssuedTokens {
  readonly accessToken: Secret;
  /** Absent when the provider keeps the one it was sent, or gives none. */
  readonly refreshToken: Secret | undefined;
  /** Absent when the provider says nothing that can be believed. */
  readonly expiresInSeconds: number | undefined;
  /** Absent when the provider says nothing. */
  readonly scopes: readonly string[] | undefined;
  /** As it came: nothing of it is believed yet. */
  readonly idToken: Secret | undefined;
}

/** What an answer of a token endpoint means for us. */
export type TokenAnswer =
  | { readonly kind: "tokens"; readonly tokens: IssuedTokens }
  /** The grant ended (RFC 6749 section 5.2, `invalid_grant`). */
  | { readonly kind: "grant_refused"; readonly error: string }
  /** A scope that was asked for is not to be had. */
  | { readonly kind: "scope_refused" }
  /** The provider refuses our client or our request: an administrator must act. */
  | { readonly kind: "client_refused"; readonly error: string }
  /**
   * Nothing can be concluded. `sent` is false when the provider certainly did nothing, so that a rotating
   * refresh token is certainly unspent.
   */
  | {
      readonly kind: "unavailable";
      readonly reason: string;
      readonly sent: boolean;
      readonly retryAfterSeconds: number | undefined;
    };

/** How the provider names the account that was connected. */
export interface ExternalAccount {
  readonly id: string;
  readonly label: string;
}

/** Our two words with a provider: send, and believe. */
export interface Provider {
  /** One request to the token endpoint, never repeated. Does not throw for anything a provider does. */
  requestTokens(connection: ConnectionConfig, params: Readonly<Record<string, string>>): Promise<TokenAnswer>;
  /** Whose account a token is for; `undefined` when the provider does not say so in a way we can use. */
  identify(connection: ConnectionConfig, accessToken: Secret): Promise<ExternalAccount | undefined>;
  /** What the provider says of the person a token is for; `undefined` when it says nothing that can be read. */
  userinfo(
    connection: ConnectionConfig,
    accessToken: Secret,
  ): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** The account that a userinfo answer names, by the members the connection says. */
  believeAccount(
    body: Readonly<Record<string, unknown>> | undefined,
    connection: ConnectionConfig,
  ): ExternalAccount | undefined;
  /** @see RFC 7009 section 2 */
  revoke(
    connection: ConnectionConfig,
    token: Secret,
    hint: "refresh_token" | "access_token",
  ): Promise<"revoked" | "unsupported" | "failed">;
}

/** Deadline of one exchange with a provider, body included. */
export const PROVIDER_TIMEOUT_MS = 20_000;
const MAX_LIFE_SECONDS = 10 * 365 * 86_400;
const MAX_RETRY_AFTER_SECONDS = 3_600;
const MAX_EXTERNAL_ID_LENGTH = 255;
const MAX_LABEL_LENGTH = 200;

/** RFC 6749 section 5.2, and how GitHub and Slack spell it. */
const GRANT_ERRORS = [
  "invalid_grant",
  "bad_refresh_token",
  "invalid_refresh_token",
  "refresh_token_reused",
  "refresh_token_expired",
  "bad_verification_code",
  "token_revoked",
  "token_expired",
  "account_inactive",
];
const CLIENT_ERRORS = [
  "invalid_client",
  "unauthorized_client",
  "incorrect_client_credentials",
  "invalid_client_id",
  "bad_client_secret",
  "redirect_uri_mismatch",
  "unsupported_grant_type",
  "invalid_request",
];

export function createProvider(deps: { egress: Egress; clock: Clock; discovery: Discovery }): Provider {
  const { egress, clock, discovery } = deps;

  function post(url: string, connection: ConnectionConfig, params: Readonly<Record<string, string>>) {
    const body = new URLSearchParams(params);
    const headers: Record<string, string> = {
      "content-type": "application/x-www-form-urlencoded",
      accept: "application/json",
    };
    authenticate(connection, body, headers);
    return egress.fetch(url, {
      method: "POST",
      headers,
      body: body.toString(),
      timeoutMs: PROVIDER_TIMEOUT_MS,
    });
  }

  async function userinfo(connection: ConnectionConfig, accessToken: Secret) {
    try {
      const { userinfoEndpoint } = await discovery.endpointsOf(connection);
      if (userinfoEndpoint === undefined) return undefined;
      const response = await egress.fetch(userinfoEndpoint, {
        headers: { authorization: `Bearer ${reveal(accessToken)}` },
        timeoutMs: PROVIDER_TIMEOUT_MS,
      });
      return response.status === 200 ? parseObject(await response.text()) : undefined;
    } catch (error) {
      if (error instanceof EgressError) return undefined; // The caller tells the user that it failed.
      throw error;
    }
  }

  return {
    async requestTokens(connection, params) {
      let tokenEndpoint: string;
      try {
        ({ tokenEndpoint } = await discovery.endpointsOf(connection));
      } catch (error) {
        return notAnswered(error, false);
      }
      let response: Response;
      try {
        response = await post(tokenEndpoint, connection, params);
      } catch (error) {
        return notAnswered(error, true);
      }
      return believeTokens(response, await response.text(), clock);
    },

    userinfo,
    believeAccount,
    identify: async (connection, accessToken) =>
      believeAccount(await userinfo(connection, accessToken), connection),

    async revoke(connection, token, hint) {
      try {
        const { revocationEndpoint } = await discovery.endpointsOf(connection);
        if (revocationEndpoint === undefined) return "unsupported";
        const params = { token: reveal(token), token_type_hint: hint };
        const response = await post(revocationEndpoint, connection, params);
        // RFC 7009 section 2.2: 200 also for a token that was not valid any more.
        if (response.status === 200 || response.status === 204) return "revoked";
        const { error } = parseObject(await response.text()) ?? {};
        if (error === "unsupported_token_type") return "unsupported";
        // Providers outside the specification say so when there is nothing left to revoke.
        return error === "invalid_token" || error === "token_revoked" ? "revoked" : "failed";
      } catch (error) {
        if (error instanceof EgressError) return "failed";
        throw error;
      }
    },
  };
}

/** @see RFC 6749 section 2.3.1 */
function authenticate(
  connection: ConnectionConfig,
  body: URLSearchParams,
  headers: Record<string, string>,
): void {
  const password = connection.clientSecret;
  if (connection.clientAuthMethod === "client_secret_basic" && password) {
    // Both halves are form-encoded before they are joined.
    const pair = [connection.clientId, reveal(password)].map((half) =>
      new URLSearchParams({ v: half }).toString().slice(2),
    );
    headers["authorization"] = `Basic ${Buffer.from(pair.join(":")).toString("base64")}`;
    return;
  }
  body.set("client_id", connection.clientId);
  if (connection.clientAuthMethod === "client_secret_post" && password)
    body.set("client_secret", reveal(password));
}

function notAnswered(error: unknown, sent: boolean): TokenAnswer {
  if (!(error instanceof EgressError)) throw error;
  if (error.code === "egress.refused") return { kind: "client_refused", error: error.code };
  return { kind: "unavailable", reason: error.code, sent, retryAfterSeconds: undefined };
}

/** Reads an answer of a token endpoint. Trusts the content before the status, and neither before the shape. */
export function believeTokens(response: Response, text: string, clock: Clock): TokenAnswer {
  const { status } = response;
  const unavailable = (reason: string, sent: boolean): TokenAnswer => ({
    kind: "unavailable",
    reason,
    sent,
    retryAfterSeconds: retryAfter(response.headers.get("retry-after"), clock),
  });
  if (status === 429) return unavailable("http_429", false);
  if (status >= 500) return unavailable(`http_${status}`, true);
  if (status >= 300 && status < 400) return unavailable(`http_${status}`, true);
  const form = /^application\/x-www-form-urlencoded/i.test(response.headers.get("content-type") ?? "");
  const body = form ? Object.fromEntries(new URLSearchParams(text)) : parseObject(text);
  if (!body) return unavailable("not_json", true);
  const { error } = body;
  if (typeof error === "string" && error !== "") return classify(error, unavailable);
  if (body["ok"] === false) return unavailable("ok_false", true);
  if (status !== 200 && status !== 201) return unavailable(`http_${status}`, true);
  const tokens = believeIssued(body);
  return tokens ? { kind: "tokens", tokens } : unavailable("no_access_token", true);
}

function classify(error: string, unavailable: (reason: string, sent: boolean) => TokenAnswer): TokenAnswer {
  const code = error.toLowerCase();
  if (GRANT_ERRORS.includes(code)) return { kind: "grant_refused", error: code };
  if (CLIENT_ERRORS.includes(code)) return { kind: "client_refused", error: code };
  if (code === "invalid_scope") return { kind: "scope_refused" };
  // An unknown word of the provider's ends no connection.
  return unavailable("error_unknown", true);
}

function believeIssued(body: Readonly<Record<string, unknown>>): IssuedTokens | undefined {
  const { access_token: accessToken, refresh_token: refreshToken, id_token: idToken, scope } = body;
  if (!isToken(accessToken)) return undefined;
  return {
    accessToken: secret(accessToken),
    refreshToken: isToken(refreshToken) ? secret(refreshToken) : undefined,
    expiresInSeconds: believeLife(body["expires_in"]),
    scopes: typeof scope === "string" && scope.trim() !== "" ? splitScopes(scope) : undefined,
    idToken: isToken(idToken) ? secret(idToken) : undefined,
  };
}

/** RFC 6749 appendix A.12: visible ASCII and spaces. Anything else would break the header it goes into. */
function isToken(value: unknown): value is string {
  return typeof value === "string" && /^[\x20-\x7e]+$/.test(value);
}

/** Some providers send digits as text. Zero, negative and more than ten years are nonsense. */
function believeLife(value: unknown): number | undefined {
  const seconds = typeof value === "string" && /^\d{1,10}$/.test(value) ? Number(value) : value;
  if (typeof seconds !== "number" || !(seconds > 0) || seconds > MAX_LIFE_SECONDS) return undefined;
  return Math.max(1, Math.floor(seconds));
}

/** @see RFC 9110 section 10.2.3: seconds or a date; taken up to an hour. */
function retryAfter(value: string | null, clock: Clock): number | undefined {
  if (value === null) return undefined;
  const seconds = /^\d{1,9}$/.test(value) ? Number(value) : (Date.parse(value) - clock.now()) / 1_000;
  if (!Number.isFinite(seconds)) return undefined;
  return Math.min(Math.max(0, Math.ceil(seconds)), MAX_RETRY_AFTER_SECONDS);
}

function believeAccount(
  body: Readonly<Record<string, unknown>> | undefined,
  connection: ConnectionConfig,
): ExternalAccount | undefined {
  const raw = body?.[connection.accountIdField];
  const id = typeof raw === "number" && Number.isSafeInteger(raw) ? String(raw) : raw;
  if (typeof id !== "string" || id === "" || id.length > MAX_EXTERNAL_ID_LENGTH || hasControl(id))
    return undefined;
  const label = body?.[connection.accountLabelField];
  const readable = typeof label === "string" ? label.replace(CONTROLS, "").trim() : "";
  return { id, label: readable.slice(0, MAX_LABEL_LENGTH) || id };
}

/** Controls, and what reorders or hides text on a screen. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function hasControl(text: string): boolean {
  return text.search(CONTROLS) >= 0;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // An object that is no array has string keys.
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // Not JSON: the caller says so.
  }
}
