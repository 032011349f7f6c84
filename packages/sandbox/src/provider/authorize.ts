import { uniqueParameters } from "../support/body.ts";
import { Refusal } from "../support/refusal.ts";
import { OFFLINE_SCOPE, SCOPES, splitScope } from "./accounts.ts";
import type { Client } from "./clients.ts";

/** An authorization request that passed every check. */
export type AuthorizationRequest = {
  clientId: string;
  redirectUri: string;
  state: string | null;
  codeChallenge: string | null;
  /** In the client's order, known scopes only. */
  scopes: string[];
  offline: boolean;
  /** True when the client asked for the consent page by `prompt=consent`. */
  consentForced: boolean;
  loginHint: string | null;
  nonce: string | null;
};

/** The parameters, each sent once. */
type Parameters = ReadonlyMap<string, string>;

/** Long enough for any client's encrypted state, short enough for a URL. */
const MAX_STATE_LENGTH = 2_048;
const MAX_NONCE_LENGTH = 500;
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/;
const PROMPTS = ["none", "consent", "select_account", "login"];

/** What the endpoint answers: a request to show to the person, or an address to send the browser back to. */
export type AuthorizeResult = { request: AuthorizationRequest } | { errorRedirect: string; error: string };

/**
 * Checks an authorization request (RFC 6749 section 4.1.1, RFC 7636, RFC 9207).
 *
 * @throws Refusal when client or redirect URI are wrong: then nobody is redirected (RFC 6749 section 4.1.2.1).
 */
export function checkAuthorize(
  search: URLSearchParams,
  clients: ReadonlyMap<string, Client>,
  issuer: string,
): AuthorizeResult {
  const parameters = uniqueParameters(search);
  const client = clients.get(parameters.get("client_id") ?? "");
  if (!client) throw refuse("invalid_client", "No application of this client_id is registered here.");
  const redirectUri = parameters.get("redirect_uri");
  // Byte for byte: no wildcard, no case folding, no default (RFC 9700 section 2.1).
  if (redirectUri === undefined || !client.redirectUris.includes(redirectUri))
    throw refuse("invalid_redirect_uri", "The redirect_uri is not one that this application registered.");
  const state = parameters.get("state") ?? null;
  const problem = firstProblem(parameters, client);
  if (problem) {
    const { error, description } = problem;
    const answer = { error, error_description: description, state, iss: issuer };
    return { error, errorRedirect: redirectTo(redirectUri, answer) };
  }
  const scopes = splitScope(parameters.get("scope") ?? "");
  const offline = parameters.get("access_type") === "offline" || scopes.includes(OFFLINE_SCOPE);
  return {
    request: {
      clientId: client.clientId,
      redirectUri,
      state,
      codeChallenge: parameters.get("code_challenge") ?? null,
      scopes,
      offline,
      consentForced: prompts(parameters).includes("consent"),
      loginHint: parameters.get("login_hint") ?? null,
      nonce: parameters.get("nonce") ?? null,
    },
  };
}

/** The redirect URI with an answer in its query. What the query held before stays (RFC 6749 section 3.1.2). */
export function redirectTo(redirectUri: string, answer: Record<string, string | null>): string {
  const sent = Object.entries(answer).filter((entry): entry is [string, string] => entry[1] !== null);
  return `${redirectUri}${redirectUri.includes("?") ? "&" : "?"}${new URLSearchParams(sent)}`;
}

type Problem = { error: string; description: string };

/** Read from top to bottom: the first check that fails is the answer. */
function firstProblem(parameters: Parameters, client: Client): Problem | undefined {
  const known = SCOPES.map((scope) => scope.name);
  const scopes = splitScope(parameters.get("scope") ?? "");
  const challenge = parameters.get("code_challenge");
  const checks: [boolean, string, string][] = [
    [parameters.has("request"), "request_not_supported", "Request objects are not supported."],
    [parameters.has("request_uri"), "request_uri_not_supported", "request_uri is not supported."],
    [!parameters.has("response_type"), "invalid_request", "The parameter response_type is missing."],
    [parameters.get("response_type") !== "code", "unsupported_response_type", "Use response_type=code."],
    [(parameters.get("response_mode") ?? "query") !== "query", "invalid_request", "Use response_mode=query."],
    [(parameters.get("state") ?? "").length > MAX_STATE_LENGTH, "invalid_request", "The state is too long."],
    [(parameters.get("nonce") ?? "").length > MAX_NONCE_LENGTH, "invalid_request", "The nonce is too long."],
    [scopes.length === 0, "invalid_scope", `Ask for at least one scope of: ${known.join(" ")}.`],
    [
      scopes.some((scope) => !known.includes(scope)),
      "invalid_scope",
      `An unknown scope was asked for. Known are: ${known.join(" ")}.`,
    ],
    [
      challenge === undefined && parameters.has("code_challenge_method"),
      "invalid_request",
      "code_challenge_method was sent without code_challenge.",
    ],
    // A method that is left out means plain (RFC 7636 section 4.3), which protects nothing.
    [
      challenge !== undefined && parameters.get("code_challenge_method") !== "S256",
      "invalid_request",
      "Use code_challenge_method=S256.",
    ],
    [
      challenge !== undefined && !CHALLENGE.test(challenge),
      "invalid_request",
      "The code_challenge is not a SHA-256 in base64url.",
    ],
    [
      challenge === undefined && client.clientSecret === null,
      "invalid_request",
      "A public client must send a code_challenge.",
    ],
    [
      !["online", "offline"].includes(parameters.get("access_type") ?? "online"),
      "invalid_request",
      "access_type is online or offline.",
    ],
    [
      prompts(parameters).some((prompt) => !PROMPTS.includes(prompt)),
      "invalid_request",
      `prompt is one of: ${PROMPTS.join(" ")}.`,
    ],
    // Consent is asked for every time, so there is never an answer without a page.
    [prompts(parameters).includes("none"), "interaction_required", "This provider asks its user every time."],
  ];
  const failed = checks.find(([fails]) => fails);
  return failed && { error: failed[1], description: failed[2] };
}

function prompts(parameters: Parameters): string[] {
  return splitScope(parameters.get("prompt") ?? "");
}

function refuse(error: string, description: string): Refusal {
  return new Refusal({ status: 400, error, description });
}
