import { createHash, randomUUID } from "node:crypto";
import type { TestContext } from "node:test";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { createMemoryStore } from "../store.ts";
import { manualClock, type Peer, startPeer } from "../testing.ts";
import type { ApiGuardOptions } from "./guard.ts";

export const AUDIENCE = "https://shop.example/api";
export const ORIGIN = "https://shop.example";
export const INTROSPECTION = "/oauth/introspect";

export type Changes = Record<string, unknown>;

/** An issuer over HTTP, its tokens, and a client with a key for proofs. */
export interface ApiScene {
  peer: Peer;
  clock: ReturnType<typeof manualClock>;
  options: ApiGuardOptions;
  privateKey: CryptoKey;
  /** A token of the scope `orders:read orders:create`, with these claims and header members changed. */
  token(claims?: Changes, header?: Changes): Promise<string>;
  /** The thumbprint of the client's key, for `cnf.jkt`. */
  jkt: string;
  /** A proof for `GET /orders` and this token, with these claims and header members changed. */
  proof(accessToken: string, claims?: Changes, header?: Changes, key?: CryptoKey): Promise<string>;
  clientJwk: JWK;
}

export async function setUpApi(t: TestContext, options: Partial<ApiGuardOptions> = {}): Promise<ApiScene> {
  const signing = await generateKeyPair("ES256", { extractable: true });
  const client = await generateKeyPair("ES256", { extractable: true });
  const clientJwk = await exportJWK(client.publicKey);
  const key = { ...(await exportJWK(signing.publicKey)), kid: "key-1", alg: "ES256", use: "sig" };
  const peer = await startPeer(t, { "/.well-known/jwks.json": { body: { keys: [key] } } });
  const clock = manualClock();
  const now = () => clock.now() / 1000;
  return {
    peer,
    clock,
    privateKey: signing.privateKey,
    clientJwk,
    jkt: await calculateJwkThumbprint(clientJwk),
    options: {
      issuer: peer.issuer,
      audience: AUDIENCE,
      origin: ORIGIN,
      store: createMemoryStore({ clock }),
      clock,
      ...options,
    },
    token: (claims = {}, header = {}) =>
      new SignJWT({
        iss: peer.issuer,
        aud: AUDIENCE,
        sub: "user:anne",
        client_id: "agent",
        scope: "orders:read orders:create",
        jti: randomUUID(),
        iat: now(),
        exp: now() + 300,
        ...claims,
      })
        .setProtectedHeader({ alg: "ES256", kid: "key-1", typ: "at+jwt", ...header })
        .sign(signing.privateKey),
    proof: (accessToken, claims = {}, header = {}, proofKey = client.privateKey) =>
      new SignJWT({
        jti: randomUUID(),
        htm: "GET",
        htu: `${ORIGIN}/orders`,
        iat: now(),
        ath: createHash("sha256").update(accessToken).digest("base64url"),
        ...claims,
      })
        .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: clientJwk, ...header })
        .sign(proofKey),
  };
}

export function requestOf(headers: Record<string, string>, path = "/orders"): Request {
  return new Request(`${ORIGIN}${path}`, { headers });
}

export const bearer = (token: string) => requestOf({ authorization: `Bearer ${token}` });
