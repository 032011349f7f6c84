import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { protocolEngines } from "../support/engines.ts";
import { SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { forge, honest } from "./attack.ts";

const VAULT_GRANT = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
/** Each endpoint that a client proves itself at, and what it answers to one that has. */
const ENDPOINTS: Readonly<Record<string, { path: string; params: Record<string, string>; good: RegExp }>> = {
  "the token endpoint": {
    path: "oauth/token",
    params: { grant_type: "client_credentials", audience: SHOP },
    good: /access_token/,
  },
  "a grant of ours": {
    path: "oauth/token",
    params: { grant_type: VAULT_GRANT },
    good: /requested_token_type/,
  },
  "pushed requests": { path: "oauth/par", params: honest(), good: /request_uri/ },
  revocation: { path: "oauth/revoke", params: { token: "x" }, good: /^$/ },
  "backchannel requests": {
    path: "bc-authorize",
    params: { scope: "openid", login_hint: "x", binding_message: "x" },
    good: /unknown_user_id/,
  },
};

const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`;
const raw = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

/** T08, T10, T25; RFC 6749 section 2.3. */
for (const engine of protocolEngines) {
  describe(`client authentication on ${engine.name}`, () => {
    let server: TestServer;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
      });
    });
    after(() => server?.close());

    async function ask(endpoint: string, params: Record<string, string>, authorization?: string) {
      const { path, params: own, good } = ENDPOINTS[endpoint] ?? assert.fail();
      const response = await fetch(`${server.url}${path}`, {
        method: "POST",
        headers: authorization === undefined ? {} : { authorization },
        body: new URLSearchParams({ ...own, ...params }),
      });
      const text = await response.text();
      return {
        status: response.status,
        text,
        passed: good.test(text) && response.status !== 401,
        headers: response.headers,
      };
    }

    const accepted: Record<string, [Record<string, string>, string?]> = {
      "id and secret in the body": [{ client_id: "assistant", client_secret: TEST_SECRET }],
      "HTTP Basic": [{}, basic("assistant", TEST_SECRET)],
      "HTTP Basic in another case": [{}, basic("assistant", TEST_SECRET).replace("Basic", "bAsIc")],
      "HTTP Basic and the same id in the body": [{ client_id: "assistant" }, basic("assistant", TEST_SECRET)],
      "HTTP Basic with encoded characters": [{}, basic("%61ssistan%74", TEST_SECRET.replaceAll("-", "%2d"))],
    };
    for (const [name, [params, authorization]] of Object.entries(accepted))
      it(`takes ${name} everywhere`, async () => {
        for (const endpoint of Object.keys(ENDPOINTS)) {
          const answer = await ask(endpoint, params, authorization);
          assert.ok(answer.passed, `${endpoint}: ${answer.status} ${answer.text}`);
        }
      });

    const refused: Record<string, [Record<string, string>, string?]> = {
      nothing: [{}],
      "an id alone": [{ client_id: "assistant" }],
      "an empty secret": [{ client_id: "assistant", client_secret: "" }],
      "a wrong secret": [{ client_id: "assistant", client_secret: `${TEST_SECRET}x` }],
      "a cut secret": [{ client_id: "assistant", client_secret: TEST_SECRET.slice(0, -1) }],
      "a secret in another case": [{ client_id: "assistant", client_secret: TEST_SECRET.toUpperCase() }],
      "a secret with a line end": [{ client_id: "assistant", client_secret: `${TEST_SECRET}\n` }],
      "a secret with NUL": [{ client_id: "assistant", client_secret: `${TEST_SECRET}\0` }],
      "an id in another case": [{ client_id: "Assistant", client_secret: TEST_SECRET }],
      "an id with a space": [{ client_id: "assistant ", client_secret: TEST_SECRET }],
      "an id from every object": [{ client_id: "constructor", client_secret: TEST_SECRET }],
      "another id in the body than in Basic": [{ client_id: "other" }, basic("assistant", TEST_SECRET)],
      "secrets in two places": [{ client_secret: TEST_SECRET }, basic("assistant", TEST_SECRET)],
      "Basic with an empty secret": [{}, basic("assistant", "")],
      "Basic with an empty secret, and a right one in the body": [
        { client_id: "assistant", client_secret: TEST_SECRET },
        basic("assistant", ""),
      ],
      "Basic with an empty id": [{}, basic("", TEST_SECRET)],
      "Basic with an empty id, and an id in the body": [{ client_id: "assistant" }, basic("", TEST_SECRET)],
      "Basic without a colon": [{}, raw("assistant")],
      "Basic of nothing": [{ client_id: "assistant" }, "Basic "],
      "Basic that is not base64": [{}, "Basic ???"],
      "Basic with spaces": [{}, `Basic  ${basic("assistant", TEST_SECRET).slice(6)}`],
      "Basic with a broken escape": [{}, basic("assistant", `${TEST_SECRET}%zz`)],
      "Basic that is not UTF-8": [{}, `Basic ${Buffer.from([0xff, 0x3a, 0xff]).toString("base64")}`],
      "Basic with a secret that was encoded twice": [
        {},
        basic("assistant", TEST_SECRET.replaceAll("-", "%252d")),
      ],
      "Basic with a plus for nothing": [{}, basic("assistant", `${TEST_SECRET}+`)],
      "Basic of a public client": [{}, basic("spa", "")],
      "Basic of a public client with any secret": [{}, basic("spa", TEST_SECRET)],
      "a public client with a secret": [{ client_id: "spa", client_secret: TEST_SECRET }],
      "a bearer token": [{ client_id: "assistant" }, `Bearer ${TEST_SECRET}`],
      "an unsigned assertion": [
        {
          client_id: "assistant",
          client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
          client_assertion: forge(
            { alg: "none" },
            { iss: "assistant", sub: "assistant", jti: "x" },
            undefined,
          ),
        },
      ],
      "an assertion under the secret": [
        {
          client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
          client_assertion: forge(
            { alg: "HS256" },
            { iss: "assistant", sub: "assistant", exp: 9e9, jti: "x" },
            Buffer.from(TEST_SECRET),
          ),
        },
      ],
    };
    for (const [name, [params, authorization]] of Object.entries(refused))
      it(`refuses ${name} everywhere`, async () => {
        for (const endpoint of Object.keys(ENDPOINTS)) {
          const answer = await ask(endpoint, params, authorization);
          assert.ok(
            !answer.passed && [400, 401, 403].includes(answer.status),
            `${endpoint}: ${answer.status} ${answer.text}`,
          );
          assert.match(answer.text, /invalid_client|invalid_request|unauthorized_client/, endpoint);
          if (answer.status === 401 && authorization !== undefined)
            assert.match(answer.headers.get("www-authenticate") ?? "", /^Basic/);
        }
      });

    it("says the same of an unknown client and of a wrong secret", async () => {
      for (const endpoint of Object.keys(ENDPOINTS)) {
        const wrong = await ask(endpoint, { client_id: "assistant", client_secret: "x".repeat(43) });
        const unknown = await ask(endpoint, { client_id: "nobody", client_secret: "x".repeat(43) });
        assert.deepEqual([wrong.status, wrong.text], [unknown.status, unknown.text], endpoint);
      }
    });

    it("reads no secret from an address", async () => {
      for (const { path, params } of Object.values(ENDPOINTS)) {
        const query = new URLSearchParams({ client_id: "assistant", client_secret: TEST_SECRET });
        const response = await fetch(`${server.url}${path}?${query}`, {
          method: "POST",
          body: new URLSearchParams({ ...params, client_id: "assistant" }),
        });
        assert.ok(response.status >= 400, path);
      }
    });

    it("is not to be had by a client that is switched off", async () => {
      const { clients } = server.services.admin;
      await clients.setDisabled("assistant", true);
      for (const endpoint of Object.keys(ENDPOINTS)) {
        const answer = await ask(endpoint, {}, basic("assistant", TEST_SECRET));
        assert.equal(answer.status, 401, endpoint);
      }
      await clients.setDisabled("assistant", false);
      assert.equal((await ask("the token endpoint", {}, basic("assistant", TEST_SECRET))).status, 200);
    });
  });
}
