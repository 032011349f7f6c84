import type { ConnectionConfig } from "../config.ts";
import { sha256 } from "../crypto/hash.ts";
import { type AccountRow, splitScopes } from "./store.ts";

/** Asked for whenever the connection knows them: they name the account, and keep it alive. */
const BASE_SCOPES = ["openid", "profile", "email", "offline_access", "offline.access", "refresh_token"];

/** Errors of a provider that an application can act on; anything else is ours to look at. */
const PASSED_ON = ["access_denied", "temporarily_unavailable", "login_required", "interaction_required"];
const PROVIDER_ERRORS: Readonly<Record<string, string>> = {
  consent_required: "access_denied",
  user_cancelled: "access_denied",
  user_denied: "access_denied",
  account_selection_required: "interaction_required",
};

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  access_denied: "The user did not connect the account.",
  temporarily_unavailable: "The provider did not answer. Try again later.",
  server_error: "The account could not be connected. The server's log says why.",
};

/** The address at the provider to which the browser is sent (RFC 6749 section 4.1.1, RFC 7636 section 4.3). */
export function authorizationUrl(of: {
  readonly connection: ConnectionConfig;
  readonly authorizationEndpoint: string;
  readonly callbackUri: string;
  readonly state: string;
  readonly verifier: string;
  readonly scopes: readonly string[];
  /** The user's one account at this connection, if there is one. */
  readonly existing: AccountRow | undefined;
  readonly params: Readonly<Record<string, string | number>>;
}): { readonly url: string; readonly scopes: readonly string[] } {
  const { connection, existing } = of;
  const known = (scope: string) => Object.hasOwn(connection.scopes, scope);
  // A new token set takes the old one's place: what other agents already use must be in it.
  const kept = existing ? splitScopes(existing.scopes).filter(known) : [];
  const scopes = [...new Set([...BASE_SCOPES.filter(known), ...of.scopes, ...kept])];
  const url = new URL(of.authorizationEndpoint);
  // Providers that issue a refresh token once do so again when the user is asked again.
  const mends = existing !== undefined && (existing.status === "broken" || !existing.sealed_refresh);
  const wishes = { ...(mends ? { prompt: "consent" } : {}), ...of.params, ...connection.authorizationParams };
  for (const [name, value] of Object.entries(wishes)) url.searchParams.set(name, String(value));
  const ours = {
    response_type: "code",
    client_id: connection.clientId,
    redirect_uri: of.callbackUri,
    state: of.state,
    code_challenge: sha256(of.verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(ours)) url.searchParams.set(name, value);
  if (scopes.length > 0) url.searchParams.set("scope", scopes.join(connection.scopeSeparator));
  return { url: url.href, scopes };
}

/** What the application is told of an error that the provider sent the browser back with. */
export function providerErrorFor(error: string): string {
  if (PASSED_ON.includes(error)) return error;
  return PROVIDER_ERRORS[error] ?? "server_error";
}

/** The application's redirect URI with our answer; what its query held before stays (RFC 6749 section 3.1.2). */
export function returnAddress(
  redirectUri: string,
  answer: { readonly connect_code?: string; readonly error?: string; readonly state: string | null },
): string {
  const { connect_code: connectCode, error, state } = answer;
  const members: [string, string | null | undefined][] = [
    ["connect_code", connectCode],
    ["error", error],
    ["error_description", error === undefined ? undefined : DESCRIPTIONS[error]],
    ["state", state],
  ];
  const sent = members.filter((member): member is [string, string] => typeof member[1] === "string");
  return `${redirectUri}${redirectUri.includes("?") ? "&" : "?"}${new URLSearchParams(sent)}`;
}
