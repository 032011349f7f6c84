import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { decode } from "../security/attack.ts";
import { engines } from "../support/engines.ts";
import { logIn, signUp } from "../support/person.ts";
import { APP_URL, freePort, startTestServer, type TestServer } from "../support/server.ts";

const EVENT = "http://schemas.openid.net/event/backchannel-logout";

for (const engine of engines)
  describe(`back-channel logout on ${engine.name}`, () => {
    let server: TestServer;
    let receiver: Server;
    const arrived: { path: string; type: string; body: string }[] = [];
    let failures = 0;

    before(async () => {
      const port = await freePort();
      receiver = createServer(async (request, response) => {
        let body = "";
        for await (const chunk of request) body += chunk;
        arrived.push({ path: request.url ?? "", type: request.headers["content-type"] ?? "", body });
        response.writeHead(failures-- > 0 ? 503 : 200).end();
      });
      await new Promise<void>((resolve) => receiver.listen(port, "127.0.0.1", resolve));
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        config["egress"] = { allow: [`127.0.0.1:${port}`] };
        const [assistant, other] = config["clients"] as Record<string, unknown>[];
        Object.assign(assistant ?? {}, { backchannelLogoutUri: `http://127.0.0.1:${port}/form` });
        Object.assign(other ?? {}, {
          firstParty: true,
          backchannelLogoutUri: `http://127.0.0.1:${port}/json`,
          backchannelLogoutFormat: "json",
        });
      });
    });
    after(async () => {
      await server?.close();
      receiver.close();
    });

    async function until(count: number) {
      for (let i = 0; i < 100 && arrived.length < count; i++) await sleep(100);
      return arrived.splice(0);
    }
    const logOut = async (agent: Awaited<ReturnType<typeof signUp>>["agent"]) =>
      agent.submit(await agent.open(`${server.url}logout`), {});

    it("tells each client that took part, in its own form, who has logged out of which session", async () => {
      const { agent, userId } = await signUp(server.url);
      const sid = (await logIn(server.url, agent)).claims()?.["sid"];
      assert.ok(sid);
      await logIn(server.url, agent, {}, "other");
      await logOut(agent);
      const [form, json] = (await until(2)).toSorted((a, b) => a.path.localeCompare(b.path));
      assert.ok(form && json);
      assert.equal(form.type, "application/x-www-form-urlencoded");
      assert.equal(json.type, "application/json");
      const keys = createRemoteJWKSet(new URL(`${server.url}.well-known/jwks.json`));
      for (const [client, token] of [
        ["assistant", new URLSearchParams(form.body).get("logout_token") ?? ""],
        ["other", JSON.parse(json.body).logout_token],
      ]) {
        const { payload } = await jwtVerify(token, keys, {
          typ: "logout+jwt",
          audience: client,
          issuer: server.url,
        });
        assert.deepEqual([payload.sub, payload["sid"]], [userId, sid]);
        assert.deepEqual(payload["events"], { [EVENT]: {} });
        assert.equal(payload["nonce"], undefined);
        assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 120);
        const userinfo = await fetch(`${server.url}userinfo`, {
          headers: { authorization: `Bearer ${token}` },
        });
        assert.equal(userinfo.status, 401, "it is no access token");
      }
    });

    it("tries again with a new token when the receiver was down", async () => {
      const { agent } = await signUp(server.url);
      failures = 1;
      await logOut(agent);
      const [first, second] = await until(2);
      assert.ok(first && second);
      const jti = ({ body }: { body: string }) =>
        decode(new URLSearchParams(body).get("logout_token") ?? "").claims["jti"];
      assert.notEqual(jti(first), jti(second));
      await sleep(2_500);
      assert.equal(arrived.length, 0, "once it was taken it is not sent again");
    });

    it("is no proof for logging somebody out", async () => {
      const { agent } = await signUp(server.url);
      const again = await signUp(server.url);
      await logOut(again.agent);
      const [message] = await until(1);
      assert.ok(message);
      const token = new URLSearchParams(message.body).get("logout_token") ?? "";
      const page = await agent.open(
        `${server.url}oidc/logout?${new URLSearchParams({ id_token_hint: token, post_logout_redirect_uri: APP_URL })}`,
        { stopAt: (target) => target.startsWith(APP_URL) },
      );
      assert.notEqual(page.status, 0, "nobody is sent on without a question");
    });

    it("is not sent while the session lasts", async () => {
      const { agent } = await signUp(server.url);
      await logIn(server.url, agent);
      await sleep(2_500);
      assert.equal(arrived.length, 0);
    });

    it("is announced", async () => {
      const metadata = await (await fetch(`${server.url}.well-known/openid-configuration`)).json();
      assert.equal(metadata.backchannel_logout_supported, true);
      assert.equal(metadata.backchannel_logout_session_supported, true);
    });
  });
