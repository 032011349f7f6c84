import assert from "node:assert/strict";
import { constants, createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import * as client from "openid-client";
import { engines } from "../support/engines.ts";
import { SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { type Claims, honest, post } from "./attack.ts";

const VAULT_GRANT = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
type Algorithm = "ES256" | "EdDSA" | "RS256" | "PS256";

const pairs = {
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: generateKeyPairSync("ed25519"),
  RS256: generateKeyPairSync("rsa", { modulusLength: 2_048 }),
  PS256: generateKeyPairSync("rsa", { modulusLength: 2_048 }),
};
const jwkOf = (algorithm: Algorithm) => ({
  ...pairs[algorithm].publicKey.export({ format: "jwk" }),
  kid: algorithm,
  alg: algorithm,
});
const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });

function signatureOf(algorithm: string, input: Buffer, key: KeyObject): Buffer {
  if (algorithm === "EdDSA") return sign(null, input, key);
  if (algorithm === "PS256")
    return sign("sha256", input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
  return sign("sha256", input, { key, dsaEncoding: "ieee-p1363" });
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Each endpoint that a client proves itself at, and what it answers to one that has. */
const ENDPOINTS: readonly { path: string; params: Record<string, string>; good: RegExp }[] = [
  { path: "oauth/token", params: { grant_type: "client_credentials", audience: SHOP }, good: /access_token/ },
  { path: "oauth/token", params: { grant_type: VAULT_GRANT }, good: /requested_token_type/ },
  { path: "oauth/par", params: { ...honest(), client_id: "keyed" }, good: /request_uri/ },
  { path: "oauth/revoke", params: { token: "x" }, good: /^$/ },
  { path: "oauth/introspect", params: { token: "x" }, good: /"active":false/ },
  {
    path: "bc-authorize",
    params: { scope: "openid", login_hint: "x", binding_message: "x" },
    good: /unknown_user_id/,
  },
];

/** T08, T25; RFC 7523, draft-ietf-oauth-rfc7523bis: a client proves itself with a key, here alone and once. */
for (const engine of engines) {
  describe(`private_key_jwt on ${engine.name}`, () => {
    let server: TestServer;
    let published: Server;
    const served = { keys: [jwkOf("ES256")] as object[], requests: 0 };
    let ahead = 0;

    before(async () => {
      published = createServer((_request, response) => {
        served.requests += 1;
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ keys: served.keys }));
      }).listen(0, "127.0.0.1");
      await new Promise((resolve) => published.once("listening", resolve));
      const { port } = published.address() as AddressInfo;
      const storage = await engine.storage();
      server = await startTestServer(
        (config) => {
          config["storage"] = storage;
          config["egress"] = { allow: [`127.0.0.1:${port}`] };
          const clients = config["clients"] as Record<string, unknown>[];
          const { secret: _secret, ...keyed } = clients[0] ?? {};
          const keys = (["ES256", "EdDSA", "RS256", "PS256"] as const).map(jwkOf);
          clients.push({ ...keyed, id: "keyed", jwks: { keys } });
          clients.push({ ...keyed, id: "twin", jwks: { keys: keys.slice(0, 1) } });
          clients.push({ ...keyed, id: "remote", jwksUri: `http://127.0.0.1:${port}/jwks` });
        },
        { clock: { now: () => Date.now() + ahead } },
      );
    });
    after(async () => {
      await server?.close();
      published?.close();
    });

    const now = () => Math.floor((Date.now() + ahead) / 1_000);
    const claims = (change: Claims = {}): Claims => ({
      iss: "keyed",
      sub: "keyed",
      aud: server.url,
      iat: now(),
      exp: now() + 60,
      jti: randomUUID(),
      ...change,
    });
    const assertion = (change: Claims = {}, header: Claims = {}, key?: KeyObject): string => {
      const head: Claims = { alg: "ES256", kid: "ES256", ...header };
      const input = `${encode(head)}.${encode(claims(change))}`;
      const algorithm = String(head["alg"]);
      const signer = key ?? pairs[algorithm as Algorithm]?.privateKey ?? pairs.ES256.privateKey;
      return `${input}.${signatureOf(algorithm, Buffer.from(input), signer).toString("base64url")}`;
    };
    const withAssertion = (value: string) => ({
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: value,
    });
    const machine = (params: Record<string, string>, headers: Record<string, string> = {}) =>
      post(
        `${server.url}oauth/token`,
        { grant_type: "client_credentials", audience: SHOP, ...params },
        headers,
      );
    const takes = async (value: string) => {
      const { status, body } = await machine(withAssertion(value));
      if (status === 200) return true;
      assert.deepEqual(
        [status, body],
        [401, { error: "invalid_client", error_description: "client authentication failed" }],
      );
      return false;
    };

    it("is taken at every endpoint, with an assertion for each request", async () => {
      for (const { path, params, good } of ENDPOINTS) {
        const used = assertion();
        for (const [value, passes] of [
          [used, true],
          [used, false],
        ] as const) {
          const answer = await fetch(`${server.url}${path}`, {
            method: "POST",
            body: new URLSearchParams({ ...params, ...withAssertion(value) }),
          });
          const text = await answer.text();
          assert.equal(good.test(text) && answer.status !== 401, passes, `${path} ${answer.status} ${text}`);
        }
      }
    });

    it("is taken with each algorithm, and each address of this server", async () => {
      for (const alg of ["ES256", "EdDSA", "RS256", "PS256"])
        assert.ok(await takes(assertion({}, { alg, kid: alg })), alg);
      const bare = server.url.slice(0, -1);
      for (const aud of [server.url, bare, `${server.url}oauth/token`, `${server.url}oauth/token/`])
        assert.ok(await takes(assertion({ aud })), aud);
      assert.ok(await takes(assertion({}, { typ: "JWT" })));
      assert.ok(await takes(assertion({}, { typ: "client-authentication+jwt" })));
      assert.ok(await takes(assertion({}, { kid: undefined })));
    });

    it("is refused for any other audience, and for a list even when it has the right one", async () => {
      for (const aud of [
        [server.url],
        [`${server.url}oauth/token`],
        [server.url, "https://other.example/"],
        "https://other.example/",
        `${server.url}x`,
        `${server.url}oauth/par`,
        server.url.toUpperCase(),
        "",
        undefined,
        null,
        {},
        1,
      ])
        assert.equal(await takes(assertion({ aud })), false, JSON.stringify(aud));
    });

    it("is refused with any other claim", async () => {
      const wrong: readonly Claims[] = [
        { iss: "other" },
        { sub: "other" },
        { sub: "twin", iss: "twin2" },
        { iss: undefined },
        { exp: undefined },
        { exp: now() - 10 },
        { exp: now() + 3_600 },
        { exp: String(now() + 60) },
        { exp: Number.MAX_SAFE_INTEGER },
        { iat: undefined },
        { iat: now() + 60 },
        { iat: now() - 3_600 },
        { nbf: now() + 60 },
        { jti: undefined },
        { jti: "" },
        { jti: 1 },
        { jti: "x".repeat(257) },
      ];
      for (const change of wrong) assert.equal(await takes(assertion(change)), false, JSON.stringify(change));
    });

    it("is refused with any other key, algorithm, type or spelling", async () => {
      const input = (header: Claims) => `${encode(header)}.${encode(claims())}`;
      const hs = (header: Claims, key: string) =>
        `${input(header)}.${createHmac("sha256", key).update(input(header)).digest("base64url")}`;
      const pem = pairs.ES256.publicKey.export({ type: "spki", format: "pem" }).toString();
      const good = assertion();
      const forged: Record<string, string> = {
        "another key": assertion({}, {}, stranger.privateKey),
        "another key without kid": assertion({}, { kid: undefined }, stranger.privateKey),
        "an embedded key": assertion(
          {},
          { jwk: stranger.publicKey.export({ format: "jwk" }), kid: undefined },
          stranger.privateKey,
        ),
        "a key by address": assertion({}, { jku: "https://evil.example/", kid: "x" }, stranger.privateKey),
        "an unknown kid": assertion({}, { kid: "nobody" }),
        "a kid that is a list": assertion({}, { kid: ["ES256"] }),
        "a kid that is a path": assertion({}, { kid: "../../dev/null" }),
        "RS256 with the PS256 key": assertion({}, { alg: "RS256", kid: "PS256" }, pairs.PS256.privateKey),
        "PS256 with the RS256 key": assertion({}, { alg: "PS256", kid: "RS256" }, pairs.RS256.privateKey),
        none: `${input({ alg: "none" })}.`,
        "none with kid": `${input({ alg: "none", kid: "ES256" })}.AA`,
        "HS256 with the public key": hs({ alg: "HS256", kid: "ES256" }, pem),
        "HS256 with the key set": hs({ alg: "HS256" }, JSON.stringify(jwkOf("ES256"))),
        "a critical header": assertion({}, { crit: ["exp"] }),
        "an access token's type": assertion({}, { typ: "at+jwt" }),
        "a proof's type": assertion({}, { typ: "dpop+jwt" }),
        "a logout token's type": assertion({}, { typ: "logout+jwt" }),
        "a type that is no text": assertion({}, { typ: 1 }),
        padding: `${good}=`,
        "a part more": `${good}.x`,
        "a space": `${good} `,
        "cut short": good.slice(0, -2),
        empty: "",
        "no JWT": "x",
      };
      for (const [name, value] of Object.entries(forged)) assert.equal(await takes(value), false, name);
    });

    it("Fosite CVE-2020-15222: counts one use of one jti, however the assertion is spelt and signed", async () => {
      const jti = randomUUID();
      assert.ok(await takes(assertion({ jti })));
      assert.equal(await takes(assertion({ jti })), false);
      assert.equal(await takes(assertion({ jti, exp: now() + 300 }, { alg: "EdDSA", kid: "EdDSA" })), false);
      // The same word of another client is another one.
      assert.ok(await takes(assertion({ jti, iss: "twin", sub: "twin" })));
    });

    it("lets one of 64 at once through", async () => {
      const value = assertion();
      const answers = await Promise.all(Array.from({ length: 64 }, () => machine(withAssertion(value))));
      assert.deepEqual(answers.map(({ status }) => status).sort(), [
        200,
        ...Array.from({ length: 63 }, () => 401),
      ]);
    });

    it("is the only way of its client, and no way of another", async () => {
      const refused: [Record<string, string>, Record<string, string>?][] = [
        [{ client_id: "keyed" }],
        [{ client_id: "keyed", client_secret: TEST_SECRET }],
        [{ client_id: "keyed", client_secret: "proven" }],
        [{ client_id: "keyed", client_secret: "none" }],
        [{}, { authorization: `Basic ${Buffer.from("keyed:proven").toString("base64")}` }],
        [{ client_id: "keyed", client_secret: TEST_SECRET, ...withAssertion(assertion()) }],
        [
          withAssertion(assertion()),
          { authorization: `Basic ${Buffer.from(`assistant:${TEST_SECRET}`).toString("base64")}` },
        ],
        [{ client_id: "assistant", ...withAssertion(assertion()) }],
        [{ client_id: "assistant", ...withAssertion(assertion({ iss: "assistant", sub: "assistant" })) }],
        [withAssertion(assertion({ iss: "spa", sub: "spa" }))],
        [withAssertion(assertion({ iss: "twin", sub: "twin" }, { alg: "EdDSA", kid: "EdDSA" }))],
        [{ client_assertion: assertion() }],
        [{ client_assertion: assertion(), client_assertion_type: "urn:other" }],
        [{ client_id: "assistant", client_secret: TEST_SECRET, client_assertion_type: ASSERTION_TYPE }],
      ];
      for (const [params, headers] of refused) {
        const { status, body } = await machine(params, headers);
        assert.ok(status === 400 || status === 401, `${JSON.stringify(params)} ${status}`);
        assert.equal(body["access_token"], undefined);
      }
    });

    it("ends with the client", async () => {
      await server.services.admin.clients.setDisabled("keyed", true);
      assert.equal(await takes(assertion()), false);
      await server.services.admin.clients.setDisabled("keyed", false);
      assert.ok(await takes(assertion()));
    });

    it("reads keys at the client's address, again for a new one, and not for each unknown one", async () => {
      const remote = (header: Claims = {}) => assertion({ iss: "remote", sub: "remote" }, header);
      assert.ok(await takes(remote()));
      assert.ok(await takes(remote()));
      assert.equal(served.requests, 1);
      served.keys = [{ kty: "EC", kid: "broken" }, jwkOf("EdDSA")];
      assert.equal(await takes(remote({ alg: "EdDSA", kid: "EdDSA" })), false);
      assert.equal(served.requests, 1);
      ahead += 31_000;
      assert.ok(await takes(remote({ alg: "EdDSA", kid: "EdDSA" })));
      assert.equal(served.requests, 2);
      // A key that was taken out proves nothing any more.
      assert.equal(await takes(remote()), false);
      served.keys = [];
      ahead += 600_000;
      assert.ok(await takes(remote({ alg: "EdDSA", kid: "EdDSA" })));
    });

    it("works with openid-client as published, and is announced", async () => {
      const key = await crypto.subtle.importKey(
        "jwk",
        pairs.ES256.privateKey.export({ format: "jwk" }),
        { name: "ECDSA", namedCurve: "P-256" },
        false,
        ["sign"],
      );
      const party = await client.discovery(
        new URL(server.url),
        "keyed",
        undefined,
        client.PrivateKeyJwt({ key, kid: "ES256" }),
        { execute: [client.allowInsecureRequests] },
      );
      const metadata = party.serverMetadata();
      assert.ok(metadata.token_endpoint_auth_methods_supported?.includes("private_key_jwt"));
      assert.deepEqual(metadata.token_endpoint_auth_signing_alg_values_supported, [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
      ]);
      // The library dates its assertions by its own clock.
      ahead = 0;
      const tokens = await client.clientCredentialsGrant(party, { audience: SHOP });
      assert.ok(tokens.access_token);
      const told = await client.tokenIntrospection(party, tokens.access_token);
      assert.equal(told.active, true);
      await client.tokenRevocation(party, tokens.access_token);
      assert.equal((await client.tokenIntrospection(party, tokens.access_token)).active, false);
    });
  });
}
