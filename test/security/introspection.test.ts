import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { protocolEngines } from "../support/engines.ts";
import { logIn, type Person, signUp } from "../support/person.ts";
import { APP_URL, SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { CREDENTIALS, createProver, decode, forge, post, refresh } from "./attack.ts";

const ACCOUNTS = "me/v1/connected-accounts/accounts";
const ME_SCOPES = "openid read:me:connected_accounts";
const credentialsOf = (id: string) => ({ client_id: id, client_secret: TEST_SECRET });

/** RFC 7662, RFC 7009; KC CVE-2026-37979: whoever asks learns of what concerns them alone. */
for (const engine of protocolEngines) {
  describe(`introspection on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        const [shop] = config["apis"] as Record<string, unknown>[];
        Object.assign(shop ?? {}, { introspectionClients: ["shop-api"] });
        (config["clients"] as object[]).push({
          id: "shop-api",
          name: "Shop",
          secret: { env: "SECRET" },
          grantTypes: ["client_credentials"],
        });
      });
    });
    after(() => server?.close());
    beforeEach(async () => {
      person = await signUp(server.url);
    });

    const ask = (token: string, as: Record<string, string> = CREDENTIALS) =>
      post(`${server.url}oauth/introspect`, { token, ...as });
    const isActive = async (token: string) => Boolean((await ask(token)).body["active"]);
    const get = async (path: string, token: string) => {
      const answer = await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
      if (answer.status === 401) assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer/);
      return answer.status;
    };
    const logInFor = (audience: string, scope: string) =>
      logIn(server.url, person.agent, { audience, scope });
    const forShop = () => logInFor(SHOP, "openid offline_access orders:read");

    it("tells the client of its tokens what they say", async () => {
      const { access_token: token, refresh_token: refreshToken = "" } = await forShop();
      const { claims } = decode(token);
      const { status, body } = await ask(token);
      assert.equal(status, 200);
      const { grant_id, session_ref, ...told } = claims;
      assert.ok(typeof grant_id === "string" && session_ref === undefined);
      assert.deepEqual(body, { active: true, token_type: "Bearer", ...told });
      const ofRefresh = (await ask(refreshToken)).body;
      assert.equal(ofRefresh["active"], true);
      assert.equal(ofRefresh["sub"], person.userId);
      assert.equal(ofRefresh["token_type"], undefined);
    });

    it("tells an API of the tokens for it, and of no others", async () => {
      const shop = await forShop();
      const me = await logInFor(`${server.url}me/`, ME_SCOPES);
      const plain = await logIn(server.url, person.agent, { scope: "openid" });
      const told = async (token: string) => (await ask(token, credentialsOf("shop-api"))).body;
      assert.equal((await told(shop.access_token))["sub"], person.userId);
      for (const token of [
        shop.refresh_token ?? "",
        shop.id_token ?? "",
        me.access_token,
        plain.access_token,
      ])
        assert.deepEqual(await told(token), { active: false });
    });

    it("KC CVE-2026-37979: tells nobody else anything, as if there were no token", async () => {
      const shop = await forShop();
      const plain = await logIn(server.url, person.agent, { scope: "openid" });
      for (const token of [
        shop.access_token,
        shop.refresh_token ?? "",
        plain.access_token,
        "unknown",
        "a.b.c",
      ]) {
        const { status, body } = await ask(token, credentialsOf("other"));
        assert.deepEqual([status, body], [200, { active: false }]);
      }
      assert.ok(await isActive(shop.access_token));
    });

    it("asks whoever asks to prove themselves", async () => {
      const { access_token: token } = await forShop();
      const unproven: Record<string, string>[] = [
        {},
        { client_id: "assistant" },
        { client_id: "assistant", client_secret: "x".repeat(43) },
        { client_id: "nobody", client_secret: TEST_SECRET },
        { client_id: "spa" },
      ];
      for (const as of unproven) {
        const { status, body } = await ask(token, as);
        assert.ok(status === 400 || status === 401, `${JSON.stringify(as)} ${status}`);
        assert.ok(!("active" in body) && !("sub" in body), JSON.stringify(as));
      }
      assert.equal((await ask(token, { client_id: "spa" })).status, 401);
      assert.equal((await ask("")).status, 400);
    });

    it("believes no signature but ours", async () => {
      const { access_token: token } = await forShop();
      const { header, claims } = decode(token);
      const mine = createProver().privateKey;
      for (const forged of [
        forge({ ...header, alg: "none" }, claims, undefined),
        forge(header, claims, mine),
        forge({ ...header, jwk: createProver().jwk }, claims, mine),
        `${token}A`,
        `${token.slice(0, -1)}`,
      ])
        assert.equal(await isActive(forged), false);
    });

    /** A token of each kind, ended in each way, is over everywhere at once. */
    const endings: Readonly<Record<string, (tokens: { refresh: string; id: string }) => Promise<unknown>>> = {
      "its refresh token is revoked": ({ refresh: token }) =>
        post(`${server.url}oauth/revoke`, { token, ...CREDENTIALS }),
      "the user is switched off": () => server.services.admin.users.setDisabled(person.userId, true),
      "the client is switched off": () => server.services.admin.clients.setDisabled("assistant", true),
    };
    for (const [name, end] of Object.entries(endings))
      it(`ends all that was issued when ${name}`, async () => {
        const scope = "openid offline_access read:me:connected_accounts";
        const me = await logInFor(`${server.url}me/`, scope);
        const opaque =
          (await refresh(server.url, (await logIn(server.url, person.agent)).refresh_token ?? "")).body[
            "access_token"
          ] ?? "";
        const signed = me.access_token;
        for (const token of [signed, opaque]) assert.equal(await get("userinfo", token), 200);
        assert.equal(await get(ACCOUNTS, signed), 200);
        await end({ refresh: me.refresh_token ?? "", id: me.id_token ?? "" });
        for (const token of [signed, opaque]) assert.equal(await get("userinfo", token), 401);
        assert.equal(await get(ACCOUNTS, signed), 401);
        await server.services.admin.clients.setDisabled("assistant", false);
        if (!name.includes("client"))
          for (const token of [signed, opaque, me.refresh_token ?? ""])
            assert.equal(await isActive(token), false);
      });

    it("ends with the log-in what was not to outlast it, and leaves what was", async () => {
      const bound = await logInFor(`${server.url}me/`, ME_SCOPES);
      const kept = await logInFor(`${server.url}me/`, `${ME_SCOPES} offline_access`);
      assert.ok(decode(bound.access_token).claims["session_ref"]);
      for (const token of [bound.access_token, kept.access_token])
        assert.equal(await get(ACCOUNTS, token), 200);
      const query = new URLSearchParams({
        id_token_hint: bound.id_token ?? "",
        client_id: "assistant",
        post_logout_redirect_uri: APP_URL,
      });
      const page = await person.agent.open(`${server.url}oidc/logout?${query}`, {
        stopAt: (target) => target.startsWith(APP_URL),
      });
      assert.equal(new URL(page.address).origin, APP_URL);
      assert.deepEqual(
        [await get(ACCOUNTS, bound.access_token), await get("userinfo", bound.access_token)],
        [401, 401],
      );
      assert.equal(await isActive(bound.access_token), false);
      assert.equal(await get(ACCOUNTS, kept.access_token), 200);
    });

    it("names in a refreshed token the grant of the first one, and ends both with it", async () => {
      const me = await logInFor(`${server.url}me/`, "openid offline_access read:me:connected_accounts");
      const grant = decode(me.access_token).claims["grant_id"];
      const again = await refresh(server.url, me.refresh_token ?? "");
      assert.equal(decode(again.body["access_token"] ?? "").claims["grant_id"], grant);
      await post(`${server.url}oauth/revoke`, { token: again.body["refresh_token"] ?? "", ...CREDENTIALS });
      for (const token of [me.access_token, again.body["access_token"] ?? ""])
        assert.equal(await get(ACCOUNTS, token), 401);
    });
  });
}
