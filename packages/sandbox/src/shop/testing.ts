import { once } from "node:events";
import { createServer } from "node:http";
import type { TestContext } from "node:test";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { newId } from "../support/secrets.ts";
import { type RunningShop, SHOP_AUDIENCE, type ShopOptions, startShop } from "./shop.ts";

/** An issuer for one test: it serves a discovery document and its keys over HTTP and signs tokens. */
export type Issuer = {
  url: string;
  /** How often the keys were asked for. */
  keyRequests(): number;
  /** Replaces the published keys by a fresh one; tokens are signed with it from now on. */
  rotate(alg?: string): Promise<void>;
  /** An access token for user:anne; what is undefined in `claims` is left out. */
  token(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  /** The public key as PEM-like bytes, for the classic confusion of RS256 with HS256. */
  publicJwk(): Record<string, unknown>;
  stop(): Promise<void>;
  /** Overrides members of the discovery document. */
  discovery: Record<string, unknown>;
};

export async function issuer(t: TestContext, alg = "ES256"): Promise<Issuer> {
  let keyRequests = 0;
  let signing = await newKey(alg);
  const discovery: Record<string, unknown> = {};
  const server = createServer((request, response) => {
    const isKeys = request.url === "/keys";
    if (isKeys) keyRequests += 1;
    const body = isKeys ? { keys: [signing.jwk] } : { issuer: url, jwks_uri: `${url}keys`, ...discovery };
    response.setHeader("content-type", "application/json").end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
  const stop = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return {
    url,
    discovery,
    keyRequests: () => keyRequests,
    async rotate(next = "ES256") {
      signing = await newKey(next);
    },
    token: (claims = {}, header = {}) => sign(signing, { ...standardClaims(url), ...claims }, header),
    publicJwk: () => ({ ...signing.jwk }),
    stop,
  };
}

type SigningKey = Awaited<ReturnType<typeof newKey>>;

async function newKey(alg: string) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const kid = newId("key_");
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } };
}

function standardClaims(url: string): JWTPayload {
  const now = Math.floor(Date.now() / 1_000);
  return {
    iss: url,
    aud: SHOP_AUDIENCE,
    sub: "user:anne",
    client_id: "assistant",
    scope: "orders:read orders:create settings:read",
    iat: now,
    exp: now + 300,
    jti: newId("jti_"),
  };
}

function sign({ alg, kid, privateKey }: SigningKey, claims: JWTPayload, header: Record<string, unknown>) {
  const present = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
  return new SignJWT(present).setProtectedHeader({ alg, kid, typ: "at+jwt", ...header }).sign(privateKey);
}

/** A shop for one test, closed after it. */
export async function shop(
  t: TestContext,
  from: Issuer,
  options: Partial<ShopOptions> = {},
): Promise<RunningShop> {
  const started = await startShop({ issuer: from.url, ...options });
  t.after(() => started.close());
  return started;
}

export function call(at: RunningShop, path: string, token: string | undefined, init: RequestInit = {}) {
  const headers = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...init.headers };
  return fetch(`${at.url}${path}`, { ...init, headers });
}

/** Places an order; a string is sent as it is. */
export function order(at: RunningShop, token: string, body: unknown, type = "application/json") {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return call(at, "/orders", token, { method: "POST", body: text, headers: { "content-type": type } });
}

export const KETTLE = { item: "kettle", quantity: 2, amount: "79.80", currency: "EUR" };

/** A token on which exactly this purchase was approved. */
export function approved(
  from: Issuer,
  purchase: Record<string, unknown> = KETTLE,
  claims = {},
): Promise<string> {
  return from.token({ authorization_details: [{ type: "purchase", ...purchase }], ...claims });
}

export type Answer = Record<string, unknown> & { status: number };

/** The status and the JSON members of an answer. */
export async function answerOf(response: Response): Promise<Answer> {
  // Written by the shop under test; the tests look at each member.
  const body = (await response.json()) as Record<string, unknown>;
  return { ...body, status: response.status };
}
