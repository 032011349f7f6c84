import { createHash } from "node:crypto";
import type { Hono } from "hono";
import type { KoaContextWithOIDC } from "oidc-provider";
import type { Approvals } from "../approvals/index.ts";
import type { Audit } from "../audit/index.ts";
import type { Config } from "../config.ts";
import type { Keyring } from "../crypto/keyring.ts";
import type { Sealer } from "../crypto/seal.ts";
import type { Egress } from "../http/egress.ts";
import type { NodeHandler } from "../http/server.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { BrowserSessions, SecondFactors, Users } from "../login/index.ts";
import type { Organizations } from "../organizations/index.ts";
import type { Roles } from "../roles/index.ts";
import type { Storage } from "../storage/index.ts";
import type { Outbox, OutboxHandler } from "../storage/outbox.ts";
import { createAuthorizationClaims } from "./authorization-claims.ts";
import { createBackChannelLogout } from "./back-channel-logout.ts";
import { createClientAuthentication } from "./client-authentication.ts";
import { createClientKeys } from "./client-keys.ts";
import type { ClientRegistry } from "./clients.ts";
import { type Cors, createCors, takesOrigins } from "./cors.ts";
import { createDeviceFlow } from "./device.ts";
import { deviceRoutes } from "./device-routes.ts";
import { INTERVAL_SECONDS } from "./device-store.ts";
import { addDirectGrants } from "./direct.ts";
import { createDpopProofs } from "./dpop-proofs.ts";
import { createEdge } from "./edge.ts";
import { oauthEvents } from "./events.ts";
import * as ciba from "./grants/ciba.ts";
import * as clientCredentials from "./grants/client-credentials.ts";
import * as device from "./grants/device.ts";
import { mfaGrants } from "./grants/mfa.ts";
import * as refresh from "./grants/refresh.ts";
import type { DirectGrant, Interactions, OwnGrant, RequireToken } from "./index.ts";
import { createInteractions } from "./interactions.ts";
import { createDpopNonces, findSignedTokens, replaceSigningKeys } from "./internals.ts";
import { createIntrospection, type Introspection } from "./introspection.ts";
import { JWKS_MAX_AGE_SECONDS } from "./key-store.ts";
import { loadSigningKeys } from "./keys.ts";
import { createLiveness } from "./liveness.ts";
import { createHintedLogout } from "./logout.ts";
import { mfaRoutes } from "./mfa-routes.ts";
import { createMfaTokens } from "./mfa-tokens.ts";
import { createOrganizationChoice } from "./organization-choice.ts";
import { createOwnGrants } from "./own-grants.ts";
import { errorPage } from "./pages.ts";
import { createProvider, type ProviderDeps } from "./provider.ts";
import { createRegistration } from "./registration.ts";
import { toRequest } from "./request.ts";
import { createResources, type Resources } from "./resources.ts";
import { createRevocations, type Revocations } from "./revocations.ts";
import { createRotation } from "./rotation.ts";
import { createDemand } from "./second-factor-demand.ts";
import { joinSession } from "./session-clients.ts";
import { createSignedTokens } from "./signed-tokens.ts";
import { sweepExpired } from "./store.ts";
import { createRequireToken, readForUserinfo } from "./tokens.ts";

/** What the OAuth slice gives to the rest. */
export interface OAuth {
  readonly handler: NodeHandler;
  /** Pages of this slice. */
  readonly routes: Hono;
  readonly interactions: Interactions;
  readonly requireToken: RequireToken;
  readonly resources: Resources;
  /** Adds grants of other slices, which need what this slice gives. */
  addGrants(grants: readonly OwnGrant[]): void;
  /** For routes of other slices that a client's own pages call. */
  readonly cors: Pick<Cors, "preflightHeaders" | "answerHeaders">;
  /** Adds grants in which a user proves who they are; before the first request. */
  addDirectGrants(grants: readonly DirectGrant[]): void;
  /** Removes a bounded number of rows that expired long ago; for background work. */
  sweep(): Promise<void>;
  /** Rotates the signing keys when they are due and takes up what other processes did; for background work. */
  maintainKeys(): Promise<void>;
  /** Handlers for `outbox.deliver`. */
  readonly outboxHandlers: Readonly<Record<string, OutboxHandler>>;
  /** Tells clients of sessions that are over; for background work. */
  tellEndedSessions(): Promise<void>;
}

/** A session store that can also end the session of a request. */
export interface EndableSessions extends BrowserSessions {
  /** Ends the session of the request's cookie; returns the `Set-Cookie` value that clears it. */
  end(request: Request): Promise<string>;
}

