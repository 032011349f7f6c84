import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { logIn, type Person, signUp } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { createProver, decode, forge, post, refresh } from "./attack.ts";

const ACCOUNTS = "me/v1/connected-accounts/accounts";
const ME_SCOPES = "openid offline_access read:me:connected_accounts";

/** RFC 7009; Fosite CVE-2020-15223, OpenBao CVE-2026-40264. */
for (const engine of engines) {
  describe(`revocation on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        const [, other] = config["clients"] as Record<string, unknown>[];
        Object.assign(other ?? {}, { firstParty: true });
      });
      person = await signUp(server.url);
    });
    after(() => server?.close());

    const credentials = {
      client_id: "assistant",
      client_secret: "test-secret-0123456789abcdefghijklmnopqrstuvw",
    };
    const revoke = (token: string, change: Record<string, string> = {}) =>
      post(`${server.url}oauth/revoke`, { token, ...credentials, ...change });
    const get = async (path: string, token: string) =>
      (await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${token}` } })).status;
    const tokens = async () => {
      const me = await logIn(server.url, person.agent, { audience: `${server.url}me/`, scope: ME_SCOPES });
      const plain = await refresh(server.url, (await logIn(server.url, person.agent)).refresh_token ?? "");
      return {
        jwt: me.access_token,
        refresh: me.refresh_token ?? "",
        opaque: plain.body["access_token"] ?? "",
      };
    };

    it("asks for a client that proves itself", async () => {
      const { refresh: token } = await tokens();
      for (const change of [
        { client_secret: "" },
        { client_secret: "x".repeat(43) },
        { client_id: "" },
        { client_id: "nobody" },
      ] as Record<string, string>[])
        assert.ok((await revoke(token, change)).status >= 400, JSON.stringify(change));
      assert.equal((await refresh(server.url, token)).status, 200);
    });

    it("OpenBao CVE-2026-40264: does nothing to the tokens of another client, and says as much as about unknown ones", async () => {
      const { jwt, refresh: token, opaque } = await tokens();
      for (const value of [jwt, token, opaque, "unknown", "x.y.z"]) {
        const { status, body } = await revoke(value, { client_id: "other" });
        assert.deepEqual([status, body], [200, {}]);
      }
      assert.deepEqual([await get(ACCOUNTS, jwt), await get("userinfo", opaque)], [200, 200]);
      assert.equal((await refresh(server.url, token)).status, 200);
    });

    it("ends a refresh token, whatever kind it is said to be, and with it the grant", async () => {
      for (const token_type_hint of ["refresh_token", "access_token", "nonsense", ""]) {
        const { refresh: token, opaque } = await tokens();
        assert.equal((await revoke(token, { token_type_hint })).status, 200);
        assert.equal((await refresh(server.url, token)).body["error"], "invalid_grant");
        assert.equal(await get("userinfo", opaque), 401);
      }
    });

    it("ends a signed access token at our own APIs at once, and only that one", async () => {
      const { jwt } = await tokens();
      const { jwt: sibling } = await tokens();
      assert.equal((await revoke(jwt)).status, 200);
      assert.deepEqual([await get(ACCOUNTS, jwt), await get(ACCOUNTS, sibling)], [401, 200]);
      assert.equal((await revoke(jwt)).status, 200);
    });

    it("does not believe a signed token that is not ours", async () => {
      const { jwt } = await tokens();
      const { header, claims } = decode(jwt);
      for (const forged of [
        forge({ ...header, alg: "none" }, claims, undefined),
        forge(header, claims, createProver().privateKey),
        forge({ ...header, typ: "JWT" }, claims, createProver().privateKey),
      ])
        assert.equal((await revoke(forged)).status, 200);
      assert.equal(await get(ACCOUNTS, jwt), 200);
    });

    it("Fosite CVE-2020-15223: never reports a token as ended when the database did not take it", async () => {
      const storage = await engine.storage();
      const broken = await startTestServer((config) => {
        config["storage"] = storage;
        config["log"] = { level: "silent" };
      });
      const someone = await signUp(broken.url);
      const { refresh_token: token = "" } = await logIn(broken.url, someone.agent);
      await broken.services.storage.close();
      const answer = await fetch(`${broken.url}oauth/revoke`, {
        method: "POST",
        body: new URLSearchParams({ ...credentials, token }),
      });
      assert.ok(answer.status >= 500, String(answer.status));
      await broken.close().catch(() => undefined); // Its database is gone already.
    });
  });
}
