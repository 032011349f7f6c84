import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { dumpDatabase } from "../support/dump.ts";
import { engines } from "../support/engines.ts";
import { APP_URL, TEST_SECRET } from "../support/server.ts";
import {
  accountToken,
  allowCalendar,
  callAccounts,
  completeConnect,
  connectInBrowser,
  startConnect,
} from "../support/vault.ts";
import { CALENDAR_SCOPES, createVaultBench, until, type VaultBench } from "../support/vault-bench.ts";

const atApp = { stopAt: (address: string) => address.startsWith(APP_URL) };

for (const engine of engines) {
  describe(`connecting and disconnecting an account on ${engine.name}`, () => {
    let bench: VaultBench;

    before(async () => {
      bench = await createVaultBench(await engine.storage());
    });
    after(() => bench?.[Symbol.asyncDispose]());

    const start = (refreshToken: string) =>
      startConnect(bench.server.url, refreshToken, { connection: "calendar", scopes: CALENDAR_SCOPES });

    const complete = (...args: Parameters<typeof completeConnect> extends [string, ...infer R] ? R : never) =>
      completeConnect(bench.server.url, ...args);

    const codeFor = async (refreshToken: string) => (await bench.ask(refreshToken)).body.code;

    it("lists what was connected, with the scopes that were granted", async () => {
      const { refreshToken, account } = await bench.connected();
      assert.deepEqual(account.scopes.toSorted(), [...CALENDAR_SCOPES, "email"]);
      const token = await accountToken(bench.server.url, refreshToken);
      const { accounts } = await (await callAccounts(bench.server.url, token, { path: "/accounts" })).json();
      assert.deepEqual(accounts, [account]);
    });

    it("links nothing for somebody else who opens the link", async () => {
      const { refreshToken } = await bench.newcomer();
      const stranger = await bench.newcomer();
      const started = await start(refreshToken);
      const before = bench.seqNow();
      const page = await stranger.person.agent.open(started.link);
      assert.equal(page.status, 403);
      assert.equal(bench.seqNow(), before, "the stranger was not sent on to the provider");
      const forged = new URL(`${APP_URL}/?connect_code=${"x".repeat(43)}`);
      assert.equal((await (await complete(started, forged)).json()).code, "vault.connect_invalid");
      assert.equal(await codeFor(refreshToken), "vault.not_connected");
      assert.equal(await codeFor(stranger.refreshToken), "vault.not_connected");
    });

    it("links nothing for somebody else who brings the provider's answer back", async () => {
      const { person, refreshToken } = await bench.newcomer();
      const stranger = await bench.newcomer();
      const started = await start(refreshToken);
      const stopAtCallback = { stopAt: (address: string) => address.includes("/login/callback") };
      const question = await person.agent.open(started.link);
      const answer = { account: "acc_personal", decision: "allow" };
      const returning = await person.agent.submit(question, answer, stopAtCallback);
      const page = await stranger.person.agent.open(returning.address);
      assert.equal(page.status, 403);
      assert.equal(await codeFor(stranger.refreshToken), "vault.not_connected");
      assert.equal(await codeFor(refreshToken), "vault.not_connected");
    });

    it("completes for the person who started it alone", async () => {
      const { person, refreshToken } = await bench.newcomer();
      const stranger = await bench.newcomer();
      const started = await start(refreshToken);
      const callback = await connectInBrowser(person.agent, started.link, allowCalendar());
      const token = await accountToken(bench.server.url, stranger.refreshToken);
      const theft = await complete({ ...started, token }, callback);
      assert.deepEqual([theft.status, (await theft.json()).code], [400, "vault.connect_invalid"]);
      assert.equal(await codeFor(stranger.refreshToken), "vault.not_connected");
      assert.equal((await complete(started, callback)).status, 201);
      assert.equal((await bench.ask(refreshToken)).status, 200);
    });

    it("completes once, however many ask at the same time", async () => {
      const { person, refreshToken } = await bench.newcomer();
      const started = await start(refreshToken);
      const callback = await connectInBrowser(person.agent, started.link, allowCalendar());
      const answers = await Promise.all(Array.from({ length: 16 }, () => complete(started, callback)));
      assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, ...Array(15).fill(400)]);
    });

    it("refuses a code_verifier that is not the one", async () => {
      const { person, refreshToken } = await bench.newcomer();
      const started = await start(refreshToken);
      const callback = await connectInBrowser(person.agent, started.link, allowCalendar());
      const refusal = await complete(started, callback, { code_verifier: "x".repeat(43) });
      assert.deepEqual([refusal.status, (await refusal.json()).code], [400, "vault.connect_invalid"]);
      assert.equal(await codeFor(refreshToken), "vault.not_connected");
    });

    it("comes back with access_denied when the person says no at the provider", async () => {
      const { person, refreshToken } = await bench.newcomer();
      const asked = await person.agent.open((await start(refreshToken)).link);
      const denied = await person.agent.submit(asked, { decision: "deny" }, atApp);
      assert.equal(new URL(denied.address).searchParams.get("error"), "access_denied");
      assert.equal(await codeFor(refreshToken), "vault.not_connected");
    });

    it("revokes at the provider what the person does not confirm", async () => {
      const { person, refreshToken } = await bench.newcomer();
      const asked = await person.agent.open((await start(refreshToken)).link);
      const page = await allowCalendar("acc_work")(person.agent, asked);
      const back = await person.agent.submit(page, { decision: "cancel" }, atApp);
      assert.equal(new URL(back.address).searchParams.get("error"), "access_denied");
      const ours = () => bench.provider.grants().findLast((grant) => grant.account_id === "acc_work");
      assert.ok(ours(), "the provider had made a grant");
      await until(() => ours()?.revoked_at);
    });

    it("revokes at the provider what is disconnected, and hands out nothing from then on", async () => {
      const { refreshToken, account } = await bench.connected();
      const released = (await bench.ask(refreshToken)).body.access_token;
      assert.equal((await bench.readCalendar(released)).status, 200);
      const token = await accountToken(bench.server.url, refreshToken);
      const path = `/accounts/${account.id}`;
      const gone = await callAccounts(bench.server.url, token, { method: "DELETE", path });
      assert.equal(gone.status, 204);
      assert.equal(await codeFor(refreshToken), "vault.not_connected");
      await until(async () => (await bench.readCalendar(released)).status === 401);
      const list = await callAccounts(bench.server.url, token, { path: "/accounts" });
      assert.deepEqual(await list.json(), { accounts: [] });
    });

    it("goes on revoking a disconnected account when the provider was down at first", async () => {
      const { refreshToken, account } = await bench.connected();
      const released = (await bench.ask(refreshToken)).body.access_token;
      bench.switches({ status500: { endpoints: ["revoke"] } });
      const token = await accountToken(bench.server.url, refreshToken);
      const path = `/accounts/${account.id}`;
      const gone = await callAccounts(bench.server.url, token, { method: "DELETE", path });
      assert.equal(gone.status, 204);
      assert.equal((await bench.readCalendar(released)).status, 200, "the provider knows nothing of it yet");
      assert.equal(await codeFor(refreshToken), "vault.not_connected");
      bench.switches();
      // The outbox leaves the first attempt a minute; the token itself would live as long.
      const grant = () => bench.provider.grants().at(-1);
      bench.advance(61_000);
      await until(() => grant()?.revoked_at);
    });

    it("does not let one person disconnect another's account", async () => {
      const { refreshToken, account } = await bench.connected();
      const stranger = await bench.newcomer();
      const token = await accountToken(bench.server.url, stranger.refreshToken);
      const path = `/accounts/${account.id}`;
      const answer = await callAccounts(bench.server.url, token, { method: "DELETE", path });
      assert.deepEqual([answer.status, (await answer.json()).code], [404, "vault.account_unknown"]);
      assert.equal((await bench.ask(refreshToken)).status, 200);
    });

    it("keeps no token, code or secret of a provider in clear, at any step", async () => {
      const { person, refreshToken } = await bench.newcomer();
      const started = await start(refreshToken);
      const parked = await allowCalendar()(person.agent, await person.agent.open(started.link));
      const whileParked = await dumpDatabase(bench.server);
      const done = await person.agent.submit(parked, { decision: "confirm" }, atApp);
      const callback = new URL(done.address);
      const confirmed = await dumpDatabase(bench.server);
      await complete(started, callback);
      bench.expireTokens();
      const released = (await bench.ask(refreshToken)).body.access_token ?? "";
      const narrow = (await bench.ask(refreshToken, { scope: "calendar.read" })).body.access_token;
      const sinks = [whileParked, confirmed, await dumpDatabase(bench.server), ...bench.server.log].join(
        "\n",
      );
      const canaries = {
        "an access token": released,
        "a narrow access token": narrow,
        "an access token in hexadecimal": Buffer.from(released).toString("hex"),
        "an access token in base64": Buffer.from(released).toString("base64").replace(/=+$/, ""),
        "the client secret at the provider": bench.calendar.env["CALENDAR_SECRET"],
        "the client secret": TEST_SECRET,
        "a ticket": new URL(started.link).searchParams.get("ticket"),
        "an auth_session": started.authSession,
        "a connect_code": callback.searchParams.get("connect_code"),
        "a refresh token of ours": refreshToken,
      };
      assert.ok(sinks.includes("acc_personal"), "the dump holds what may be read");
      for (const [what, canary] of Object.entries(canaries)) {
        assert.ok(canary && canary.length >= 20, `${what} exists`);
        assert.ok(!sinks.includes(canary), `${what} lies in the database or the log`);
      }
      // Whatever the provider issued begins so, the refresh tokens too, which nobody but the server saw.
      assert.match(released, /^cal_at_/);
      assert.ok(!/cal_(at|rt|code)_/.test(sinks), "something the provider issued lies there in clear");
    });
  });
}
