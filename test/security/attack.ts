import { createHash, createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { CALLBACK, type Person, tokenRequest } from "../support/person.ts";
import { APP_URL, TEST_SECRET } from "../support/server.ts";

/** What an attacker needs beside a browser: requests that no library would send, and tokens nobody issued. */

export const CREDENTIALS = { client_id: "assistant", client_secret: TEST_SECRET };
export const VERIFIER = "verifier-of-forty-three-characters-or-more-0123";
export const s256 = (verifier: string) => createHash("sha256").update(verifier).digest("base64url");

/** The parameters of an honest authorization request of the assistant. */
export const honest = (): Record<string, string> => ({
  client_id: "assistant",
  response_type: "code",
  redirect_uri: CALLBACK,
  scope: "openid",
  state: "the-state",
  nonce: "the-nonce",
  code_challenge: s256(VERIFIER),
  code_challenge_method: "S256",
});

/** Opens `/authorize` with exactly these parameters and stops before it leaves for the app. */
export function openAuthorize(
  issuer: string,
  agent: Person["agent"],
  params: Record<string, string> | [string, string][],
) {
  return agent.open(`${issuer}authorize?${new URLSearchParams(params)}`, {
    stopAt: (target) => !target.startsWith(issuer),
  });
}

/** A code for a person who is logged in and asked nothing. */
export async function codeFor(
  issuer: string,
  agent: Person["agent"],
  params: Record<string, string> = {},
): Promise<string> {
  const page = await openAuthorize(issuer, agent, { ...honest(), ...params });
  const code = new URL(page.address).searchParams.get("code");
  if (!code) throw new Error(`no code: ${page.address} ${page.text.slice(0, 300)}`);
  return code;
}

export interface TokenAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, string>>;
}

/** Posts a form and reads the answer as JSON; an empty answer is an empty object. */
export async function post(
  address: string,
  params: Record<string, string> | [string, string][],
  headers: Record<string, string> = {},
): Promise<TokenAnswer> {
  const response = await fetch(address, { method: "POST", body: new URLSearchParams(params), headers });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : JSON.parse(text) };
}

/** Redeems a code as its own client would; `change` is what the attacker does differently. */
export async function redeemCode(
  issuer: string,
  code: string,
  change: Record<string, string | undefined> = {},
) {
  const params = {
    grant_type: "authorization_code",
    code,
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
    ...CREDENTIALS,
    ...change,
  };
  const given = Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const response = await tokenRequest(issuer, Object.fromEntries(given));
  return { status: response.status, body: await response.json() };
}

/** One refresh as the assistant; `change` is what the attacker does differently. */
export function refresh(issuer: string, token: string, change: Record<string, string> = {}) {
  return post(`${issuer}oauth/token`, {
    grant_type: "refresh_token",
    refresh_token: token,
    ...CREDENTIALS,
    ...change,
  });
}

/** Starts an approval as the assistant; `change` is what the attacker does differently. */
export function askApproval(issuer: string, userId: string, change: Record<string, string> = {}) {
  return post(`${issuer}bc-authorize`, {
    ...CREDENTIALS,
    scope: "openid",
    binding_message: "Order 1",
    login_hint: JSON.stringify({ format: "iss_sub", iss: issuer, sub: userId }),
    ...change,
  });
}

export function poll(issuer: string, authReqId: string, change: Record<string, string> = {}) {
  return post(`${issuer}oauth/token`, {
    grant_type: "urn:openid:params:grant-type:ciba",
    auth_req_id: authReqId,
    ...CREDENTIALS,
    ...change,
  });
}

export type Claims = Readonly<Record<string, unknown>>;

/** Header and claims of a token, unverified. */
export function decode(token: string): { header: Claims; claims: Claims } {
  const [header = "", claims = ""] = token.split(".");
  const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
  return { header: read(header), claims: read(claims) };
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A signed token with whatever header and claims; `key` is a secret's bytes, a private key, or none. */
export function forge(header: Claims, claims: Claims, key: Buffer | KeyObject | undefined): string {
  const input = `${encode(header)}.${encode(claims)}`;
  if (key === undefined) return `${input}.`;
  if (Buffer.isBuffer(key)) return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`;
  const signature = sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
  return `${input}.${signature.toString("base64url")}`;
}

/** A key of the attacker's own, and proofs of it (RFC 9449 section 4). */
export function createProver() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { kty, crv, x, y } = publicKey.export({ format: "jwk" });
  const jwk = { kty, crv, x, y };
  return {
    privateKey,
    jwk,
    proof: (method: string, address: string, more: Claims = {}) =>
      forge(
        { typ: "dpop+jwt", alg: "ES256", jwk },
        { jti: randomUUID(), htm: method, htu: address, iat: Math.floor(Date.now() / 1_000), ...more },
        privateKey,
      ),
  };
}

/** Bytes over a socket, and what came back until the peer closed or `waitMs` went by without a byte. */
export function rawRequest(
  issuer: string,
  text: string,
  waitMs = 1_500,
): Promise<{ text: string; closed: boolean }> {
  const { protocol, port } = new URL(issuer);
  return new Promise((resolve, reject) => {
    let answer = "";
    const to = { host: "127.0.0.1", port: Number(port), servername: "localhost" };
    const write = () => socket.write(text);
    const socket: Socket = protocol === "https:" ? connectTls(to, write) : connect(to, write);
    socket.setTimeout(waitMs, () => {
      socket.destroy();
      resolve({ text: answer, closed: false });
    });
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // A peer that has answered and does not read on resets the connection.
      if (answer === "" && error.code !== "EPIPE") reject(error);
      else resolve({ text: answer, closed: true });
    });
    socket.once("close", () => resolve({ text: answer, closed: true }));
  });
}

export const isApp = (address: string) => address.startsWith(APP_URL);
