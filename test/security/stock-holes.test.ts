import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { dumpDatabase } from "../support/dump.ts";
import { engines } from "../support/engines.ts";
import { authorize, CALLBACK, logIn, redeem, relyingParty, signUp, tokenRequest } from "../support/person.ts";
import { APP_URL, SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";

/** The behaviours of the OAuth core that are holes until closed; each test fails without its fix. */
for (const engine of engines) {
  describe(`holes of the OAuth core on ${engine.name}`, () => {
    let server: TestServer;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        const [assistant] = config["clients"] as Record<string, unknown>[];
        if (assistant) assistant["rotateRefreshTokens"] = true;
      });
    });
    after(() => server.close());

    const refresh = (token: string, clientId = "assistant") =>
      tokenRequest(server.url, {
        grant_type: "refresh_token",
        refresh_token: token,
        client_id: clientId,
        client_secret: TEST_SECRET,
      });

    async function refreshToken(): Promise<string> {
      const { agent } = await signUp(server.url);
      const tokens = await logIn(server.url, agent);
      return tokens.refresh_token ?? "";
    }

    it("better-auth CVE-2026-53517, GHSA-7w99-5wm4-3g79: makes one successor, however many refreshes run in parallel", async () => {
      const token = await refreshToken();
      const answers = await Promise.all(Array.from({ length: 64 }, () => refresh(token)));
      const bodies = await Promise.all(answers.map((answer) => answer.json()));
      const successors = new Set(bodies.map((body) => body.refresh_token ?? body.error));
      assert.equal(successors.size, 1, [...successors].join(" "));
      assert.ok(!successors.has(token) && !successors.has("invalid_grant"));
    });

    it("gives a code's tokens to one of 64 parallel callers", async () => {
      const { agent } = await signUp(server.url);
      const party = await relyingParty(server.url);
      const { page, verifier } = await authorize(party, agent);
      const attempts = await Promise.allSettled(
        Array.from({ length: 64 }, () => redeem(party, page.address, verifier)),
      );
      assert.equal(attempts.filter((attempt) => attempt.status === "fulfilled").length, 1);
    });

    it("brings the same successor when the answer was lost and the client asks again", async () => {
      const token = await refreshToken();
      const first = await (await refresh(token)).json();
      const second = await (await refresh(token)).json();
      assert.equal(second.refresh_token, first.refresh_token);
      assert.notEqual(first.refresh_token, token);
    });

    it("ends the whole family when a token comes back after its successor was used", async () => {
      const token = await refreshToken();
      const next = (await (await refresh(token)).json()).refresh_token;
      const last = (await (await refresh(next)).json()).refresh_token;
      assert.equal((await (await refresh(token)).json()).error, "invalid_grant");
      assert.equal((await (await refresh(last)).json()).error, "invalid_grant");
    });

    it("refuses another client's refresh token", async () => {
      const token = await refreshToken();
      assert.equal((await (await refresh(token, "other")).json()).error, "invalid_grant");
    });

    it("refuses a refresh token that was cut at any length", async () => {
      const token = await refreshToken();
      for (const length of [1, 10, token.length - 1]) {
        const body = await (await refresh(token.slice(0, length))).json();
        assert.equal(body.error, "invalid_grant");
      }
    });

    it("keeps no token, code or client secret in clear", async () => {
      const { agent } = await signUp(server.url);
      const party = await relyingParty(server.url);
      const { page, verifier } = await authorize(party, agent);
      const tokens = await redeem(party, page.address, verifier);
      // A request that waits for a log-in remembers the session it came with.
      await authorize(party, agent, { prompt: "login" });
      const pending = await fetch(`${server.url}bc-authorize`, {
        method: "POST",
        body: new URLSearchParams({
          client_id: "assistant",
          client_secret: TEST_SECRET,
          scope: "openid",
          login_hint: JSON.stringify({ format: "iss_sub", iss: server.url, sub: tokens.claims()?.sub }),
          binding_message: "Canary",
        }),
      });
      const canaries = [
        tokens.access_token,
        tokens.refresh_token,
        new URL(page.address).searchParams.get("code"),
        (await pending.json()).auth_req_id,
        TEST_SECRET,
        /behalf_session=([^;]+)/.exec(agent.cookies(server.url))?.[1],
        /behalf_op=([^;]+)/.exec(agent.cookies(`${server.url}authorize`))?.[1],
      ];
      const dump = await dumpDatabase(server);
      for (const [i, canary] of canaries.entries()) {
        assert.ok(canary, `canary ${i} exists`);
        assert.ok(!dump.includes(canary), `canary ${i} lies in the database`);
        assert.ok(!server.log.join("").includes(canary), `canary ${i} lies in the log`);
      }
    });
  });
}