export async function createOAuth(deps: {
  config: Config;
  storage: Storage;
  sealer: Sealer;
  keyring: Keyring;
  clock: Clock;
  ids: Ids;
  log: Log;
  audit: Audit;
  egress: Egress;
  outbox: Outbox;
  clients: ClientRegistry;
  users: Users;
  sessions: EndableSessions;
  approvals: Approvals;
  approvalOAuthErrors: ProviderDeps["approvalOAuthErrors"];
  /** The class of an authentication by its methods. */
  acrOf: (amr: readonly string[]) => string;
  organizations: Organizations;
  roles: Roles;
  secondFactors: SecondFactors;
}): Promise<OAuth> {
  const { config, storage, clock, clients, users, sessions, approvals, audit } = deps;
  const algorithms = new Set(["RS256", "ES256", ...config.apis.map((api) => api.signingAlgorithm)] as const);
  const keys = await loadSigningKeys({ ...deps, rotateDays: config.keys.rotateDays }, [...algorithms]);
  const resources = createResources(config);
  const signedTokens = createSignedTokens({ issuer: config.issuer, verifyKey: keys.verifyKey, clock });
  const revocations = createRevocations({ storage, clock, signedTokens });
  const liveness = createLiveness({ storage, clock, clients, users, revocations });
  const introspection = createIntrospection({ apis: config.apis, signedTokens, liveness });
  const authentication = createClientAuthentication({
    issuer: config.issuer,
    storage,
    clock,
    log: deps.log,
    clients,
    keys: createClientKeys({ egress: deps.egress, clock, log: deps.log }),
  });
  const nonceSecret = config.dpop.requireNonce ? deps.keyring.derive("dpop-nonces") : undefined;
  const { organizations } = deps;
  const claims = createAuthorizationClaims({ ...deps, resources, idTokenClaims: config.idToken.claims });
  const mfaTokens = createMfaTokens({ storage, clock });
  const { secondFactors } = deps;
  const demandSecondFactor = createDemand({ clients, secondFactors, mfaTokens, organizations });
  const provider = createProvider({
    demandSecondFactor,
    organizations,
    claims,
    chooseOrganization: createOrganizationChoice({ organizations, clients, sessions }),
    config,
    storage,
    clock,
    clients,
    resources,
    users,
    sessions,
    approvals,
    approvalOAuthErrors: deps.approvalOAuthErrors,
    introspection,
    liveness,
    nonceSecret,
    provenClient: authentication.provenClient,
    cookieKeys: [deps.keyring.derive("oauth-cookies").toString("base64url")],
    privateJwks: keys.privateJwks(),
  });
  keys.onChange((privateJwks) => replaceSigningKeys(provider, privateJwks, keys.publicJwks()));
  const rotation = createRotation({ storage, clock });
  const onReuse = ({ clientId, userId }: { clientId: string; userId: string }) =>
    audit.append({ action: oauthEvents.refreshReused, clientId, userId, outcome: "refused" });
  provider.registerGrantType(
    "refresh_token",
    refresh.refreshGrant({
      provider,
      clients,
      resources,
      rotation,
      onReuse,
      organizations,
      claims,
      demandSecondFactor,
    }),
    [...refresh.parameters],
  );
  provider.registerGrantType(ciba.grantType, ciba.cibaGrant({ provider, approvals, resources, clock }), [
    ...ciba.parameters,
  ]);
  provider.registerGrantType(
    "client_credentials",
    clientCredentials.clientCredentialsGrant({ provider, clients, organizations }),
    [...clientCredentials.parameters],
  );
  provider.registerGrantType(device.grantType, device.deviceGrant({ provider, storage, clock }), [
    ...device.parameters,
  ]);
  findSignedTokens(provider, (token) => readForUserinfo(token, config.issuer, signedTokens, liveness));
  finishAnswers(provider, {
    clients,
    storage,
    clock,
    issuer: config.issuer,
    audit,
    sessions,
    revocations,
    introspection,
  });
  provider.on("server_error", (ctx: KoaContextWithOIDC, error: Error) =>
    deps.log.error("oauth core", { path: ctx.path, error: error.stack ?? error.message }),
  );

  const requireToken = createRequireToken({
    issuer: config.issuer,
    signedTokens,
    liveness,
    proofs: createDpopProofs({
      issuer: config.issuer,
      storage,
      clock,
      nonces: nonceSecret && createDpopNonces(nonceSecret),
    }),
  });
  const cors = createCors({ clients });
  const direct = { provider, clients, resources, organizations };
  addDirectGrants(direct, mfaGrants({ mfaTokens, secondFactors, acrOf: deps.acrOf }));
  const ownGrants = createOwnGrants({ clients });
  const backChannelLogout = createBackChannelLogout({
    ...deps,
    issuer: config.issuer,
    privateJwks: keys.privateJwks,
  });
  return {
    requireToken,
    resources,
    addGrants: ownGrants.add,
    cors,
    addDirectGrants: (grants) => addDirectGrants(direct, grants),
    maintainKeys: keys.maintain,
    outboxHandlers: backChannelLogout.outboxHandlers,
    tellEndedSessions: backChannelLogout.tick,
    sweep: async () => void (await Promise.all([sweepExpired(storage, clock.now()), mfaTokens.sweep()])),
    handler: createEdge({
      issuer: config.issuer,
      provider,
      sessions,
      ownGrants,
      authentication,
      cors,
      hintedLogout: createHintedLogout({
        issuer: config.issuer,
        verifyKey: keys.verifyKey,
        provider,
        clients,
        sessions,
        audit,
      }),
      registration: config.registration.dynamic
        ? createRegistration({ storage, audit, clock, ids: deps.ids })
        : undefined,
    }),
    interactions: createInteractions({ provider, clients, resources, organizations }),
    routes: deviceRoutes({ sessions, device: createDeviceFlow({ ...deps, provider, resources }) }).route(
      "/",
      mfaRoutes({ mfaTokens, secondFactors, users }),
    ),
  };
}

