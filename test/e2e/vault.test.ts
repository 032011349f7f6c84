import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { logIn } from "../support/person.ts";
import { exchange } from "../support/vault.ts";
import { CALENDAR_SCOPES, createVaultBench, type VaultBench } from "../support/vault-bench.ts";

const ALL_SCOPES = [...CALENDAR_SCOPES, "email"].join(" ");

for (const engine of engines) {
  describe(`tokens from the vault on ${engine.name}`, () => {
    let bench: VaultBench;

    before(async () => {
      bench = await createVaultBench(await engine.storage());
    });
    after(() => bench?.[Symbol.asyncDispose]());

    it("are of the account that the person connected, and the calendar takes them", async () => {
      const { refreshToken } = await bench.connected();
      const { status, body } = await bench.ask(refreshToken);
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body["token_type"], "Bearer");
      assert.equal(body["scope"], ALL_SCOPES);
      assert.ok(Number.isInteger(body["expires_in"]) && Number(body["expires_in"]) > 0);
      const events = await (await bench.readCalendar(body.access_token)).json();
      assert.equal(events.account, "anne.lee@calendar.example");
      assert.ok(events.events.length > 0);
    });

    it("are not to be had before the account is connected", async () => {
      const { refreshToken } = await bench.newcomer();
      const { status, body } = await bench.ask(refreshToken);
      assert.deepEqual([status, body.error, body.code], [401, "interaction_required", "vault.not_connected"]);
    });

    it("are refreshed once at the provider when 64 exchanges find one expired", async () => {
      const { refreshToken } = await bench.connected();
      const stale = (await bench.ask(refreshToken)).body.access_token;
      bench.expireTokens();
      assert.equal((await bench.readCalendar(stale)).status, 401, "the token has expired");
      const before = bench.seqNow();
      const answers = await Promise.all(Array.from({ length: 64 }, () => bench.ask(refreshToken)));
      const tokens = new Set<string | undefined>(answers.map(({ body }) => body.access_token ?? body.code));
      assert.equal(tokens.size, 1, [...tokens].join(" "));
      assert.ok(!tokens.has(stale));
      assert.deepEqual(bench.refreshesSince(before), ["200"]);
      const [token] = tokens;
      assert.equal((await bench.readCalendar(token)).status, 200);
    });

    it("outlive many rotations at a provider that punishes reuse", async () => {
      const { refreshToken } = await bench.connected();
      const before = bench.seqNow();
      for (let round = 1; round <= 5; round++) {
        bench.expireTokens();
        const answers = await Promise.all(Array.from({ length: 8 }, () => bench.ask(refreshToken)));
        assert.ok(answers.every(({ status }) => status === 200));
        assert.equal(bench.refreshesSince(before).length, round);
      }
    });

    it("wait while the provider is down, and come when it is back", async () => {
      const { refreshToken } = await bench.connected();
      bench.expireTokens();
      bench.switches({ status429: { retryAfterSeconds: 30, times: 1 } });
      const down = await bench.ask(refreshToken);
      assert.deepEqual(
        [down.status, down.body.error, down.body.code],
        [503, "temporarily_unavailable", "vault.provider_unavailable"],
      );
      assert.ok(Number(down.headers.get("retry-after")) > 0);
      const before = bench.seqNow();
      assert.equal((await bench.ask(refreshToken)).status, 503);
      assert.deepEqual(bench.refreshesSince(before), [], "the provider is left alone until then");
      bench.advance(31_000);
      assert.equal((await bench.ask(refreshToken)).status, 200);
    });

    it("are the person's to mend when access was removed at the provider", async () => {
      const who = await bench.connected({ account: "acc_household" });
      await fetch(`${bench.provider.url}/_sandbox/grants/revoke`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ account: "acc_household" }),
      });
      bench.expireTokens();
      const { status, body } = await bench.ask(who.refreshToken);
      assert.deepEqual(
        [status, body.error, body.code],
        [401, "interaction_required", "vault.account_broken"],
      );
      const mended = await bench.connect(who, { account: "acc_household" });
      assert.equal(mended.id, who.account.id, "the same account, connected again");
      assert.equal((await bench.ask(who.refreshToken)).status, 200);
    });

    it("are refused for a scope that the agent may not have, which is recorded", async () => {
      const { person } = await bench.connected();
      const agent = await logIn(bench.server.url, person.agent, {}, "other");
      const asked = { client_id: "other", scope: "calendar.write" };
      const { status, body } = await bench.ask(agent.refresh_token ?? "", asked);
      assert.deepEqual([status, body.error, body.code], [403, "invalid_scope", "vault.scope_not_allowed"]);
      assert.deepEqual(body["scopes"], ["calendar.write"]);
      const filter = { userId: person.userId, action: "vault.token_refused" };
      const { events } = await bench.server.services.audit.list(filter);
      assert.deepEqual(
        events.map(({ client_id, details }) => [client_id, details["code"]]),
        [["other", "vault.scope_not_allowed"]],
      );
    });

    it("carry no more than the agent's policy allows of what the person granted", async () => {
      const { person } = await bench.connected();
      const agent = await logIn(bench.server.url, person.agent, {}, "other");
      const { body } = await bench.ask(agent.refresh_token ?? "", { client_id: "other" });
      assert.equal(body["scope"], "calendar.read", JSON.stringify(body));
      assert.equal((await bench.readCalendar(body.access_token)).status, 200);
      const write = await fetch(`${bench.provider.url}/calendar/v1/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${body.access_token}`, "content-type": "application/json" },
        body: JSON.stringify({ title: "x", start: "2030-01-01T10:00:00Z", end: "2030-01-01T11:00:00Z" }),
      });
      assert.equal(write.status, 403);
    });

    it("are refused with the name of the scope that the person has not granted", async () => {
      const { refreshToken } = await bench.connected({ scopes: ["calendar.read"] });
      const { status, body } = await bench.ask(refreshToken, { scope: "calendar.write" });
      assert.deepEqual([status, body.error, body.code], [401, "consent_required", "vault.scope_missing"]);
      assert.deepEqual(body["scopes"], ["calendar.write"]);
    });

    it("are of the account that a hint names when there are two, and of none without", async () => {
      const who = await bench.connected();
      await bench.connect(who, { account: "acc_work" });
      assert.equal((await bench.ask(who.refreshToken)).body.code, "vault.account_ambiguous");
      const work = await bench.ask(who.refreshToken, { login_hint: "acc_work" });
      const events = await (await bench.readCalendar(work.body.access_token)).json();
      assert.equal(events.account, "anne.lee@work.example");
      const nobody = await bench.ask(who.refreshToken, { login_hint: "acc_else" });
      assert.equal(nobody.body.code, "vault.not_connected");
    });

    it("are refused for another client's refresh token, an access token, and one that was cut", async () => {
      const { person, refreshToken } = await bench.connected();
      const other = await logIn(bench.server.url, person.agent, {}, "other");
      const subjects = [other.refresh_token ?? "", other.access_token, refreshToken.slice(0, -1)];
      for (const subject of subjects) {
        const { status, body } = await bench.ask(subject);
        assert.deepEqual([status, body.error, body.code], [400, "invalid_grant", "vault.subject_invalid"]);
      }
    });

    it("are refused to an agent that is switched off, until it is on again", async () => {
      const { refreshToken } = await bench.connected();
      const { clients } = bench.server.services.admin;
      await clients.setDisabled("assistant", true);
      const { status, body } = await bench.ask(refreshToken);
      await clients.setDisabled("assistant", false);
      assert.deepEqual([status, body.error], [401, "invalid_client"], JSON.stringify(body));
      assert.equal((await bench.ask(refreshToken)).status, 200);
    });

    it("are each recorded once, in a chain that holds", async () => {
      const { person, refreshToken, account } = await bench.connected();
      await Promise.all(Array.from({ length: 10 }, () => bench.ask(refreshToken)));
      const { audit } = bench.server.services;
      const { events } = await audit.list({ userId: person.userId, action: "vault.token_released" });
      assert.equal(events.length, 10);
      const details = { connection: "calendar", scopes: ALL_SCOPES };
      for (const event of events)
        assert.deepEqual(
          [event.client_id, event.object_id, event.details],
          ["assistant", account.id, details],
        );
      const verdict = await audit.verify();
      assert.equal(verdict.ok, true, JSON.stringify(verdict));
    });
  });
}

const postgres = engines.find(({ name }) => name === "PostgreSQL");
const skip = postgres ? false : "needs PostgreSQL: set BEHALF_TEST_POSTGRES";

describe("two servers of one deployment", { skip }, () => {
  it("make one refresh between them out of 64 exchanges, at a provider that punishes a second one", async () => {
    await using bench = await createVaultBench((await postgres?.storage()) ?? "");
    const { refreshToken } = await bench.connected();
    const second = await bench.join();
    const doors = [bench.server, second].map(({ port }) => `http://localhost:${port}/`);
    for (let round = 1; round <= 3; round++) {
      bench.expireTokens();
      const answers = await Promise.all(
        Array.from({ length: 64 }, (_, i) => exchange(doors[i % 2] ?? "", refreshToken)),
      );
      const tokens = new Set(answers.map(({ body }) => body.access_token ?? body.code));
      assert.equal(tokens.size, 1, [...tokens].join(" "));
      assert.deepEqual(bench.refreshesSince(0), Array<string>(round).fill("200"));
    }
    const verdict = await second.services.audit.verify();
    assert.equal(verdict.ok, true, JSON.stringify(verdict));
  });
});
