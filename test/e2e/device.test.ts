import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import {
  createBehalf,
  createMemoryStore,
  getDeviceAuthorizationCredentials,
  Interrupt,
  runWithContext,
} from "@behalf/sdk";
import * as client from "openid-client";
import { decode, post } from "../security/attack.ts";
import { engines } from "../support/engines.ts";
import { type Person, relyingParty, signUp } from "../support/person.ts";
import { SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { createUserAgent, type UserAgent } from "../support/user-agent.ts";

const GRANT = "urn:ietf:params:oauth:grant-type:device_code";

for (const engine of engines)
  describe(`device authorization on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;
    const time = { ahead: 0 };

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer(
        (config) => {
          config["storage"] = storage;
          const clients = config["clients"] as Record<string, unknown>[];
          clients.push({
            id: "television",
            name: "Television",
            grantTypes: ["device_code", "refresh_token"],
            apis: { [SHOP]: { scopes: ["orders:read"] } },
          });
          clients.push({ id: "radio", name: "Radio", grantTypes: ["device_code"] });
          Object.assign(clients[0] ?? {}, { grantTypes: ["authorization_code", "device_code"] });
        },
        { clock: { now: () => Date.now() + time.ahead } },
      );
    });
    beforeEach(async () => {
      // The core's own clock is the machine's: time that was ahead in one test is over in the next.
      time.ahead = 0;
      person = await signUp(server.url);
    });
    after(() => server?.close());

    const start = async (params: Record<string, string> = {}) => {
      const { status, body } = await post(`${server.url}oauth/device/code`, {
        client_id: "television",
        scope: "openid email offline_access",
        ...params,
      });
      assert.equal(status, 200, JSON.stringify(body));
      return body as Record<string, string> & { device_code: string; user_code: string };
    };
    const poll = (deviceCode: string, params: Record<string, string> = {}) =>
      post(`${server.url}oauth/token`, {
        grant_type: GRANT,
        device_code: deviceCode,
        client_id: "television",
        ...params,
      });
    const enter = async (agent: UserAgent, userCode: string) => {
      const page = await agent.open(`${server.url}device`);
      return agent.submit(page, { user_code: userCode });
    };
    const answer = async (agent: UserAgent, userCode: string, decision: string) => {
      const page = await enter(agent, userCode);
      assert.equal(page.status, 200, page.text.slice(0, 600));
      return agent.submit(page, { decision });
    };

    it("logs a device in whose code a person enters, and names the app, the code and the scopes first", async () => {
      const started = await start({
        audience: SHOP,
        scope: "openid email offline_access orders:read orders:create",
      });
      assert.equal(started["verification_uri"], `${server.url}device`);
      assert.equal(Number(started["interval"]), 5);
      const first = await poll(started.device_code);
      assert.deepEqual([first.status, first.body["error"]], [403, "authorization_pending"]);
      const page = await enter(person.agent, started.user_code.toLowerCase().replace("-", " "));
      assert.match(page.text, /Television/);
      assert.ok(page.text.includes(started.user_code));
      assert.match(page.text, /See your orders/);
      assert.doesNotMatch(page.text, /Place orders/, "the client may not have it");
      const done = await person.agent.submit(page, { decision: "allow" });
      assert.match(done.text, /The device is logged in/);
      const { status, body } = await poll(started.device_code);
      assert.equal(status, 200, JSON.stringify(body));
      const { claims } = decode(body["access_token"] ?? "");
      assert.equal(claims["sub"], person.userId);
      assert.ok([claims["aud"]].flat().includes(SHOP));
      assert.equal(claims["scope"], "openid email offline_access orders:read");
      assert.equal(decode(body["id_token"] ?? "").claims["email"], person.email);
      const refreshed = await post(`${server.url}oauth/token`, {
        grant_type: "refresh_token",
        refresh_token: body["refresh_token"] ?? "",
        client_id: "television",
      });
      assert.equal(refreshed.status, 200);
    });

    it("is announced, and works as openid-client does it", async () => {
      const party = await relyingParty(server.url, "television", null);
      assert.equal(party.serverMetadata().device_authorization_endpoint, `${server.url}oauth/device/code`);
      const started = await client.initiateDeviceAuthorization(party, { scope: "openid" });
      await answer(person.agent, started.user_code, "allow");
      const tokens = await client.pollDeviceAuthorizationGrant(party, { ...started, interval: 0 });
      assert.equal(tokens.claims()?.sub, person.userId);
    });

    it("asks also whoever follows the link that has the code, after they have logged in", async () => {
      const started = await start();
      const stranger = await createUserAgent().open(started["verification_uri_complete"] ?? "");
      assert.match(stranger.text, /Log in/);
      const page = await person.agent.open(started["verification_uri_complete"] ?? "");
      assert.ok(page.text.includes(started.user_code));
      assert.equal((await poll(started.device_code)).body["error"], "authorization_pending");
    });

    it("gives nothing to a device that the person refuses, however often it asks", async () => {
      const started = await start();
      const page = await answer(person.agent, started.user_code, "deny");
      assert.match(page.text, /was not logged in/);
      for (let i = 0; i < 2; i++) {
        const { status, body } = await poll(started.device_code);
        assert.deepEqual([status, body["error"]], [403, "access_denied"]);
      }
      const again = await enter(person.agent, started.user_code);
      assert.equal(again.status, 400);
    });

    it("tells a device that asks too fast to slow down, and holds it to the longer interval", async () => {
      const started = await start();
      assert.equal((await poll(started.device_code)).body["error"], "authorization_pending");
      const fast = await fetch(`${server.url}oauth/token`, {
        method: "POST",
        body: new URLSearchParams({
          grant_type: GRANT,
          device_code: started.device_code,
          client_id: "television",
        }),
      });
      assert.equal(fast.status, 429);
      assert.equal(fast.headers.get("retry-after"), "10");
      assert.equal(fast.headers.get("content-type"), "application/json");
      assert.equal((await fast.json()).error, "slow_down");
      time.ahead += 6_000;
      assert.equal(
        (await poll(started.device_code)).body["error"],
        "slow_down",
        "six seconds are too few now",
      );
      time.ahead += 16_000;
      assert.equal((await poll(started.device_code)).body["error"], "authorization_pending");
    });

    it("says that the code has expired, to the device and to the person", async () => {
      const started = await start();
      const opened = await enter(person.agent, started.user_code);
      time.ahead += 901_000;
      const { status, body } = await poll(started.device_code);
      assert.deepEqual([status, body["error"]], [403, "expired_token"]);
      const late = await person.agent.submit(opened, { decision: "allow" });
      assert.match(late.text, /no longer good/);
      assert.equal((await enter(person.agent, started.user_code)).status, 400);
    });

    it("gives tokens to one of 64 callers that redeem one code at once", async () => {
      const started = await start();
      await answer(person.agent, started.user_code, "allow");
      const answers = await Promise.all(Array.from({ length: 64 }, () => poll(started.device_code)));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      for (const { status, body } of answers)
        if (status !== 200) assert.deepEqual([status, body["error"]], [400, "invalid_grant"]);
    });

    it("takes one answer of many that a person sends at once", async () => {
      const started = await start();
      const page = await enter(person.agent, started.user_code);
      const pages = await Promise.all(
        Array.from({ length: 16 }, (_, i) =>
          person.agent.submit(page, { decision: i % 2 === 0 ? "allow" : "deny" }),
        ),
      );
      assert.equal(pages.filter(({ status }) => status === 200).length, 1);
    });

    /** better-auth CVE-2026-45337 */
    it("lets nobody answer for a code that somebody else has opened", async () => {
      const started = await start();
      const mine = await enter(person.agent, started.user_code);
      const other = await signUp(server.url);
      const theirs = await enter(other.agent, started.user_code);
      assert.equal(theirs.status, 400);
      const form = await other.agent.open(`${server.url}device`);
      const { fields = {} } = form.forms[0] ?? {};
      const forced = await other.agent.submit(
        { ...form, forms: [{ action: "/device/answer", method: "post", fields }] },
        { user_code: started.user_code, decision: "allow" },
      );
      assert.match(forced.text, /no longer good/);
      assert.equal((await poll(started.device_code)).body["error"], "authorization_pending");
      await person.agent.submit(mine, { decision: "allow" });
      const { body } = await poll(started.device_code);
      assert.equal(decode(body["id_token"] ?? "").claims["sub"], person.userId);
    });

    it("lets a code be answered by nobody who has not opened it", async () => {
      const started = await start();
      const form = await person.agent.open(`${server.url}device`);
      const { fields = {} } = form.forms[0] ?? {};
      const forced = await person.agent.submit(
        { ...form, forms: [{ action: "/device/answer", method: "post", fields }] },
        { user_code: started.user_code, decision: "allow" },
      );
      assert.match(forced.text, /no longer good/);
    });

    it("takes no form of another site, nor one without the session's token", async () => {
      const started = await start();
      const page = await enter(person.agent, started.user_code);
      const forged = await person.agent.submit(page, { decision: "allow", csrf: "x" });
      assert.equal(forged.status, 403);
      const { csrf = "" } = page.forms[0]?.fields ?? {};
      const foreign = await person.agent.fetch(`${server.url}device/answer`, {
        method: "POST",
        headers: { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
        body: new URLSearchParams({ csrf, user_code: started.user_code, decision: "allow" }),
      });
      assert.equal(foreign.status, 403);
      assert.equal((await poll(started.device_code)).body["error"], "authorization_pending");
    });

    it("lets nobody try many codes", async () => {
      const guesser = await signUp(server.url);
      const statuses: number[] = [];
      for (let i = 0; i < 11; i++) statuses.push((await enter(guesser.agent, "BCDF-GHJK")).status);
      assert.deepEqual(statuses, [...new Array<number>(10).fill(400), 429]);
      const started = await start();
      assert.equal((await enter(guesser.agent, started.user_code)).status, 429);
      assert.equal((await enter(person.agent, started.user_code)).status, 200, "others go on");
    });

    it("belongs to one client", async () => {
      const started = await start();
      await answer(person.agent, started.user_code, "allow");
      const theirs = await poll(started.device_code, { client_id: "radio" });
      assert.deepEqual([theirs.status, theirs.body["error"]], [400, "invalid_grant"]);
      assert.equal((await poll(started.device_code)).status, 200);
    });

    it("is refused to a client without the grant, and to one that does not prove itself", async () => {
      const spa = await post(`${server.url}oauth/device/code`, { client_id: "spa", scope: "openid" });
      assert.equal(spa.status, 400);
      assert.match(spa.body["error"] ?? "", /unauthorized_client|invalid_request/);
      const unproven = await post(`${server.url}oauth/device/code`, {
        client_id: "assistant",
        scope: "openid",
      });
      assert.equal(unproven.status, 401);
      const unknown = await poll("nothing-that-exists");
      assert.deepEqual([unknown.status, unknown.body["error"]], [400, "invalid_grant"]);
    });

    it("runs a tool of our SDK once the person has logged in elsewhere", async () => {
      const behalf = createBehalf({
        issuer: server.url,
        clientId: "assistant",
        clientSecret: TEST_SECRET,
        store: createMemoryStore(),
      });
      const tool = behalf.withDeviceAuthorization(
        { toolName: "orders", scopes: ["orders:read"], audience: SHOP },
        async () => getDeviceAuthorizationCredentials().accessToken,
      );
      const run = () =>
        runWithContext({ userId: person.userId, threadId: "t" }, () => tool({}, { toolCallId: "1" }));
      const pending = await run().then(
        () => assert.fail("it should wait"),
        (error: unknown) => error,
      );
      assert.ok(pending instanceof Interrupt && pending.code === "device.pending", String(pending));
      const { userCode = "" } = pending.toJSON().device ?? {};
      await answer(person.agent, userCode, "allow");
      time.ahead += 6_000;
      assert.equal(decode(await run())["claims"]["sub"], person.userId);
    });
  });
