import type { IncomingMessage } from "node:http";
import type { JWK } from "jose";
import type { AccessToken, AccountClaims, Configuration, KoaContextWithOIDC } from "oidc-provider";
import { errors, Provider } from "oidc-provider";
import type { Approvals } from "../approvals/index.ts";
import type { Config } from "../config.ts";
import { currentRequest } from "../http/context.ts";
import { isRegisteredRedirect } from "../http/redirect-uris.ts";
import type { Clock } from "../lib/clock.ts";
import type { BrowserSessions, Users } from "../login/index.ts";
import type { Organizations } from "../organizations/index.ts";
import type { Storage } from "../storage/index.ts";
import { createAdapter } from "./adapter.ts";
import type { AuthorizationClaims } from "./authorization-claims.ts";
import { cibaConfiguration } from "./ciba.ts";
import { type ClientRegistry, toCoreMetadata } from "./clients.ts";
import { EXTRA_PARAM, OFFLINE_PARAM } from "./form.ts";
import { toCoreResource } from "./grants/refresh.ts";
import type { Introspection } from "./introspection.ts";
import type { KeptToken, Liveness } from "./liveness.ts";
import { correctMetadata } from "./metadata.ts";
import { type ChooseOrganization, requireOrganizations } from "./organization-choice.ts";
import { errorPage, loggedOutPage, logoutPage } from "./pages.ts";
import { promptPolicy } from "./prompts.ts";
import { audiencesOf, type Resource, type Resources } from "./resources.ts";
import type { DemandSecondFactor } from "./second-factor-demand.ts";
import { endStolenCodes } from "./stolen-codes.ts";
import { addClaims } from "./token-claims.ts";

/** Where the endpoints are: one set of paths for the standards and for published SDKs. */
const ROUTES = {
  authorization: "/authorize",
  backchannel_authentication: "/bc-authorize",
  code_verification: "/device",
  device_authorization: "/oauth/device/code",
  end_session: "/oidc/logout",
  introspection: "/oauth/introspect",
  jwks: "/.well-known/jwks.json",
  pushed_authorization_request: "/oauth/par",
  registration: "/oidc/register",
  revocation: "/oauth/revoke",
  token: "/oauth/token",
  userinfo: "/userinfo",
};

const DAY = 86_400;
const TTL_SECONDS = {
  AuthorizationCode: 60,
  ClientCredentials: 3_600,
  DeviceCode: 900,
  Grant: 30 * DAY,
  IdToken: 3_600,
  Interaction: 1_800,
  PushedAuthorizationRequest: 90,
  RefreshToken: 30 * DAY,
  Session: 14 * DAY,
};
const OPAQUE_ACCESS_TOKEN_SECONDS = 3_600;

/** Everything the OAuth core needs of the rest of the server. */
export interface ProviderDeps {
  readonly config: Config;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly clients: ClientRegistry;
  readonly resources: Resources;
  readonly users: Users;
  readonly sessions: BrowserSessions;
  readonly approvals: Approvals;
  /** The OAuth error of each refusal of the approvals slice. */
  readonly approvalOAuthErrors: Readonly<Partial<Record<string, string>>>;
  readonly introspection: Introspection;
  readonly liveness: Liveness;
  /** Of the nonces that proofs of possession must carry; absent while none are asked for. */
  readonly nonceSecret: Buffer | undefined;
  /** Who a request was proven to come from, by other means than a secret. */
  readonly provenClient: (request: IncomingMessage) => string | undefined;
  readonly organizations: Organizations;
  readonly chooseOrganization: ChooseOrganization;
  readonly claims: AuthorizationClaims;
  readonly demandSecondFactor: DemandSecondFactor;
  readonly cookieKeys: readonly string[];
  readonly privateJwks: readonly JWK[];
}

/** The OAuth core, configured. Nothing in it depends on a request's host or forwarded headers. */
export function createProvider(deps: ProviderDeps): Provider {
  const provider = new Provider(deps.config.issuer, configuration(deps));
  // Host and protocol of each request are set from the issuer before the core sees it (edge.ts).
  provider.proxy = true;
  provider.use(correctMetadata(deps.config));
  provider.use(endStolenCodes(provider));
  useHashedSecrets(provider, deps.clients, deps.provenClient);
  useOwnRedirectCheck(provider);
  // Published SDKs keep the `sid` of each ID token, whether they want a back-channel logout or not.
  Object.defineProperty(provider.Client.prototype, "includeSid", { value: () => true });
  return provider;
}

