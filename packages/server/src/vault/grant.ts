import { ApiError, httpError } from "../http/errors.ts";
import { reveal, secret } from "../lib/secret.ts";
import type { GrantRequest, GrantResponse, OwnGrant, SubjectTokens } from "../oauth/index.ts";
import { type VaultErrorCode, vaultError } from "./errors.ts";
import type { ExchangeRequest, ReleasedToken } from "./exchange.ts";

/** The grant by which the Auth0 SDKs, and ours, ask for a third-party token. */
export const VAULT_GRANT_TYPE =
  "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
const VAULT_TOKEN_TYPE = "http://auth0.com/oauth/token-type/federated-connection-access-token";
const REFRESH_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:refresh_token";
const ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token";
const MAX_SUBJECT_TOKEN_LENGTH = 8_192;
const MAX_HINT_LENGTH = 255;
const MAX_SCOPES = 100;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/;

/** What the OAuth error of a code is called; the code says more. */
const OAUTH_ERRORS: Partial<Record<VaultErrorCode | "request.invalid", string>> = {
  "vault.not_connected": "interaction_required",
  "vault.scope_missing": "consent_required",
  "vault.account_ambiguous": "account_selection_required",
  "vault.account_broken": "interaction_required",
  "vault.agent_not_allowed": "unauthorized_client",
  "vault.scope_not_allowed": "invalid_scope",
  "vault.provider_unavailable": "temporarily_unavailable",
  "vault.connection_misconfigured": "server_error",
  "vault.unknown_connection": "invalid_request",
  "vault.subject_invalid": "invalid_grant",
  "request.invalid": "invalid_request",
};

/** The token endpoint's side of the exchange (`auth0-wire` 2.1 and 2.4; RFC 8693 sections 2.1 and 2.2). */
export function createVaultGrant(deps: {
  exchange: (request: ExchangeRequest) => Promise<ReleasedToken>;
  subjectTokens: SubjectTokens;
}): OwnGrant {
  async function answer({ client, params }: GrantRequest): Promise<GrantResponse> {
    const request = parse(params);
    const subject = await deps.subjectTokens.fromRefreshToken(request.subjectToken, client.id);
    if (subject?.clientId !== client.id) throw vaultError("vault.subject_invalid");
    const { connection, loginHint, scopes } = request;
    const token = await deps.exchange({ client, subject, connection, loginHint, scopes });
    return {
      status: 200,
      body: {
        access_token: reveal(token.accessToken),
        token_type: "Bearer",
        expires_in: token.expiresInSeconds,
        scope: token.scopes.join(" "),
        issued_token_type: VAULT_TOKEN_TYPE,
      },
      headers: { "cache-control": "no-store" },
    };
  }

  return {
    name: "token_vault",
    grantType: VAULT_GRANT_TYPE,
    parameters: [
      "connection",
      "subject_token",
      "subject_token_type",
      "requested_token_type",
      "login_hint",
      "scope",
    ],
    async handle(request) {
      try {
        return await answer(request);
      } catch (error) {
        if (ApiError.is(error)) return refusal(error);
        throw error;
      }
    },
  };
}

function parse(params: GrantRequest["params"]) {
  const invalid = (detail: string) => httpError("request.invalid", { detail });
  const { subject_token: subjectToken, connection, login_hint: loginHint, scope } = params;
  if (params["requested_token_type"] !== VAULT_TOKEN_TYPE)
    throw invalid(`requested_token_type must be ${VAULT_TOKEN_TYPE}.`);
  if (params["subject_token_type"] === ACCESS_TOKEN_TYPE)
    throw invalid("subject_token_type access_token is not supported. Exchange the user's refresh token.");
  if (params["subject_token_type"] !== REFRESH_TOKEN_TYPE)
    throw invalid(`subject_token_type must be ${REFRESH_TOKEN_TYPE}.`);
  if (!subjectToken || subjectToken.length > MAX_SUBJECT_TOKEN_LENGTH)
    throw invalid("subject_token is missing or too long.");
  if (!connection) throw invalid("connection is missing.");
  if (loginHint !== undefined && loginHint.length > MAX_HINT_LENGTH) throw invalid("login_hint is too long.");
  const scopes = scope?.split(" ").filter((name) => name !== "");
  if (scopes && (scopes.length > MAX_SCOPES || !scopes.every((name) => SCOPE.test(name))))
    throw invalid("scope must be scope names separated by single spaces.");
  return {
    subjectToken: secret(subjectToken),
    connection,
    loginHint: loginHint === "" ? undefined : loginHint,
    scopes,
  };
}

function refusal(error: ApiError): GrantResponse {
  // A code without an entry is not thrown on this path; the specification has no better word for it.
  const name = OAUTH_ERRORS[error.code as VaultErrorCode] ?? "server_error";
  const retryAfter = error.members["retry_after"];
  return {
    status: error.status,
    body: { ...error.members, error: name, error_description: error.message, code: error.code },
    headers: {
      "cache-control": "no-store",
      ...(error.code === "vault.provider_unavailable"
        ? { "retry-after": String(typeof retryAfter === "number" ? retryAfter : 5) }
        : {}),
    },
  };
}