/** What the core leaves out of its answers, added after it has made them. */
function finishAnswers(
  provider: ReturnType<typeof createProvider>,
  deps: {
    issuer: string;
    audit: Audit;
    clients: ClientRegistry;
    storage: Storage;
    clock: Clock;
    sessions: EndableSessions;
    revocations: Revocations;
    introspection: Introspection;
  },
): void {
  const { audit, sessions } = deps;
  provider.on("end_session.success", (ctx: KoaContextWithOIDC) => {
    // Without a login of its own the core asks nobody and goes on at once: then a link alone got here. And when
    // somebody else has logged in for a request, it ends the former login alone and takes the request up again.
    const { params, session } = ctx.oidc;
    const goesOn = String(session?.state?.["postLogoutRedirectUri"]).startsWith(`${deps.issuer}authorize/`);
    ctx.state["loggedOut"] = Boolean(params?.["logout"] && session?.accountId && !goesOn);
  });
  provider.use(async (ctx: KoaContextWithOIDC, next: () => Promise<void>) => {
    await next();
    const body: unknown = ctx.body;
    await joinSessionOf(ctx, deps);
    if (ctx.oidc?.route === "token" && ctx.status === 200) await auditTokens(audit, ctx);
    if (typeof body === "object" && body !== null && "error" in body) {
      Object.assign(body, ctx.state["errorMembers"]);
      renameGrantRefusal(ctx, body as { error: string; error_description?: string });
      if (ctx.oidc?.route === "revocation" && body.error === "unsupported_token_type")
        await revokeJwt(ctx, deps.revocations);
      if (ctx.oidc?.route === "introspection" && body.error === "unsupported_token_type")
        await deps.introspection.answerSigned(ctx);
    }
    // The core leaves the interval out.
    if (ctx.oidc?.route === "device_authorization" && ctx.status === 200)
      ctx.body = { ...(body as object), interval: INTERVAL_SECONDS };
    if (ctx.oidc?.route === "introspection" && ctx.status === 200) refuseUnproven(ctx);
    if (ctx.state["loggedOut"]) {
      ctx.append("set-cookie", await sessions.end(toRequest(ctx)));
      await audit.append({
        action: oauthEvents.loggedOut,
        userId: ctx.oidc.session?.accountId,
        clientId: ctx.oidc.client?.clientId,
        outcome: "done",
      });
    }
    // The core lets everybody read what names no origin; who may is decided before it.
    if (takesOrigins(ctx.path) && ctx.response.get("access-control-allow-origin") === "*") {
      ctx.remove("access-control-allow-origin");
      ctx.remove("access-control-expose-headers");
    }
    // Pages of the core that send a form or a message by themselves; ours bring their own headers.
    if (ctx.type === "text/html" && !ctx.response.get("content-security-policy")) {
      const frame = await messageTarget(ctx, deps.clients);
      if (frame === "nobody") await errorPage(ctx, { error: "unauthorized_client" });
      else protectPage(ctx, frame);
    }
    if (ctx.oidc?.route === "jwks") ctx.set("cache-control", `public, max-age=${JWKS_MAX_AGE_SECONDS}`);
    // Some clients take errors only when the type is exactly this, without a charset.
    if (ctx.path.startsWith("/oauth/") && ctx.type === "application/json")
      ctx.set("content-type", "application/json");
  });
}