function configuration(deps: ProviderDeps): Configuration {
  const { config, clients, resources } = deps;
  return {
    adapter: createAdapter({
      storage: deps.storage,
      clock: deps.clock,
      findClient: async (id) => {
        const client = await clients.find(id);
        return client && toCoreMetadata(client, config.apis);
      },
    }),
    jwks: { keys: [...deps.privateJwks] as never[] },
    routes: ROUTES,
    cookies: {
      keys: [...deps.cookieKeys],
      names: { session: "behalf_op", interaction: "behalf_interaction", resume: "behalf_resume" },
      long: { signed: true, httpOnly: true, sameSite: "lax" },
      short: { signed: true, httpOnly: true, sameSite: "lax" },
    },
    discovery: discoveryOf(config),
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "none"],
    responseTypes: ["code"],
    scopes: ["openid", "profile", "email", "offline_access"],
    claims: {
      openid: ["sub", "acr", "amr", "auth_time", "org_id", "org_name", ...Object.keys(config.idToken.claims)],
      profile: ["name", "nickname", "picture", "locale", "updated_at"],
      email: ["email", "email_verified"],
    },
    // Published SDKs read the profile from the ID token.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    // `screen_hint` is what published SDKs send to open sign-up first. A single `audience` never comes here; one
    // that was sent twice does, to be refused.
    extraParams: {
      [OFFLINE_PARAM]: keepOfflineAccess,
      [EXTRA_PARAM]: null,
      screen_hint: null,
      connection: null,
      organization: requireOrganizations(clients),
      invitation: requireOrganizations(clients),
      audience: null,
    },
    acrValues: [...deps.sessions.acrValues],
    subjectTypes: ["public"],
    ttl: { ...TTL_SECONDS, AccessToken: accessTokenTtl, BackchannelAuthenticationRequest: requestedExpiry },
    interactions: {
      url: (_ctx, interaction) =>
        `/interaction/${interaction.uid}${interaction.prompt.name === "organization" ? "/organization" : ""}`,
      policy: promptPolicy(deps),
    },
    findAccount: (ctx, id, token) => findAccount(deps, ctx, id, token),
    loadExistingGrant: (ctx) => loadGrant(ctx, deps),
    issueRefreshToken: async (_ctx, client, source) =>
      client.grantTypeAllowed("refresh_token") && source.scopes.has("offline_access") && !hasDetails(source),
    extraTokenClaims: async (ctx, token) => ({
      ...(await deps.claims.ofAccessToken(ctx, token)),
      ...extraClaims(ctx, token),
    }),
    formats: {
      customizers: { jwt: (ctx, token, jwt) => addClaims(config.issuer, ctx, token, jwt.payload) },
    },
    renderError: (ctx, out) => errorPage(ctx, out),
    features: {
      devInteractions: { enabled: false },
      ciba: cibaConfiguration(deps),
      clientCredentials: { enabled: true },
      // The person's side is ours (device.ts); of a device nothing is kept but what it asked for.
      deviceFlow: { enabled: true, charset: "base-20", mask: "****-****", deviceInfo: () => ({}) },
      dPoP: {
        enabled: true,
        requireNonce: () => deps.nonceSecret !== undefined,
        ...(deps.nonceSecret ? { nonceSecret: deps.nonceSecret } : {}),
      },
      introspection: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => deps.introspection.mayTell(client.clientId, token),
      },
      jwtUserinfo: { enabled: false },
      // Who a client is was judged before the core saw the request; here certificates bind tokens. Without the port
      // that asks for them there are none, and a client whose tokens must be bound gets none.
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: () => currentRequest()?.clientCertificate?.certificate,
      },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, _client, oneOf) => oneOf ?? resourceOfDetails(ctx, config.issuer),
        useGrantedResource: () => true,
        getResourceServerInfo: async (ctx, audience, coreClient) => {
          const client = await clients.find(coreClient.clientId);
          const resource = resources.find(audience);
          const scopes = client && resource?.scopesFor(client);
          if (!resource || !scopes)
            throw new errors.InvalidTarget("the client may not ask for this audience");
          return toCoreResource(resource, await permittedScopes(ctx, deps, resource, scopes));
        },
      },
      revocation: {
        enabled: true,
        allowedPolicy: async (_ctx, client, token) => client.clientId === token.clientId,
      },
      richAuthorizationRequests: {
        enabled: true,
        types: detailTypes(config),
        authorizationDetailsForGrantSource: (_ctx, source) => source.rar,
        // An approval is spent when its token is made; a refresh never brings it back.
        authorizationDetailsForAccessToken: (_ctx, _token, source) => source?.rar,
        authorizationDetailsForIntrospection: (_ctx, token) => token.rar,
      },
      rpInitiatedLogout: { enabled: true, logoutSource: logoutPage, postLogoutSuccessSource: loggedOutPage },
      userinfo: { enabled: true },
      // Framed by the client's web origins alone (finishAnswers() in create.ts).
      webMessageResponseMode: { enabled: true, ack: "individual-draft-01" },
    },
  };
}

