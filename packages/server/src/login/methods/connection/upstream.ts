import type { ConnectionConfig } from "../../../config.ts";
import { sha256 } from "../../../crypto/hash.ts";
import type { Discovery, ProviderEndpoints } from "../../../http/discovery.ts";
import { EgressError } from "../../../http/egress.ts";
import type { Log } from "../../../lib/log.ts";
import type { Secret } from "../../../lib/secret.ts";
import type { Flow } from "../../flows.ts";
import type { LoginProvider } from "../../index.ts";
import { type IdTokenClaims, IdTokenError, type IdTokens } from "./id-token.ts";
import type { Departure } from "./states.ts";

/** A connection that people may log in with. */
export type LoginConnection = ConnectionConfig & { readonly login: NonNullable<ConnectionConfig["login"]> };

/** Who came back from a provider, once it is believed. */
export interface Arrival {
  readonly externalId: string;
  /** What its owner recognises; untrusted text. */
  readonly label: string;
  /** Absent when the provider gives none, or none that is one. */
  readonly email: string | undefined;
  /** Whether the provider's word makes the address confirmed here. */
  readonly emailVerified: boolean;
  readonly name: string | undefined;
  /** Whether the provider's word makes it two factors here. */
  readonly multiFactor: boolean;
}

export type Return = Arrival | { readonly failed: "unavailable" | "refused" };

export interface UpstreamDeps {
  readonly provider: LoginProvider;
  readonly discovery: Discovery;
  readonly verifyIdToken: IdTokens;
  readonly log: Log;
}

type Claims = Readonly<Record<string, unknown>>;

const OIDC_SCOPES = ["openid", "profile", "email"];
const MAX_LABEL_LENGTH = 200;
const MAX_NAME_LENGTH = 200;
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** What provider's clocks may differ by, in seconds. */
const CLOCK_SKEW_SECONDS = 60;

/** Where the browser goes to log in at a provider. @see OpenID Connect Core section 3.1.2.1 */
export function loginAddress(of: {
  readonly connection: LoginConnection;
  readonly endpoints: ProviderEndpoints;
  readonly redirectUri: string;
  readonly state: string;
  readonly departure: Departure;
  readonly flow: Pick<Flow, "identifier" | "again"> | undefined;
}): string {
  const { connection, departure, flow } = of;
  const isOidc = connection.kind === "oidc";
  const url = new URL(of.endpoints.authorizationEndpoint);
  const asked = connection.login.scopes ?? (isOidc ? OIDC_SCOPES : []);
  const scopes = isOidc ? [...new Set(["openid", ...asked])] : asked;
  const wishes = {
    ...(isOidc && flow?.identifier ? { login_hint: flow.identifier } : {}),
    ...(isOidc && flow?.again ? { prompt: "login", max_age: "0" } : {}),
  };
  const ours = {
    response_type: "code",
    client_id: connection.clientId,
    redirect_uri: of.redirectUri,
    state: of.state,
    code_challenge: sha256(departure.verifier),
    code_challenge_method: "S256",
    ...(isOidc ? { nonce: departure.nonce } : {}),
    ...(scopes.length > 0 ? { scope: scopes.join(connection.scopeSeparator) } : {}),
  };
  for (const [name, value] of Object.entries({ ...wishes, ...connection.authorizationParams, ...ours }))
    url.searchParams.set(name, value);
  return url.href;
}

