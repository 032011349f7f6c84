import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { tokenRequest } from "../../../support/person.ts";
import { TEST_SECRET } from "../../../support/server.ts";
import { at, failing, forge, otherKeys, replacing } from "../harness/breakages.ts";
import { type Cell, notOffered, type Subject } from "../harness/subject.ts";
import { NOTES, type User, type World } from "../harness/world.ts";

const JWKS = "GET /.well-known/jwks.json";
const DISCOVERY = "GET /.well-known/openid-configuration";

/** A token of somebody's for the notes, as an application would ask for it. */
function notesToken(world: World, user: User, scope = "notes:read", headers: Record<string, string> = {}) {
  return world.proxy.aside(async () => {
    const body = new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: user.refreshToken,
      audience: NOTES,
      scope,
      client_id: "assistant",
      client_secret: TEST_SECRET,
    });
    const response = await fetch(`${world.issuer}oauth/token`, { method: "POST", body, headers });
    const tokens = await response.json();
    assert.equal(response.status, 200, JSON.stringify(tokens));
    return String(tokens.access_token);
  });
}

async function read(address: string, authorization: string, headers: Record<string, string> = {}) {
  const response = await fetch(address, { headers: { authorization, ...headers } });
  return { status: response.status, body: await response.json() };
}

const verify: Cell = {
  requests: [DISCOVERY, JWKS],
  broken: {
    "the keys are others": at(JWKS)(otherKeys),
    "there are no keys": at(JWKS)(failing()),
    "the metadata are another issuer's": at(DISCOVERY)(replacing("issuer", "https://other.example/")),
  },
  async run(world, driver) {
    const user = await world.newUser();
    const address = await driver("start", {});
    const token = await notesToken(world, user);
    assert.deepEqual(await read(address, `Bearer ${token}`), { status: 200, body: { sub: user.userId } });
    assert.equal((await read(address, `Bearer ${forge(token)}`)).status, 401);
    assert.equal((await read(address, "Bearer nothing")).status, 401);
    const elsewhere = await world.proxy.aside(async () => {
      const answer = await tokenRequest(world.issuer, {
        grant_type: "client_credentials",
        audience: `${world.issuer}fga/`,
        client_id: "assistant",
        client_secret: TEST_SECRET,
      });
      return (await answer.json()).access_token;
    });
    assert.equal((await read(address, `Bearer ${elsewhere}`)).status, 401, "another audience");
  },
};

const dpop: Cell = {
  requests: [DISCOVERY, JWKS],
  broken: { "the keys are others": at(JWKS)(otherKeys) },
  async run(world, driver) {
    const user = await world.newUser();
    const address = await driver("start", { options: { dpop: { enabled: true, required: true } } });
    const prove = proofs();
    const proof = prove("POST", `${world.issuer}oauth/token`);
    const token = await notesToken(world, user, "notes:read", { dpop: proof });
    const own = await read(address, `DPoP ${token}`, { dpop: prove("GET", address, token) });
    assert.deepEqual(own, { status: 200, body: { sub: user.userId } });
    const foreign = await read(address, `DPoP ${token}`, { dpop: proofs()("GET", address, token) });
    assert.equal(foreign.status, 401, "a stranger's key");
    const unproven = await read(address, `DPoP ${token}`);
    assert.notEqual(unproven.status, 200, "no proof");
  },
};

/** Makes proofs of one key. @see RFC 9449 section 4.2 */
function proofs() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const header = { typ: "dpop+jwt", alg: "ES256", jwk: publicKey.export({ format: "jwk" }) };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return (method: string, address: string, token?: string): string => {
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: address,
      iat: Math.floor(Date.now() / 1_000),
      ...(token ? { ath: createHash("sha256").update(token).digest("base64url") } : {}),
    };
    const input = `${encode(header)}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${input}.${signature.toString("base64url")}`;
  };
}

export const subject: Subject = {
  package: "express-oauth2-jwt-bearer",
  version: "1.10.0",
  folder: "api",
  driver: "driver.mjs",
  quick: true,
  note: "`express-oauth2-jwt-bearer` is Auth0's verifier for Express. `@auth0/auth0-api-js` is not in the table: the package registry did not have it.",
  features: {
    login: notOffered,
    session: notOffered,
    par: notOffered,
    refresh: notOffered,
    logout_v2: notOffered,
    logout_oidc: notOffered,
    backchannel_logout: notOffered,
    connect: notOffered,
    vault: notOffered,
    ciba: notOffered,
    device: notOffered,
    client_credentials: notOffered,
    fga: notOffered,
    userinfo: notOffered,
    verify,
    dpop,
    private_key_jwt: notOffered,
    organizations: notOffered,
    passwordless: notOffered,
    mfa: notOffered,
    passkey: notOffered,
  },
};