/** What we do beside the core, told in its metadata; each only while it is switched on. */
function discoveryOf(config: Config) {
  const { dynamic, clientIdDocuments } = config.registration;
  return {
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    mfa_challenge_endpoint: `${config.issuer}mfa/challenge`,
    ...(dynamic ? { registration_endpoint: `${config.issuer}oidc/register` } : {}),
    ...(clientIdDocuments ? { client_id_metadata_document_supported: true } : {}),
  };
}

/**
 * OpenID Connect Core section 11 asks for `prompt=consent` beside `offline_access`, or "other conditions";
 * published SDKs do not send it, and here the condition is the consent or policy of the client. The core drops
 * the scope before it asks anybody, so the edge marks such a request and the scope comes back here.
 */
function keepOfflineAccess(ctx: KoaContextWithOIDC, marked: string | undefined): void {
  const { params, client } = ctx.oidc;
  if (!marked || !params || !client?.grantTypeAllowed("refresh_token")) return;
  const scopes = new Set(
    String(params["scope"] ?? "")
      .split(" ")
      .filter(Boolean),
  );
  params["scope"] = [...scopes.add("offline_access")].join(" ");
}

/**
 * The core holds each secret's keyed hash; what a client presents is hashed before it is compared. Whether a client
 * has proven itself by a key was judged before the core saw the request.
 */
function useHashedSecrets(
  provider: Provider,
  clients: ClientRegistry,
  provenClient: ProviderDeps["provenClient"],
): void {
  Object.defineProperty(provider.Client.prototype, "compareClientSecret", {
    async value(this: { clientId: string }, presented: string): Promise<boolean> {
      const client = await clients.find(this.clientId);
      if (client === undefined) return false;
      if (client.authentication === "secret") return clients.matchesSecret(client, presented);
      const request = Provider.ctx?.req;
      return request !== undefined && provenClient(request) === client.id;
    },
  });
}

/** One rule says where answers may go, here and for accounts that are being connected. */
function useOwnRedirectCheck(provider: Provider): void {
  Object.defineProperty(provider.Client.prototype, "redirectUriAllowed", {
    value(this: { redirectUris: string[]; clientAuthMethod: string }, uri: string): boolean {
      const { redirectUris, clientAuthMethod } = this;
      return isRegisteredRedirect({ redirectUris, confidential: clientAuthMethod !== "none" }, uri);
    },
  });
}

function accessTokenTtl(_ctx: KoaContextWithOIDC, token: AccessToken): number {
  return token.resourceServer?.accessTokenTTL ?? OPAQUE_ACCESS_TOKEN_SECONDS;
}

const DEFAULT_APPROVAL_SECONDS = 300;

function requestedExpiry(ctx: KoaContextWithOIDC): number {
  return Number(ctx.oidc.params?.["requested_expiry"] ?? DEFAULT_APPROVAL_SECONDS);
}

const hasDetails = (source: object): boolean =>
  "rar" in source && Array.isArray(source.rar) && source.rar.length > 0;

/** Details of an action that no API takes part in travel in a token for our own approvals audience. */
function resourceOfDetails(ctx: KoaContextWithOIDC, issuer: string): string | undefined {
  return ctx.oidc.params?.["authorization_details"] === undefined ? undefined : audiencesOf(issuer).approvals;
}

/** Details are checked as a whole, with limits, by the approvals slice; outside approvals nobody asks for them. */
function detailTypes(config: Config) {
  const names = ["tool_call", ...config.apis.flatMap((api) => Object.keys(api.detailTypes))];
  const validate = (ctx: KoaContextWithOIDC) => {
    if (ctx.oidc.route !== "backchannel_authentication")
      throw new errors.InvalidAuthorizationDetails(
        "authorization_details are approved through /bc-authorize",
      );
  };
  return Object.fromEntries(names.map((name) => [name, { validate }]));
}

/** `token` is what the account is wanted for: a code, a refresh or access token; absent at `/authorize`. */
async function findAccount(
  deps: ProviderDeps,
  ctx: KoaContextWithOIDC,
  id: string,
  token: object | undefined,
) {
  const { users, claims, liveness } = deps;
  const user = await users.find(id);
  if (!user || user.disabledAt !== undefined) return undefined;
  // The core's own session may outlive the browser's; a code or token that ends with it ends with both.
  const { clientId, sid, expiresWithSession }: KeptToken = token ?? {};
  const kept = { clientId, accountId: id, sid, expiresWithSession };
  if (expiresWithSession && (await liveness.endOfKept(kept)) !== undefined) return undefined;
  const grantId =
    token && "grantId" in token && typeof token.grantId === "string" ? token.grantId : undefined;
  if (grantId !== undefined && (await lacksOrganization(deps, ctx, grantId))) return undefined;
  const more = await claims.ofAccount(user.id, user.email, grantId);
  if (!more) return undefined;
  return {
    accountId: user.id,
    claims: (): AccountClaims => ({
      sub: user.id,
      name: user.name ?? user.email,
      nickname: user.email.split("@")[0],
      ...(user.locale ? { locale: user.locale } : {}),
      email: user.email,
      email_verified: user.emailVerified,
      ...more,
    }),
  };
}

