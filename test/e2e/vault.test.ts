import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { RunningProvider } from "@behalf/sandbox";
import { dumpDatabase } from "../support/dump.ts";
import { engines } from "../support/engines.ts";
import { logIn, type Person, signUp } from "../support/person.ts";
import { APP_URL, TEST_SECRET, type TestServer } from "../support/server.ts";
import {
  accountToken,
  allowCalendar,
  type CalendarProvider,
  callAccounts,
  completeConnect,
  connectAccount,
  connectInBrowser,
  exchange,
  startCalendar,
  startConnect,
  startVaultServer,
} from "../support/vault.ts";

/** Life of an access token at the provider: short, so that many may expire while our own tokens live. */
const LIFE_SECONDS = 60;
const EXPIRED_MS = (LIFE_SECONDS + 1) * 1_000;
const SCOPES = ["calendar.read", "calendar.write"];

for (const engine of engines) {
  describe(`the token vault on ${engine.name}`, () => {
    let server: TestServer;
    let calendar: CalendarProvider;
    let provider: RunningProvider;
    /** Server and provider look at one clock, which may be moved on. */
    let aheadMs = 0;
    const clock = { now: () => Date.now() + aheadMs };

    before(async () => {
      const env: Record<string, string> = {};
      server = await startVaultServer({
        storage: await engine.storage(),
        clock,
        env,
        async connect(callback) {
          calendar = await startCalendar(callback, { clock: clock.now });
          Object.assign(env, calendar.env);
          return [calendar.connection];
        },
        policies: {
          assistant: { calendar: [...SCOPES, "email"] },
          other: { calendar: ["calendar.read"] },
        },
        change(config) {
          config["log"] = { level: "debug" };
        },
      });
      provider = calendar.provider;
      switches();
    });
    after(async () => {
      await server.close();
      await provider.close();
    });

    /** The strictest provider there is, with one fault more. */
    const switches = (fault: Record<string, unknown> = {}) =>
      provider.switches.set({ rotation: "strict", accessTokenLifeSeconds: LIFE_SECONDS, ...fault });

    /** Somebody with a browser, logged in to the assistant. */
    async function newcomer(): Promise<{ person: Person; refreshToken: string }> {
      const person = await signUp(server.url);
      const tokens = await logIn(server.url, person.agent);
      return { person, refreshToken: tokens.refresh_token ?? "" };
    }

    async function connected(options: { scopes?: readonly string[]; account?: string } = {}) {
      const who = await newcomer();
      const { scopes = SCOPES, account = "acc_personal" } = options;
      const atProvider = allowCalendar(account);
      const connection = { connection: "calendar", scopes, atProvider };
      const link = () => connectAccount(server.url, who.person, who.refreshToken, connection);
      return { ...who, account: await link() };
    }

    const ask = (refreshToken: string, params: Record<string, string> = {}) =>
      exchange(server.url, refreshToken, params);

    const readCalendar = (token = "") =>
      fetch(`${provider.url}/calendar/v1/events`, { headers: { authorization: `Bearer ${token}` } });

    const seqNow = () => provider.log().at(-1)?.seq ?? 0;
    const refreshesSince = (seq: number) =>
      provider.log(seq).filter((entry) => entry["grantType"] === "refresh_token");

    it("hands out a token of the account that the person connected, and the calendar takes it", async () => {
      const { refreshToken, account } = await connected();
      assert.equal(account.connection, "calendar");
      assert.deepEqual(account.scopes.toSorted(), [...SCOPES, "email"]);
      const { status, body } = await ask(refreshToken);
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body["token_type"], "Bearer");
      assert.equal(body["scope"], "calendar.read calendar.write email");
      assert.ok(Number.isInteger(body["expires_in"]) && Number(body["expires_in"]) > 0);
      const events = await (await readCalendar(body.access_token)).json();
      assert.equal(events.account, "anne.lee@calendar.example");
      assert.ok(events.events.length > 0);
    });

    it("says that the account is not connected until it is", async () => {
      const { refreshToken } = await newcomer();
      const { status, body } = await ask(refreshToken);
      assert.deepEqual([status, body.error, body.code], [401, "interaction_required", "vault.not_connected"]);
    });

    it("makes one refresh at the provider out of 64 exchanges that find the token expired", async () => {
      const { refreshToken } = await connected();
      const stale = (await ask(refreshToken)).body.access_token;
      aheadMs += EXPIRED_MS;
      assert.equal((await readCalendar(stale)).status, 401, "the token has expired");
      const before = seqNow();
      const answers = await Promise.all(Array.from({ length: 64 }, () => ask(refreshToken)));
      const tokens = new Set<string | undefined>(
        answers.map(({ status, body }) => (status === 200 ? body.access_token : body.code)),
      );
      assert.equal(tokens.size, 1, [...tokens].join(" "));
      assert.ok(!tokens.has(stale));
      assert.deepEqual(
        refreshesSince(before).map(({ outcome }) => outcome),
        ["200"],
      );
      const [token] = tokens;
      assert.equal((await readCalendar(token)).status, 200);
    });

    it("keeps an account alive through many rotations of a provider that punishes reuse", async () => {
      const { refreshToken } = await connected();
      const before = seqNow();
      for (let round = 1; round <= 5; round++) {
        aheadMs += EXPIRED_MS;
        const answers = await Promise.all(Array.from({ length: 8 }, () => ask(refreshToken)));
        assert.ok(answers.every(({ status }) => status === 200));
        assert.equal(refreshesSince(before).length, round);
      }
    });

    it("passes on that the provider is down, then goes on", async () => {
      const { refreshToken } = await connected();
      aheadMs += EXPIRED_MS;
      switches({ status429: { retryAfterSeconds: 30, times: 1 } });
      const down = await ask(refreshToken);
      assert.deepEqual(
        [down.status, down.body.error, down.body.code],
        [503, "temporarily_unavailable", "vault.provider_unavailable"],
      );
      assert.ok(Number(down.headers.get("retry-after")) > 0);
      const before = seqNow();
      assert.equal((await ask(refreshToken)).status, 503);
      assert.equal(refreshesSince(before).length, 0, "the provider is left alone until then");
      aheadMs += 31_000;
      assert.equal((await ask(refreshToken)).status, 200);
    });

    it("says that only the person can go on when access was removed at the provider", async () => {
      const { refreshToken, account } = await connected({ account: "acc_household" });
      await fetch(`${provider.url}/_sandbox/grants/revoke`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ account: "acc_household" }),
      });
      aheadMs += EXPIRED_MS;
      const { status, body } = await ask(refreshToken);
      assert.deepEqual(
        [status, body.error, body.code],
        [401, "interaction_required", "vault.account_broken"],
      );
      assert.ok(account.id);
    });

    it("links nothing for somebody else who opens the link", async () => {
      const { refreshToken } = await newcomer();
      const stranger = await newcomer();
      const started = await startConnect(server.url, refreshToken, {
        connection: "calendar",
        scopes: SCOPES,
      });
      const before = seqNow();
      const page = await stranger.person.agent.open(started.link);
      assert.equal(page.status, 403);
      assert.equal(provider.log(before).length, 0, "the stranger was not sent on to the provider");
      const forged = new URL(`${APP_URL}/?connect_code=${"x".repeat(43)}`);
      const refusal = await (await completeConnect(server.url, started, forged)).json();
      assert.equal(refusal.code, "vault.connect_invalid");
      assert.equal((await ask(refreshToken)).body.code, "vault.not_connected");
      assert.equal((await ask(stranger.refreshToken)).body.code, "vault.not_connected");
    });

    it("completes a connection for the person who started it alone", async () => {
      const { person, refreshToken } = await newcomer();
      const stranger = await newcomer();
      const started = await startConnect(server.url, refreshToken, {
        connection: "calendar",
        scopes: SCOPES,
      });
      const callback = await connectInBrowser(person.agent, started.link, allowCalendar());
      const token = await accountToken(server.url, stranger.refreshToken);
      const theft = await completeConnect(server.url, { ...started, token }, callback);
      assert.deepEqual([theft.status, (await theft.json()).code], [400, "vault.connect_invalid"]);
      assert.equal((await ask(stranger.refreshToken)).body.code, "vault.not_connected");
      assert.equal((await completeConnect(server.url, started, callback)).status, 201);
      assert.equal((await ask(refreshToken)).status, 200);
    });

    it("completes a connection once", async () => {
      const { person, refreshToken } = await newcomer();
      const started = await startConnect(server.url, refreshToken, {
        connection: "calendar",
        scopes: SCOPES,
      });
      const callback = await connectInBrowser(person.agent, started.link, allowCalendar());
      const answers = await Promise.all(
        Array.from({ length: 16 }, () => completeConnect(server.url, started, callback)),
      );
      assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, ...Array(15).fill(400)]);
    });

    it("comes back with access_denied when the person says no at the provider, and links nothing", async () => {
      const { person, refreshToken } = await newcomer();
      const started = await startConnect(server.url, refreshToken, {
        connection: "calendar",
        scopes: SCOPES,
      });
      const stopAt = (address: string) => address.startsWith(APP_URL);
      const asked = await person.agent.open(started.link);
      const denied = await person.agent.submit(asked, { decision: "deny" }, { stopAt });
      assert.equal(new URL(denied.address).searchParams.get("error"), "access_denied");
      assert.equal((await ask(refreshToken)).body.code, "vault.not_connected");
    });

    it("revokes at the provider what the person does not confirm", async () => {
      const { person, refreshToken } = await newcomer();
      const started = await startConnect(server.url, refreshToken, {
        connection: "calendar",
        scopes: SCOPES,
      });
      const page = await allowCalendar("acc_work")(person.agent, await person.agent.open(started.link));
      const stopAt = (address: string) => address.startsWith(APP_URL);
      const back = await person.agent.submit(page, { decision: "cancel" }, { stopAt });
      assert.equal(new URL(back.address).searchParams.get("error"), "access_denied");
      await until(() => provider.grants().findLast((grant) => grant.account_id === "acc_work")?.revoked_at);
    });

    it("refuses a scope that the agent may not have, and records who asked", async () => {
      const { person } = await connected();
      const agent = await logIn(server.url, person.agent, {}, "other");
      const refreshToken = agent.refresh_token ?? "";
      const { status, body } = await ask(refreshToken, { client_id: "other", scope: "calendar.write" });
      assert.deepEqual([status, body.error, body.code], [403, "invalid_scope", "vault.scope_not_allowed"]);
      assert.deepEqual(body["scopes"], ["calendar.write"]);
      const { events } = await server.services.audit.list({
        userId: person.userId,
        action: "vault.token_refused",
      });
      assert.deepEqual(
        events.map(({ client_id, details }) => [client_id, details["code"]]),
        [["other", "vault.scope_not_allowed"]],
      );
    });

    it("gives an agent no more than its policy allows of what the person granted", async () => {
      const { person } = await connected();
      const agent = await logIn(server.url, person.agent, {}, "other");
      const { body } = await ask(agent.refresh_token ?? "", { client_id: "other" });
      assert.equal(body["scope"], "calendar.read", JSON.stringify(body));
      assert.equal((await readCalendar(body.access_token)).status, 200);
      const write = await fetch(`${provider.url}/calendar/v1/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${body.access_token}`, "content-type": "application/json" },
        body: JSON.stringify({ title: "x", start: "2030-01-01T10:00:00Z", end: "2030-01-01T11:00:00Z" }),
      });
      assert.equal(write.status, 403);
    });

    it("names a scope that the agent may have and the person has not granted", async () => {
      const { refreshToken } = await connected({ scopes: ["calendar.read"] });
      const { status, body } = await ask(refreshToken, { scope: "calendar.write" });
      assert.deepEqual([status, body.error, body.code], [401, "consent_required", "vault.scope_missing"]);
    });

    it("asks which account is meant when there are two, and takes a hint", async () => {
      const { person, refreshToken } = await connected();
      const atProvider = allowCalendar("acc_work");
      await connectAccount(server.url, person, refreshToken, {
        connection: "calendar",
        scopes: SCOPES,
        atProvider,
      });
      const { body } = await ask(refreshToken);
      assert.equal(body.code, "vault.account_ambiguous");
      const work = await ask(refreshToken, { login_hint: "acc_work" });
      const events = await (await readCalendar(work.body.access_token)).json();
      assert.equal(events.account, "anne.lee@work.example");
      assert.equal((await ask(refreshToken, { login_hint: "acc_else" })).body.code, "vault.not_connected");
    });

    it("refuses another client's refresh token, an access token, and a subject token that was cut", async () => {
      const { person, refreshToken } = await connected();
      const other = await logIn(server.url, person.agent, {}, "other");
      const subjects = [other.refresh_token ?? "", other.access_token, refreshToken.slice(0, -1)];
      for (const subject of subjects) {
        const { status, body } = await ask(subject);
        assert.deepEqual([status, body.error, body.code], [400, "invalid_grant", "vault.subject_invalid"]);
      }
    });

    it("gives nothing to an agent that was switched off, and goes on when it is on again", async () => {
      const { refreshToken } = await connected();
      await server.services.admin.clients.setDisabled("assistant", true);
      const { status, body } = await ask(refreshToken);
      await server.services.admin.clients.setDisabled("assistant", false);
      assert.deepEqual([status, body.error], [401, "invalid_client"], JSON.stringify(body));
      assert.equal((await ask(refreshToken)).status, 200);
    });

    it("revokes at the provider what is disconnected, and says not connected from then on", async () => {
      const { refreshToken, account } = await connected();
      const released = (await ask(refreshToken)).body.access_token;
      assert.equal((await readCalendar(released)).status, 200);
      const token = await accountToken(server.url, refreshToken);
      const gone = await callAccounts(server.url, token, {
        method: "DELETE",
        path: `/accounts/${account.id}`,
      });
      assert.equal(gone.status, 204);
      assert.equal((await ask(refreshToken)).body.code, "vault.not_connected");
      await until(async () => (await readCalendar(released)).status === 401);
      const list = await (await callAccounts(server.url, token, { path: "/accounts" })).json();
      assert.deepEqual(list, { accounts: [] });
    });

    it("does not let one person disconnect another's account", async () => {
      const { refreshToken, account } = await connected();
      const stranger = await newcomer();
      const token = await accountToken(server.url, stranger.refreshToken);
      const answer = await callAccounts(server.url, token, {
        method: "DELETE",
        path: `/accounts/${account.id}`,
      });
      assert.deepEqual([answer.status, (await answer.json()).code], [404, "vault.account_unknown"]);
      assert.equal((await ask(refreshToken)).status, 200);
    });

    it("records each release once, in a chain that holds", async () => {
      const { person, refreshToken, account } = await connected();
      await Promise.all(Array.from({ length: 10 }, () => ask(refreshToken)));
      const { events } = await server.services.audit.list({
        userId: person.userId,
        action: "vault.token_released",
      });
      assert.equal(events.length, 10);
      for (const event of events)
        assert.deepEqual(
          [event.client_id, event.object_id, event.details],
          ["assistant", account.id, { connection: "calendar", scopes: "calendar.read calendar.write email" }],
        );
      const verdict = await server.services.audit.verify();
      assert.equal(verdict.ok, true, JSON.stringify(verdict));
    });

    it("keeps no token, code or secret of a provider in clear, at any step", async () => {
      const { person, refreshToken } = await newcomer();
      const started = await startConnect(server.url, refreshToken, {
        connection: "calendar",
        scopes: SCOPES,
      });
      const parked = await allowCalendar()(person.agent, await person.agent.open(started.link));
      const whileParked = await dumpDatabase(server);
      const stopAt = (address: string) => address.startsWith(APP_URL);
      const done = await person.agent.submit(parked, { decision: "confirm" }, { stopAt });
      const callback = new URL(done.address);
      const confirmed = await dumpDatabase(server);
      await completeConnect(server.url, started, callback);
      aheadMs += EXPIRED_MS;
      const { body } = await ask(refreshToken);
      const released = body.access_token ?? "";
      const narrow = await ask(refreshToken, { scope: "calendar.read" });
      const sinks = [whileParked, confirmed, await dumpDatabase(server), server.log.join("")].join("\n");
      const canaries = {
        "an access token": released,
        "a narrow access token": narrow.body.access_token,
        "an access token in hexadecimal": Buffer.from(released).toString("hex"),
        "an access token in base64": Buffer.from(released).toString("base64").replace(/=+$/, ""),
        "the client secret at the provider": calendar.env["CALENDAR_SECRET"],
        "the client secret": TEST_SECRET,
        "a ticket": new URL(started.link).searchParams.get("ticket"),
        "an auth_session": started.authSession,
        "a connect_code": callback.searchParams.get("connect_code"),
        "a refresh token of ours": refreshToken,
      };
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

/** Waits until `check` is truthy, at most ten seconds: for what the server does in the background. */
async function until(check: () => unknown): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error("it did not happen within ten seconds");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
