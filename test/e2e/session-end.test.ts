import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { decode } from "../security/attack.ts";
import { engines } from "../support/engines.ts";
import {
  authorize,
  logIn,
  PASSWORD,
  type Person,
  redeem,
  relyingParty,
  signUp,
  tokenRequest,
} from "../support/person.ts";
import { APP_URL, freePort, SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { createUserAgent, type UserAgent } from "../support/user-agent.ts";

const SECRET = { client_id: "assistant", client_secret: TEST_SECRET };
const NEW_PASSWORD = "a quite different battery staple";

for (const engine of engines)
  describe(`when a browser session ends, on ${engine.name}`, () => {
    let server: TestServer;
    let receiver: Server;
    const told: string[] = [];

    before(async () => {
      const port = await freePort();
      receiver = createServer(async (request, response) => {
        let body = "";
        for await (const chunk of request) body += chunk;
        told.push(String(decode(new URLSearchParams(body).get("logout_token") ?? "").claims["sid"]));
        response.writeHead(200).end();
      });
      await new Promise<void>((resolve) => receiver.listen(port, "127.0.0.1", resolve));
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        config["egress"] = { allow: [`127.0.0.1:${port}`] };
        const [assistant] = config["clients"] as Record<string, unknown>[];
        Object.assign(assistant ?? {}, { backchannelLogoutUri: `http://127.0.0.1:${port}/` });
      });
    });
    after(async () => {
      await server?.close();
      receiver.close();
    });

    /** What an app holds of one session. */
    interface Held {
      readonly agent: UserAgent;
      readonly sid: string;
      readonly idToken: string;
      readonly signed: string;
      readonly opaque: string;
      readonly offline: string;
      readonly refreshToken: string;
    }

    async function hold(agent: UserAgent): Promise<Held> {
      const first = await logIn(server.url, agent, { scope: "openid" });
      const signed = await logIn(server.url, agent, { scope: "openid orders:read", audience: SHOP });
      const offline = await logIn(server.url, agent, { scope: "openid offline_access", audience: SHOP });
      return {
        agent,
        sid: String(first.claims()?.["sid"]),
        idToken: first.id_token ?? "",
        opaque: first.access_token,
        signed: signed.access_token,
        offline: offline.access_token,
        refreshToken: offline.refresh_token ?? "",
      };
    }

    async function logInElsewhere({ email }: Person): Promise<UserAgent> {
      const agent = createUserAgent();
      const page = await agent.submit(await agent.open(`${server.url}login`), { email, password: PASSWORD });
      assert.equal(page.status, 200);
      return agent;
    }

    async function isGood(token: string): Promise<boolean> {
      const headers = { authorization: `Bearer ${token}` };
      const userinfo = (await fetch(`${server.url}userinfo`, { headers })).status === 200;
      const answer = await fetch(`${server.url}oauth/introspect`, {
        method: "POST",
        body: new URLSearchParams({ ...SECRET, token }),
      });
      assert.equal((await answer.json()).active, userinfo, "introspection says the same as userinfo");
      return userinfo;
    }
    const refreshes = async (token: string) =>
      (await tokenRequest(server.url, { ...SECRET, grant_type: "refresh_token", refresh_token: token }))
        .status === 200;
    const goodOf = async (held: Held) => ({
      opaque: await isGood(held.opaque),
      signed: await isGood(held.signed),
      offline: await isGood(held.offline),
      refresh: await refreshes(held.refreshToken),
    });
    async function untilTold(sid: string): Promise<void> {
      for (let i = 0; i < 100 && !told.includes(sid); i++) await sleep(100);
      assert.ok(told.includes(sid), "the app was not told");
    }
    const form = async (agent: UserAgent, path: string, action: string, fields: Record<string, string>) => {
      const page = await agent.open(`${server.url}${path}`);
      const [name, value] = Object.entries(fields)[0] ?? ["", ""];
      const index = page.forms.findIndex(
        (it) => it.action === action && [undefined, "", value].includes(it.fields[name]),
      );
      assert.ok(index >= 0, `${path} has a form to ${action}`);
      return agent.submit(page, fields, { form: index, stopAt: (to) => to.startsWith(APP_URL) });
    };

    const ALL = { opaque: true, signed: true, offline: true, refresh: true };
    const OFFLINE_ONLY = { opaque: false, signed: false, offline: true, refresh: true };
    const NONE = { opaque: false, signed: false, offline: false, refresh: false };

    /** Each ends the first session; `other` is the same person's in another browser. */
    const paths: [string, typeof ALL, (held: Held, other: UserAgent, person: Person) => Promise<unknown>][] =
      [
        ["by /logout", OFFLINE_ONLY, ({ agent }) => form(agent, "logout", "/logout", {})],
        [
          "by /oidc/logout of an app that has the ID token",
          OFFLINE_ONLY,
          ({ agent, idToken }) =>
            agent.open(
              `${server.url}oidc/logout?${new URLSearchParams({ id_token_hint: idToken, post_logout_redirect_uri: APP_URL })}`,
              { stopAt: (to) => to.startsWith(APP_URL) },
            ),
        ],
        [
          "by /v2/logout, once the person has said so",
          OFFLINE_ONLY,
          async ({ agent }) => {
            const query = new URLSearchParams({ client_id: "assistant", returnTo: APP_URL });
            const page = await agent.open(`${server.url}v2/logout?${query}`);
            await agent.submit(page, { logout: "yes" }, { stopAt: (to) => to.startsWith(APP_URL) });
          },
        ],
        [
          "in the profile, from another browser",
          OFFLINE_ONLY,
          ({ sid }, other) => form(other, "profile", "/profile/sessions/end", { session: sid }),
        ],
        [
          "with all others, in the profile",
          OFFLINE_ONLY,
          (_held, other) => form(other, "profile", "/profile/sessions/end", { session: "others" }),
        ],
        [
          "by a new password, set in another browser",
          NONE,
          (_held, other) => form(other, "profile/password", "/profile/password", { password: NEW_PASSWORD }),
        ],
        [
          "by an administrator who switches the person off",
          NONE,
          (_held, _other, { userId }) => server.services.admin.users.setDisabled(userId, true),
        ],
      ];

    for (const [path, expected, end] of paths)
      it(`${path}, its tokens end with it and the app is told`, async () => {
        const person = await signUp(server.url);
        const held = await hold(person.agent);
        assert.deepEqual(await goodOf(held), ALL);
        const other = await logInElsewhere(person);
        await end(held, other, person);
        assert.deepEqual(await goodOf(held), expected);
        await untilTold(held.sid);
      });

    it("those of the person's other sessions go on", async () => {
      const person = await signUp(server.url);
      const held = await hold(person.agent);
      const other = await hold(await logInElsewhere(person));
      await form(held.agent, "logout", "/logout", {});
      assert.deepEqual(await goodOf(other), ALL);
    });

    it("a new password leaves those of the session in which it was set", async () => {
      const person = await signUp(server.url);
      const held = await hold(await logInElsewhere(person));
      const own = await hold(person.agent);
      await form(own.agent, "profile/password", "/profile/password", { password: NEW_PASSWORD });
      assert.deepEqual(await goodOf(held), NONE);
      assert.deepEqual(await goodOf(own), ALL);
    });

    it("a password that is refused ends nothing", async () => {
      const person = await signUp(server.url);
      const held = await hold(await logInElsewhere(person));
      await form(person.agent, "profile/password", "/profile/password", { password: "short" });
      assert.deepEqual(await goodOf(held), ALL);
    });

    it("tokens of somebody who was switched off stay ended when they are switched on again", async () => {
      const person = await signUp(server.url);
      const held = await hold(person.agent);
      await server.services.admin.users.setDisabled(person.userId, true);
      await server.services.admin.users.setDisabled(person.userId, false);
      assert.deepEqual(await goodOf(held), NONE);
    });

    it("a code of it is not redeemed", async () => {
      const person = await signUp(server.url);
      const party = await relyingParty(server.url);
      const { page, verifier } = await authorize(party, person.agent, { scope: "openid" });
      await form(person.agent, "logout", "/logout", {});
      await assert.rejects(redeem(party, page.address, verifier), { error: "invalid_grant" });
    });
  });