/** Code to tokens, tokens to a person. */
export function createUpstream(deps: UpstreamDeps) {
  const { provider, log } = deps;

  /** Does not throw for anything a provider does. */
  async function receive(of: {
    readonly connection: LoginConnection;
    readonly endpoints: ProviderEndpoints;
    readonly redirectUri: string;
    readonly code: string;
    readonly departure: Departure;
    readonly again: boolean;
  }): Promise<Return> {
    const { connection, departure } = of;
    const refuse = (why: string): Return => {
      log.warn("a log-in at a provider is not believed", { connection: connection.name, why });
      return { failed: "refused" };
    };
    const answer = await provider.requestTokens(connection, {
      grant_type: "authorization_code",
      code: of.code,
      redirect_uri: of.redirectUri,
      code_verifier: departure.verifier,
    });
    if (answer.kind === "unavailable") return { failed: "unavailable" };
    if (answer.kind !== "tokens") return refuse(`the code brought ${answer.kind}`);
    const { accessToken, idToken } = answer.tokens;
    if (connection.kind === "oauth2") {
      const claims = await provider.userinfo(connection, accessToken);
      const account = provider.believeAccount(claims, connection);
      return claims && account
        ? arrivalOf(connection, account.id, claims, false)
        : refuse("userinfo says nobody");
    }
    if (!idToken) return refuse("there is no ID token");
    try {
      const believed = await deps.verifyIdToken(idToken, {
        endpoints: of.endpoints,
        clientId: connection.clientId,
        nonce: departure.nonce,
        accessToken,
      });
      if (of.again && !isFresh(believed, departure.at)) return refuse("auth_time is old or missing");
      const more = await moreClaims(connection, of.endpoints, believed, accessToken);
      if (!more) return refuse("userinfo is of somebody else, or missing");
      const multiFactor = connection.login.trustsMfa && saysMultiFactor(believed.claims);
      return arrivalOf(connection, believed.sub, more, multiFactor);
    } catch (error) {
      if (error instanceof IdTokenError) return refuse(`ID token: ${error.message}`);
      if (error instanceof EgressError) return { failed: "unavailable" };
      throw error;
    }
  }

  /** The ID token's claims; with userinfo's where it leaves the address out. Only of the same `sub`. */
  async function moreClaims(
    connection: LoginConnection,
    endpoints: ProviderEndpoints,
    { sub, claims }: IdTokenClaims,
    accessToken: Secret,
  ): Promise<Claims | undefined> {
    if (typeof claims["email"] === "string" || endpoints.userinfoEndpoint === undefined) return claims;
    const said = await provider.userinfo(connection, accessToken);
    // OpenID Connect Core section 5.3.2: of another sub, it must not be used.
    if (said?.["sub"] !== sub) return undefined;
    return { ...claims, ...said };
  }

  return { receive };
}

/** @see createUpstream */
export type Upstream = ReturnType<typeof createUpstream>;

/** OpenID Connect Core section 3.1.2.1: who is asked with `max_age` must say when the person logged in. */
function isFresh({ claims }: IdTokenClaims, leftAtMs: number): boolean {
  const at = claims["auth_time"];
  return typeof at === "number" && at >= leftAtMs / 1_000 - CLOCK_SKEW_SECONDS;
}

function saysMultiFactor(claims: Claims): boolean {
  const { amr } = claims;
  return Array.isArray(amr) && amr.includes("mfa");
}

function arrivalOf(
  connection: LoginConnection,
  externalId: string,
  claims: Claims,
  multiFactor: boolean,
): Arrival {
  const email = typeof claims["email"] === "string" ? claims["email"].trim() : "";
  const label = readable(claims[connection.accountLabelField], MAX_LABEL_LENGTH);
  return {
    externalId,
    label: label || email.slice(0, MAX_LABEL_LENGTH) || externalId,
    email: email === "" ? undefined : email,
    emailVerified: isTrustedEmail(connection, email, claims["email_verified"]),
    name: readable(claims["name"], MAX_NAME_LENGTH) || undefined,
    multiFactor,
  };
}

/** The boolean alone: text that says "true" is somebody's mistake, and nothing to found an account on. */
function isTrustedEmail({ login }: LoginConnection, email: string, verified: unknown): boolean {
  if (!login.trustEmail || verified !== true) return false;
  const domain = email.slice(email.lastIndexOf("@") + 1).toLowerCase();
  return login.domains.length === 0 || login.domains.includes(domain);
}

function readable(value: unknown, length: number): string {
  return typeof value === "string" ? value.replace(CONTROLS, "").trim().slice(0, length) : "";
}
