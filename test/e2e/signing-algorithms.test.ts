import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createVerifier } from "@behalf/sdk/verify";
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import * as client from "openid-client";
import { relyingParty } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const ALGORITHMS = ["ES256", "RS256", "EdDSA"] as const;
const audienceOf = (algorithm: string) => `https://${algorithm.toLowerCase()}.example/`;
const UNSAID = "https://unsaid.example/";

describe("access tokens of an API", () => {
  let server: TestServer;
  let party: client.Configuration;

  before(async () => {
    server = await startTestServer((config) => {
      config["keys"] = { defaultAlgorithm: "EdDSA" };
      const [assistant] = config["clients"] as Record<string, unknown>[];
      const own = assistant?.["apis"] as Record<string, unknown>;
      const apis = config["apis"] as object[];
      for (const algorithm of ALGORITHMS) {
        const audience = audienceOf(algorithm);
        apis.push({ audience, name: algorithm, signingAlgorithm: algorithm, scopes: { read: "Read" } });
        own[audience] = { scopes: ["read"] };
      }
      apis.push({ audience: UNSAID, name: "Unsaid" });
      own[UNSAID] = { scopes: [] };
    });
    party = await relyingParty(server.url);
  });
  after(() => server?.close());

  const issue = async (audience: string) =>
    (await client.clientCredentialsGrant(party, { audience })).access_token;

  for (const algorithm of ALGORITHMS)
    it(`are signed with ${algorithm} when it says so, and verify with that alone`, async () => {
      const token = await issue(audienceOf(algorithm));
      const { alg, kid, typ } = decodeProtectedHeader(token);
      assert.deepEqual([alg, typ], [algorithm, "at+jwt"]);
      const keys = createRemoteJWKSet(new URL(`${server.url}.well-known/jwks.json`));
      const expected = { issuer: server.url, audience: audienceOf(algorithm), typ: "at+jwt" };
      await jwtVerify(token, keys, { ...expected, algorithms: [algorithm] });
      for (const other of ALGORITHMS.filter((name) => name !== algorithm))
        await assert.rejects(jwtVerify(token, keys, { ...expected, algorithms: [other] }), {
          code: "ERR_JOSE_ALG_NOT_ALLOWED",
        });
      const verifier = createVerifier({ issuer: server.url, audience: audienceOf(algorithm) });
      assert.equal((await verifier.verify(token)).clientId, "assistant");
      const jwks = (await (await fetch(`${server.url}.well-known/jwks.json`)).json()) as {
        keys: Record<string, string>[];
      };
      const key = jwks.keys.find((item) => item["kid"] === kid);
      assert.deepEqual([key?.["alg"], key?.["use"]], [algorithm, "sig"]);
    });

  it("are signed with the default of the deployment when it does not say", async () => {
    assert.equal(decodeProtectedHeader(await issue(UNSAID)).alg, "EdDSA");
  });
});