/** A client that gets a code, and wants to hear when the session ends, takes part in it from then on. */
async function joinSessionOf(
  ctx: KoaContextWithOIDC,
  deps: { clients: ClientRegistry; storage: Storage; clock: Clock },
): Promise<void> {
  if (ctx.oidc?.route !== "authorization" && ctx.oidc?.route !== "resume") return;
  const { sid, accountId, clientId } = ctx.oidc.entities.AuthorizationCode ?? {};
  if (!sid || !accountId || !clientId) return;
  const client = await deps.clients.find(clientId);
  if (client?.backchannelLogoutUri)
    await joinSession(deps.storage, { sid, clientId, userId: accountId }, deps.clock.now());
}

/**
 * Whom a page with a message is for: the origin of the redirect address, when it is one of the client's web origins;
 * `undefined` for a page without a message. Its answer may hold a code.
 */
async function messageTarget(
  ctx: KoaContextWithOIDC,
  clients: ClientRegistry,
): Promise<string | "nobody" | undefined> {
  const { params, client } = ctx.oidc;
  if (params?.["response_mode"] !== "web_message") return undefined;
  const origin = URL.parse(String(params["redirect_uri"]))?.origin;
  const { webOrigins = [] } = (await clients.find(client?.clientId ?? "")) ?? {};
  return origin !== undefined && webOrigins.includes(origin) ? origin : "nobody";
}

/** No frame but the one named, no address told, and no script but the one in the page. */
function protectPage(ctx: KoaContextWithOIDC, frame: string | undefined): void {
  const [, script = ""] = /<script>([\s\S]*?)<\/script>/.exec(String(ctx.body)) ?? [];
  ctx.set({
    "content-security-policy": `default-src 'none'; script-src 'sha256-${sha256Base64(script)}'; base-uri 'none'; frame-ancestors ${frame ?? "'none'"}`,
    // It knows no single origin; every browser that has a policy heeds that instead.
    ...(frame === undefined ? { "x-frame-options": "DENY" } : {}),
    "x-content-type-options": "nosniff",
    // The app that gets the form may look at its origin.
    "referrer-policy": "strict-origin",
  });
}

const sha256Base64 = (text: string) => createHash("sha256").update(text).digest("base64");

/**
 * Whoever proves nothing learns nothing; the core lets a public client ask of its own tokens.
 * @see RFC 7662 section 4
 */
function refuseUnproven(ctx: KoaContextWithOIDC): void {
  if (ctx.oidc.client?.clientAuthMethod !== "none") return;
  ctx.status = 401;
  ctx.body = { error: "invalid_client", error_description: "client authentication failed" };
}

/** The core has authenticated the client, and knows no way to end a token that it keeps no row of. */
async function revokeJwt(ctx: KoaContextWithOIDC, revocations: Revocations): Promise<void> {
  await revocations.revoke(String(ctx.oidc.params?.["token"]), ctx.oidc.client?.clientId ?? "");
  ctx.body = "";
  ctx.status = 200;
}

/** RFC 6749 section 5.2 has a code for a grant that a client may not use; the core answers another one. */
function renameGrantRefusal(
  ctx: KoaContextWithOIDC,
  body: { error: string; error_description?: string },
): void {
  if (!body.error_description?.endsWith(" is not allowed for this client")) return;
  if (ctx.oidc?.route !== "token" && ctx.oidc?.route !== "backchannel_authentication") return;
  body.error = "unauthorized_client";
  // CIBA Core section 13 keeps 400; published SDKs know the token endpoint's refusal by 403.
  if (ctx.oidc.route === "token") ctx.status = 403;
}

async function auditTokens(audit: Audit, ctx: KoaContextWithOIDC): Promise<void> {
  const approval = ctx.state["approval"] as { id: string; digest: string } | undefined;
  const { AccessToken: forUser, ClientCredentials: forClient } = ctx.oidc.entities;
  const token = forUser ?? forClient;
  await audit.append({
    action: oauthEvents.tokensIssued,
    userId: ctx.oidc.account?.accountId,
    clientId: ctx.oidc.client?.clientId,
    objectId: approval?.id,
    outcome: "allowed",
    details: {
      grant_type: String(ctx.oidc.params?.["grant_type"]),
      scope: token?.scope ?? "",
      audience: token?.resourceServer?.identifier() ?? "",
      ...(approval ? { digest: approval.digest } : {}),
    },
  });
}
