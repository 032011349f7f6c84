import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { decodeProtectedHeader, exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";
import {
  createDpopNonces,
  findSignedTokens,
  grantTools,
  issueFromSource,
  issueIdToken,
  replaceSigningKeys,
  revokeGrant,
  stockCibaGrant,
} from "./internals.ts";

/** What oauth/ relies on past the documented surface of the core. A new version that changes it fails here. */
describe("the seam to oidc-provider", () => {
  it("is written for exactly the installed version", () => {
    const require = createRequire(import.meta.url);
    const { version } = JSON.parse(readFileSync(require.resolve("oidc-provider/package.json"), "utf8"));
    assert.equal(version, "9.13.3");
  });

  it("finds each helper that grants use", () => {
    for (const name of [
      "validateDpop",
      "checkDpopRequired",
      "checkDpopReplay",
      "checkMtlsCert",
      "validateGrant",
      "findAccount",
      "buildTokenResponse",
    ] as const)
      assert.equal(typeof grantTools[name], "function", name);
    assert.equal(typeof issueIdToken, "function");
    assert.equal(typeof revokeGrant, "function");
  });

  it("finds the stock grant for polls", () => {
    const provider = new Provider("http://localhost/", { features: { devInteractions: { enabled: false } } });
    assert.equal(typeof stockCibaGrant(provider), "function");
  });

  it("finds what issues the tokens of a source", () => {
    const provider = new Provider("http://localhost/", { features: { devInteractions: { enabled: false } } });
    assert.equal(typeof issueFromSource(provider), "function");
    assert.equal(issueFromSource(provider).length, 4);
  });

  it("finds the comparison of client secrets where it is replaced", () => {
    const provider = new Provider("http://localhost/", { features: { devInteractions: { enabled: false } } });
    const method = Object.getOwnPropertyDescriptor(provider.Client.prototype, "compareClientSecret");
    assert.equal(typeof method?.value, "function");
  });

  it("builds token answers in the specification's members", () => {
    const provider = new Provider("http://localhost/", { features: { devInteractions: { enabled: false } } });
    const answer = grantTools.buildTokenResponse(provider, {
      accessToken: "a",
      tokenType: "Bearer",
      scope: "x",
    });
    assert.deepEqual(answer, { access_token: "a", token_type: "Bearer", scope: "x" });
  });

  it("signs with the first of the keys it is given, and publishes what it is told", async () => {
    const make = async (kid: string) => {
      const { privateKey } = await generateKeyPair("ES256", { extractable: true });
      return { ...(await exportJWK(privateKey)), kid, alg: "ES256", use: "sig" };
    };
    const [a, b] = [await make("a"), await make("b")];
    const provider = new Provider("http://localhost/", {
      jwks: { keys: [a] as never[] },
      clients: [
        {
          client_id: "c",
          client_secret: "s",
          redirect_uris: [],
          response_types: [],
          grant_types: ["client_credentials"],
        },
      ],
      clientDefaults: { id_token_signed_response_alg: "ES256" },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => "urn:api",
          getResourceServerInfo: () => ({
            scope: "",
            audience: "urn:api",
            accessTokenFormat: "jwt" as const,
            jwt: { sign: { alg: "ES256" as const } },
          }),
        },
      },
    });
    const server = createServer(provider.callback()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const kidOfToken = async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/token`, {
        method: "POST",
        headers: { authorization: `Basic ${Buffer.from("c:s").toString("base64")}` },
        body: new URLSearchParams({ grant_type: "client_credentials" }),
      });
      const { access_token } = (await answer.json()) as { access_token: string };
      return decodeProtectedHeader(access_token).kid;
    };
    const published = async () =>
      ((await (await fetch(`http://127.0.0.1:${port}/jwks`)).json()) as { keys: { kid: string }[] }).keys.map(
        ({ kid }) => kid,
      );
    assert.equal(await kidOfToken(), "a");
    replaceSigningKeys(provider, [b, a], [{ kid: "b" }, { kid: "a" }] as never[]);
    assert.equal(await kidOfToken(), "b");
    assert.deepEqual(await published(), ["b", "a"]);
    server.close();
  });

  it("finds signed tokens where it looks for access tokens, and only those", async () => {
    const provider = new Provider("http://localhost/", { features: { devInteractions: { enabled: false } } });
    const asked: string[] = [];
    findSignedTokens(provider, async (token) => {
      asked.push(token);
      return token === "a.b.c" ? { accountId: "usr", clientId: "c", scope: "openid", jkt: "k" } : undefined;
    });
    const found = await provider.AccessToken.find("a.b.c");
    assert.deepEqual([found?.accountId, found?.scope, found?.jkt], ["usr", "openid", "k"]);
    assert.equal(found?.aud, undefined);
    assert.equal(await provider.AccessToken.find("x.y.z"), undefined);
    assert.equal(await provider.AccessToken.find("opaque"), undefined);
    assert.deepEqual(asked, ["a.b.c", "x.y.z"]);
  });

  it("makes nonces that every process with the same bytes takes, and no other", () => {
    const [one, two] = [createDpopNonces(Buffer.alloc(32, 1)), createDpopNonces(Buffer.alloc(32, 1))];
    const nonce = one.nextChallenge();
    assert.ok(two.checkChallenge(nonce));
    assert.ok(!createDpopNonces(Buffer.alloc(32, 2)).checkChallenge(nonce));
    assert.ok(!two.checkChallenge(`${nonce}x`));
  });
});
