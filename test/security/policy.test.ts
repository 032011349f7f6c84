import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { protocolEngines } from "../support/engines.ts";
import { type Person, signUp } from "../support/person.ts";
import { SHOP, startTestServer, type TestServer } from "../support/server.ts";
import { createUserAgent } from "../support/user-agent.ts";
import { CREDENTIALS, decode, honest, isApp, openAuthorize, post, redeemCode } from "./attack.ts";

const BANK = "https://bank.sandbox.example/";
const OTHER = { client_id: "other" };

/** T02, T09, T20; GHSA-86j7-9j95-vpqj, KC #48104, CVE-2026-4636. */
for (const engine of protocolEngines) {
  describe(`what a client may have on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        (config["apis"] as object[]).push({
          audience: BANK,
          name: "Bank",
          scopes: { "orders:create": "Move money", "bank:read": "See money" },
        });
        const [assistant] = config["clients"] as Record<string, unknown>[];
        Object.assign(assistant ?? {}, {
          grantTypes: ["authorization_code", "client_credentials"],
          apis: { [SHOP]: { scopes: ["orders:read", "settings:read"] }, [BANK]: { scopes: ["bank:read"] } },
        });
      });
    });
    after(() => server?.close());

    const authorize = (params: Record<string, string> | [string, string][], agent = person.agent) =>
      openAuthorize(server.url, agent, Array.isArray(params) ? params : { ...honest(), ...params });
    const answerOf = (address: string) => Object.fromEntries(new URL(address).searchParams);
    const claimsOf = async (address: string, change: Record<string, string> = {}) => {
      const { body } = await redeemCode(server.url, answerOf(address)["code"] ?? "", change);
      return body.access_token === undefined
        ? { error: body.error }
        : { ...body, claims: body.access_token.includes(".") ? decode(body.access_token).claims : {} };
    };
    const newcomer = async () => {
      person = await signUp(server.url);
    };

    it("KC #48104: ends with its policy, even when nobody is asked", async () => {
      await newcomer();
      const { address } = await authorize({
        audience: SHOP,
        scope: "openid orders:read orders:create admin bank:read settings:read",
      });
      const { claims } = await claimsOf(address);
      assert.deepEqual(
        [claims["aud"], claims["scope"]],
        [[SHOP, `${server.url}userinfo`], "openid orders:read settings:read"],
      );
      for (const audience of [
        `${server.url}admin/`,
        `${server.url}fga/`,
        `${server.url}approvals/`,
        "https://api.example/",
        "x",
        "urn:x",
        `${SHOP}#x`,
      ])
        assert.equal(answerOf((await authorize({ audience })).address)["error"], "invalid_target", audience);
    });

    it("is for the API it was given for: one more slash, and no other spelling", async () => {
      await newcomer();
      const { claims } = await claimsOf(
        (await authorize({ audience: SHOP.slice(0, -1), scope: "openid orders:read" })).address,
      );
      assert.deepEqual(claims["aud"], [SHOP, `${server.url}userinfo`]);
      for (const audience of [
        `${SHOP}/`,
        SHOP.toUpperCase(),
        `${SHOP}?`,
        `${SHOP}./`,
        SHOP.replace("//", "//x@"),
        SHOP.replace(".example", ".example:443"),
        ` ${SHOP}`,
        `${SHOP}%20`,
      ])
        assert.equal(answerOf((await authorize({ audience })).address)["error"], "invalid_target", audience);
    });

    it("is for one API at a time, with the scopes of that one", async () => {
      await newcomer();
      const both: [string, string][] = [
        ...Object.entries({ ...honest(), scope: "openid orders:read orders:create bank:read" }),
        ["resource", SHOP],
        ["resource", BANK],
      ];
      const code = async () => (await authorize(both)).address;
      assert.equal((await claimsOf(await code())).error, "invalid_target");
      assert.equal((await claimsOf(await code(), { resource: SHOP })).claims["scope"], "openid orders:read");
      assert.equal((await claimsOf(await code(), { resource: BANK })).claims["scope"], "openid bank:read");
      assert.equal(
        (await claimsOf((await authorize({ audience: SHOP })).address, { resource: BANK })).error,
        "invalid_target",
      );
    });

    it("brings no refresh token to a client without the grant, whoever asks for it", async () => {
      await newcomer();
      const asked = { scope: "openid offline_access", prompt: "consent" };
      const page = await authorize(asked);
      const done = isApp(page.address)
        ? page
        : await person.agent.submit(page, { decision: "allow" }, { stopAt: isApp });
      assert.equal((await claimsOf(done.address)).refresh_token, undefined);
      const posted = await person.agent.fetch(`${server.url}authorize`, {
        method: "POST",
        body: new URLSearchParams({ ...honest(), scope: "openid", behalf_offline: "1" }),
        redirect: "manual",
      });
      assert.equal(posted.status, 303);
      const answered = posted.headers.get("location") ?? "";
      const callback = isApp(answered)
        ? answered
        : (await person.agent.open(new URL(answered, server.url).href, { stopAt: isApp })).address;
      assert.ok(isApp(callback), callback);
      assert.equal((await claimsOf(callback)).refresh_token, undefined, "nobody outside marks a request");
    });

    it("stands for nobody when it acts for itself", async () => {
      const ask = (params: Record<string, string>) =>
        post(`${server.url}oauth/token`, { grant_type: "client_credentials", ...CREDENTIALS, ...params });
      const own = await ask({
        audience: SHOP,
        scope: "openid profile orders:read orders:create offline_access",
      });
      const { claims } = decode(own.body["access_token"] ?? "");
      assert.deepEqual([claims["sub"], claims["scope"]], ["assistant", "orders:read"]);
      assert.deepEqual([own.body["id_token"], own.body["refresh_token"]], [undefined, undefined]);
      assert.equal(
        (await ask({ audience: `${server.url}admin/`, scope: "admin" })).body["error"],
        "invalid_target",
      );
      assert.equal(
        (await ask({ authorization_details: '[{"type":"purchase"}]', audience: SHOP })).body[
          "authorization_details"
        ],
        undefined,
      );
      for (const id of ["other", "spa"])
        assert.ok((await ask({ client_id: id, audience: SHOP })).status >= 400, id);
      const plain = await ask({ scope: "openid profile" });
      const info = await fetch(`${server.url}userinfo`, {
        headers: { authorization: `Bearer ${plain.body["access_token"]}` },
      });
      assert.ok(plain.status >= 400 || info.status === 401);
    });

    it("is asked of the person for every scope, API and client anew, and in each browser", async () => {
      await newcomer();
      const silent = async (params: Record<string, string>, agent = person.agent) =>
        answerOf((await authorize({ ...OTHER, prompt: "none", ...params }, agent)).address);
      const allow = async (params: Record<string, string>) => {
        const page = await authorize({ ...OTHER, ...params });
        assert.match(page.text, /Allow Other agent\?/);
        return person.agent.submit(page, { decision: "allow" }, { stopAt: isApp });
      };
      assert.equal((await silent({}))["error"], "consent_required");
      await allow({});
      assert.ok((await silent({}))["code"]);
      assert.equal((await silent({ scope: "openid email" }))["error"], "consent_required");
      assert.equal((await silent({ scope: "openid offline_access" }))["error"], "consent_required");
      assert.equal(
        (await silent({ audience: SHOP, scope: "openid orders:create" }))["error"],
        "consent_required",
      );
      const done = await allow({ audience: SHOP, scope: "openid orders:create orders:read" });
      const { claims, refresh_token } = await claimsOf(done.address, OTHER);
      assert.deepEqual([claims["scope"], refresh_token], ["openid orders:create", undefined]);
      assert.equal(
        (await silent({ audience: `${server.url}me/`, scope: "openid read:me:connected_accounts" }))["error"],
        "consent_required",
      );
      const elsewhere = createUserAgent();
      const form = await elsewhere.open(`${server.url}login`);
      await elsewhere.submit(form, { email: person.email, password: "correct horse battery staple" });
      assert.match(String((await silent({}, elsewhere))["error"]), /^(login|consent)_required$/);
    });

    it("is nothing when the person says no, or says nothing that is a yes", async () => {
      await newcomer();
      for (const decision of ["deny", "", "ALLOW", "allow ", "true", "1"]) {
        const page = await authorize(OTHER);
        const done = await person.agent.submit(page, { decision }, { stopAt: isApp });
        assert.equal(answerOf(done.address)["error"], "access_denied", decision);
        assert.equal(
          answerOf((await authorize({ ...OTHER, prompt: "none" })).address)["error"],
          "consent_required",
        );
      }
    });

    it("carries details only when a person approved them: no other request takes them", async () => {
      await newcomer();
      const details = { authorization_details: '[{"type":"purchase"}]', audience: SHOP };
      assert.equal(answerOf((await authorize(details)).address)["error"], "invalid_authorization_details");
      const pushed = await post(`${server.url}oauth/par`, { ...honest(), ...CREDENTIALS, ...details });
      assert.equal(pushed.body["error"], "invalid_authorization_details");
    });
  });
}
