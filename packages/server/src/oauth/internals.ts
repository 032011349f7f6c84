/**
 * The seam: the only file that reaches into oidc-provider past its documented surface. Its internals move
 * between minor versions, so the version is pinned exactly and `internals.test.ts` fails when one of these
 * changes its name or its answer.
 */

import type { IncomingMessage } from "node:http";
import type { JWK } from "jose";
import type {
  AccessToken,
  AuthorizationCode,
  Grant,
  KoaContextWithOIDC,
  Provider,
  RefreshToken,
} from "oidc-provider";
// @ts-expect-error oidc-provider publishes no types for this module; the shape used is given below.
import * as cibaGrant from "oidc-provider/lib/actions/grants/ciba.js";
// @ts-expect-error The same.
import * as clientCredentials from "oidc-provider/lib/actions/grants/client_credentials.js";
// @ts-expect-error The same.
import * as deviceGrant from "oidc-provider/lib/actions/grants/device_code.js";
// @ts-expect-error The same.
import ServerChallenge from "oidc-provider/lib/helpers/challenge.js";
// @ts-expect-error The same.
import * as grantCommon from "oidc-provider/lib/helpers/grant_common.js";
import * as grantHelpers from "oidc-provider/lib/helpers/grants.js";
// @ts-expect-error The same.
import revoke from "oidc-provider/lib/helpers/revoke.js";
// @ts-expect-error The same.
import instanceOf from "oidc-provider/lib/helpers/weak_cache.js";

/** The core's helpers for grants; typed by the core, outside its semantic versioning. */
export const grantTools = grantHelpers;

/** What a grant handler of the core receives. */
export type GrantContext = Parameters<typeof grantHelpers.validateGrant>[1];

interface StockGrant {
  handler(provider: Provider, tools: unknown, ctx: KoaContextWithOIDC): Promise<void>;
}

/** The helpers as stock grants get them: each takes the provider first, the rest is what the grant passes. */
const toolsOf = (provider: Provider) =>
  Object.fromEntries(
    Object.entries(grantHelpers).map(([name, helper]) => [
      name,
      (...args: unknown[]) => (helper as (...all: unknown[]) => unknown)(provider, ...args),
    ]),
  );

const bindGrant = (grant: StockGrant, provider: Provider) => {
  const tools = toolsOf(provider);
  return (ctx: KoaContextWithOIDC) => grant.handler(provider, tools, ctx);
};

/** The stock grant for polls: issues the tokens of a request that carries its answer. */
export const stockCibaGrant = (provider: Provider) => bindGrant(cibaGrant as StockGrant, provider);

/** The stock grant for a client's own tokens. */
export const stockClientCredentialsGrant = (provider: Provider) =>
  bindGrant(clientCredentials as StockGrant, provider);

/** The stock grant of devices: one caller redeems a request that carries its answer. */
export const stockDeviceGrant = (provider: Provider) => bindGrant(deviceGrant as StockGrant, provider);

/** What binds the tokens of an answer to a key or a certificate, and how the core names their origin. */
interface IssueOptions {
  readonly gty: string;
  readonly entityLabel: string;
  readonly cert: unknown;
  readonly dPoP: unknown;
}

/** Answers with the tokens of a source, as the stock grants do: a code, or what has the members of one. */
export function issueFromSource(provider: Provider) {
  const { issueTokens } = grantCommon as {
    issueTokens(
      provider: Provider,
      tools: unknown,
      ctx: KoaContextWithOIDC,
      source: AuthorizationCode,
      grant: Grant,
      options: IssueOptions,
    ): Promise<void>;
  };
  const tools = toolsOf(provider);
  return (ctx: KoaContextWithOIDC, source: AuthorizationCode, grant: Grant, options: IssueOptions) =>
    issueTokens(provider, tools, ctx, source, grant, options);
}

/** An ID token for a refresh; `undefined` when the grant has no `openid`. */
export const issueIdToken = (
  grantCommon as {
    issueIdToken(
      provider: Provider,
      ctx: KoaContextWithOIDC,
      source: RefreshToken,
      accessToken: AccessToken,
      grant: Grant,
      scope: ReadonlySet<string>,
    ): Promise<string | undefined>;
  }
).issueIdToken;

/** Revokes the grant and everything that was issued under it. */
export const revokeGrant = revoke as (ctx: KoaContextWithOIDC, grantId: string) => Promise<void>;

/** Nonces for proofs of possession (RFC 9449 section 8): each is good for a few minutes, and none is kept. */
export interface DpopNonces {
  nextChallenge(): string;
  checkChallenge(nonce: string): boolean;
}

/** The nonces that a core configured with the same 32 bytes gives out and takes. */
export function createDpopNonces(nonceSecret: Buffer): DpopNonces {
  return new (ServerChallenge as new (key: Buffer, info: string) => DpopNonces)(nonceSecret, "DPoP");
}

/** The part of the core's inner state that is replaced while it runs. */
const innerOf = instanceOf as (provider: Provider) => {
  keystore: { clear(): void; add(key: JWK): void };
  jwks: { keys: readonly JWK[] };
};

/**
 * Lets a running core sign with other keys. Of an algorithm it takes the first that fits, so the one that signs
 * comes first; the others verify.
 */
export function replaceSigningKeys(
  provider: Provider,
  privateJwks: readonly JWK[],
  publicJwks: readonly JWK[],
): void {
  const inner = innerOf(provider);
  inner.keystore.clear();
  for (const key of privateJwks) inner.keystore.add({ ...key });
  inner.jwks = { keys: publicJwks };
}

/** The members of an access token that the core keeps. */
export type KeptClaims = Readonly<Record<string, unknown>>;
type NewAccessToken = ConstructorParameters<Provider["AccessToken"]>[0];

/**
 * Lets the core find access tokens that it signed and keeps no row of. `read` says what such a token holds, once
 * it is proven; every check that the core makes on the tokens it keeps is then made on these.
 */
export function findSignedTokens(
  provider: Provider,
  read: (token: string) => Promise<KeptClaims | undefined>,
): void {
  const { AccessToken } = provider;
  const findKept = AccessToken.find.bind(AccessToken);
  Object.defineProperty(AccessToken, "find", {
    async value(token: string, options?: Parameters<typeof findKept>[1]) {
      if (typeof token !== "string" || !token.includes(".")) return findKept(token, options);
      const claims = await read(token);
      // The constructor takes the members it stores; its type asks for all of them.
      return claims && new AccessToken({ ...claims, jti: token } as unknown as NewAccessToken);
    },
  });
}

/**
 * Lets the core read a body that was read before: it asks the request for its iterator, which then gives the
 * bytes again.
 */
export function replayBody(request: IncomingMessage, body: Buffer): void {
  request.headers["content-type"] = "application/x-www-form-urlencoded";
  request.headers["content-length"] = String(body.length);
  delete request.headers["transfer-encoding"];
  Object.defineProperty(request, "readable", { value: true, configurable: true });
  Object.defineProperty(request, "iterator", {
    configurable: true,
    async *value() {
      yield body;
    },
  });
}