/** Whatever the grant type: tokens of a client that acts for organizations alone come of a grant made in one. */
async function lacksOrganization(
  { clients, organizations }: ProviderDeps,
  { oidc }: KoaContextWithOIDC,
  grantId: string,
): Promise<boolean> {
  if (oidc.route !== "token") return false;
  const client = await clients.find(oidc.client?.clientId ?? "");
  return (
    client?.organizations === "required" && (await organizations.organizationOfGrant(grantId)) === undefined
  );
}

/** A first-party client needs no consent page: it gets what it asks for within its own policy. */
async function loadGrant(ctx: KoaContextWithOIDC, deps: ProviderDeps) {
  const { oidc } = ctx;
  const { provider } = oidc;
  const known = oidc.result?.consent?.grantId ?? oidc.session?.grantIdFor(oidc.client?.clientId ?? "");
  const choice = await deps.chooseOrganization(ctx);
  // Whoever has no organization yet that they must have is asked for it before anything is granted.
  if (choice.state !== "chosen" && choice.state !== "none") return undefined;
  const organizationId = choice.state === "chosen" ? choice.organization.id : undefined;
  const existing = await grantIn(deps, known ? await provider.Grant.find(known) : undefined, organizationId);
  const client = await deps.clients.find(oidc.client?.clientId ?? "");
  if (!client?.firstParty || !oidc.account) return existing;
  const grant = existing ?? new provider.Grant({ clientId: client.id, accountId: oidc.account.accountId });
  grant.addOIDCScope([...oidc.requestParamOIDCScopes].join(" "));
  grant.addOIDCClaims([...oidc.requestParamClaims]);
  for (const [audience, server] of Object.entries(oidc.resourceServers ?? {}))
    grant.addResourceScope(
      audience,
      [...oidc.requestParamScopes].filter((scope) => server.scopes.has(scope)).join(" "),
    );
  const grantId = await grant.save();
  if (organizationId === undefined) return grant;
  const { accountId } = oidc.account;
  if (!existing) await deps.organizations.bindGrant(grantId, organizationId, accountId);
  // Who was removed meanwhile had their grants ended, and this one may have come after.
  if (!(await deps.organizations.membershipOf(accountId, organizationId))) {
    await grant.destroy();
    throw new errors.AccessDenied("the user may not act for this organization");
  }
  return grant;
}

/** The grant, when it was made in this organization; one made in another, or in none, is another grant. */
async function grantIn<G extends { jti: string }>(
  { organizations }: ProviderDeps,
  grant: G | undefined,
  organizationId: string | undefined,
): Promise<G | undefined> {
  if (!grant) return undefined;
  return (await organizations.organizationOfGrant(grant.jti)) === organizationId ? grant : undefined;
}

/** At the token endpoint: no more than the user's roles permit, where the API asks for that. */
async function permittedScopes(
  ctx: KoaContextWithOIDC,
  { claims, demandSecondFactor }: ProviderDeps,
  resource: Resource,
  scopes: readonly string[],
): Promise<readonly string[]> {
  const { oidc } = ctx;
  if (oidc.route !== "token" || !oidc.account) return scopes;
  const { AuthorizationCode, RefreshToken, DeviceCode, BackchannelAuthenticationRequest } = oidc.entities;
  const source = AuthorizationCode ?? RefreshToken ?? DeviceCode ?? BackchannelAuthenticationRequest;
  // What was asked for, of which the API's own scopes are counted again when the tokens are made.
  if (source) await demandSecondFactor(ctx, resource, source, [...source.scopes]);
  return claims.permitted({ userId: oidc.account.accountId, grantId: source?.grantId }, resource, scopes);
}

function extraClaims(ctx: KoaContextWithOIDC, token: { clientId?: string | undefined }) {
  // Set by the ciba grant for the one token that an approval brings.
  const approval = ctx?.state?.["approval"] as { id: string; digest: string } | undefined;
  return {
    azp: token.clientId,
    ...(approval ? { approval_id: approval.id, approval_digest: approval.digest } : {}),
  };
}