describe("clients that register themselves", () => {
  let server: TestServer;
  let documents: Server;
  let documentAddress: string;
  let asked = 0;

  before(async () => {
    documents = createServer((request, response) => {
      asked += 1;
      const id = `http://localhost:${(documents.address() as AddressInfo).port}${request.url}`;
      const greedy = {
        client_id: request.url === "/liar" ? "https://example.com/other" : id,
        client_name: "Greedy app",
        redirect_uris: [CALLBACK],
        grant_types: ["authorization_code", "client_credentials", "urn:openid:params:grant-type:ciba"],
        token_endpoint_auth_method: "none",
        scope: "openid admin orders:create",
        jwks: { keys: [] },
      };
      response.setHeader("content-type", "application/json").end(JSON.stringify(greedy));
    });
    await new Promise<void>((resolve) => documents.listen(0, "localhost", resolve));
    const { port } = documents.address() as AddressInfo;
    documentAddress = `http://localhost:${port}/client`;
    server = await startTestServer((config) => {
      config["registration"] = { dynamic: true, clientIdDocuments: true };
      config["egress"] = { allow: [`localhost:${port}`] };
    });
  });
  after(async () => {
    documents.close();
    await server.close();
  });

  const register = (body: object, target = server) =>
    fetch(`${target.url}oidc/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });

  async function refusals(clientId: string): Promise<string[]> {
    const secretless = { client_id: clientId };
    const requests = [
      tokenRequest(server.url, { grant_type: "client_credentials", audience: SHOP, ...secretless }),
      tokenRequest(server.url, {
        grant_type: "urn:openid:params:grant-type:ciba",
        auth_req_id: "x",
        ...secretless,
      }),
      tokenRequest(server.url, {
        grant_type: "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
        ...secretless,
      }),
      fetch(`${server.url}bc-authorize`, {
        method: "POST",
        body: new URLSearchParams({ ...secretless, scope: "openid", login_hint: "x" }),
      }),
    ];
    const answers = await Promise.all(requests);
    assert.ok(answers.every((answer) => answer.status >= 400));
    return Promise.all(answers.map(async (answer) => (await answer.json()).error));
  }

  it("are off unless the operator switches them on", async () => {
    const closed = await startTestServer();
    const before = asked;
    try {
      assert.equal((await register({ redirect_uris: [CALLBACK] }, closed)).status, 404);
      const page = await fetch(`${closed.url}authorize?client_id=${encodeURIComponent(documentAddress)}`);
      assert.equal(page.status, 400);
      assert.equal(asked, before, "no document was fetched");
    } finally {
      await closed.close();
    }
  });

  it("get nothing beyond a code after consent from a document that claims every grant", async () => {
    for (const error of await refusals(documentAddress))
      assert.ok(
        ["unauthorized_client", "invalid_client", "invalid_request", "unsupported_grant_type"].includes(
          error,
        ),
        error,
      );
    const { agent } = await signUp(server.url);
    const party = await relyingParty(server.url, documentAddress, null);
    const asks = await authorize(party, agent, { scope: "openid" });
    assert.match(asks.page.text, /Allow Greedy app\?/);
    const allowed = await agent.submit(
      asks.page,
      { decision: "allow" },
      { stopAt: (a) => a.startsWith(APP_URL) },
    );
    assert.ok((await redeem(party, allowed.address, asks.verifier)).access_token);
  });

  it("get no token for an API whose operator did not name them", async () => {
    const { agent } = await signUp(server.url);
    const party = await relyingParty(server.url, documentAddress, null);
    const { page } = await authorize(party, agent, { audience: SHOP, scope: "openid orders:create" });
    assert.equal(new URL(page.address).searchParams.get("error"), "invalid_target");
  });

  it("are refused when the document names another client id", async () => {
    const address = documentAddress.replace("/client", "/liar");
    const page = await fetch(
      `${server.url}authorize?client_id=${encodeURIComponent(address)}&response_type=code`,
    );
    assert.equal(page.status, 400);
  });

  it("get two grants and no secret from registration, whatever they ask for", async () => {
    const response = await register({
      client_name: "Greedy",
      redirect_uris: [CALLBACK],
      grant_types: ["client_credentials"],
      scope: "admin",
      token_endpoint_auth_method: "client_secret_post",
    });
    const body = await response.json();
    assert.equal(response.status, 201);
    assert.deepEqual(body.grant_types, ["authorization_code", "refresh_token"]);
    assert.equal(body.client_secret, undefined);
    for (const error of await refusals(body.client_id)) assert.notEqual(error, undefined);
  });

  it("cannot register a redirect address that runs code or hides its host", async () => {
    for (const uri of [
      "javascript:alert(1)",
      "http://localhost@evil.example/",
      "http://evil.example/",
      "https://a.example/#x",
    ]) {
      const body = await (await register({ redirect_uris: [uri] })).json();
      assert.equal(body.error, "invalid_redirect_uri", uri);
    }
  });

  it("cannot fill the database from one address", async () => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => register({ redirect_uris: [CALLBACK] })),
    );
    assert.ok(answers.some((answer) => answer.status === 429));
  });
});
