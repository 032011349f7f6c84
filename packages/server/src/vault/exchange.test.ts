import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { reveal } from "../lib/secret.ts";
import { testEngines } from "../storage/testing.ts";
import { connect, createBench, refusal, testClient } from "./testing.ts";

/** What the provider lets a token do. */
async function calendarStatus(url: string, token: string): Promise<number> {
  const response = await fetch(`${url}/calendar/v1/events`, {
    headers: { authorization: `Bearer ${token}` },
  });
  await response.arrayBuffer();
  return response.status;
}

for (const engine of testEngines()) {
  describe(`exchanging on ${engine.name}`, () => {
    it("gives a token that works at the provider, with what is left of its life", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { scopes: ["calendar.read"] });
      bench.clock.advance(600_000);
      const token = await bench.exchange();
      assert.equal(await calendarStatus(bench.provider.url, reveal(token.accessToken)), 200);
      assert.equal(token.expiresInSeconds, 3_000);
      assert.deepEqual(token.scopes, ["calendar.read", "email", "offline_access", "profile"]);
      assert.equal(bench.refreshes(), 0);
    });

    it("records each release before it happens, and releases nothing that it cannot record", async () => {
      await using bench = await createBench(engine);
      const { id } = await connect(bench);
      await bench.exchange();
      const { events } = await bench.deps.audit.list({ action: "vault.token_released" });
      assert.equal(events.length, 1);
      assert.equal(events[0]?.object_id, id);
      assert.equal(events[0]?.client_id, "agent");
      assert.equal(events[0]?.user_id, bench.anne.id);
      const broken = { ...bench.deps.audit, append: () => Promise.reject(new Error("the log is away")) };
      const other = await bench.another({ audit: broken });
      const client = testClient("agent", []);
      const call = other.exchange({ client, subject: { userId: bench.anne.id }, connection: "calendar" });
      await assert.rejects(call, /the log is away/);
    });

    it("refuses a user who connected nothing, and an account that is not the one named", async () => {
      await using bench = await createBench(engine);
      await refusal(bench.exchange(), "vault.not_connected");
      await connect(bench);
      await refusal(bench.exchange({ loginHint: "acc_work" }), "vault.not_connected");
      await refusal(bench.exchange({ subject: { userId: bench.ben.id } }), "vault.not_connected");
    });

    it("asks which of several accounts is meant, and takes id, label or our id for an answer", async () => {
      await using bench = await createBench(engine);
      const personal = await connect(bench, { account: "acc_personal" });
      const work = await connect(bench, { account: "acc_work" });
      const { accounts } = await refusal(bench.exchange(), "vault.account_ambiguous");
      assert.deepEqual(accounts, [
        { id: personal["id"], label: "anne.lee@calendar.example", login_hint: "acc_personal" },
        { id: work["id"], label: "anne.lee@work.example", login_hint: "acc_work" },
      ]);
      for (const loginHint of ["acc_work", "anne.lee@work.example", String(work["id"])])
        assert.equal((await bench.exchange({ loginHint })).accountId, work["id"]);
    });

    it("refuses an unknown connection, and says nothing of users", async () => {
      await using bench = await createBench(engine);
      await refusal(
        bench.exchange({ connection: "nowhere", subject: { userId: "usr_none" } }),
        "vault.unknown_connection",
      );
    });

    it("refuses an agent without the connection, one that was switched off, and one that is gone", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      const agent = testClient("agent", ["calendar.read"]);
      const cases = [
        { ...agent, agent: undefined },
        { ...agent, disabledAt: 1 },
        { ...agent, agent: { owner: "Example Ltd", purpose: "Nothing", connections: {} } },
      ];
      for (const client of cases) {
        bench.clients.set("agent", client);
        await refusal(bench.exchange(), "vault.agent_not_allowed");
      }
      bench.clients.delete("agent");
      await refusal(bench.exchange(), "vault.agent_not_allowed");
      const { events } = await bench.deps.audit.list({ action: "vault.token_refused" });
      assert.equal(events.length, 4);
    });

    it("does not take a name of every object for a connection of the policy", async () => {
      await using bench = await createBench(engine, { connection: { name: "constructor" } });
      await refusal(bench.exchange({ connection: "constructor" }), "vault.agent_not_allowed");
    });

    it("refuses a user who was switched off", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      const db = bench.deps.storage.db<{ users: { id: string; disabled_at: number } }>();
      await db.updateTable("users").set({ disabled_at: 1 }).where("id", "=", bench.anne.id).execute();
      await refusal(bench.exchange(), "vault.subject_invalid");
      await refusal(bench.exchange({ subject: { userId: "usr_none" } }), "vault.subject_invalid");
    });

    it("asks for consent only when a scope was asked for that is not granted", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { scopes: ["calendar.read"] });
      const { scopes } = await refusal(
        bench.exchange({ scopes: ["calendar.read", "calendar.write"] }),
        "vault.scope_missing",
      );
      assert.deepEqual(scopes, ["calendar.write"]);
      await bench.exchange();
    });

    it("refuses to ask for a scope that the agent may not have", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      const client = testClient("reader", []);
      const { scopes } = await refusal(
        bench.exchange({ client, scopes: ["calendar.write"] }),
        "vault.scope_not_allowed",
      );
      assert.deepEqual(scopes, ["calendar.write"]);
    });
  });

  describe(`narrowing on ${engine.name}`, () => {
    const reader = testClient("reader", []);

    it("gives an agent a token with only what it may have, though the account has more", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { scopes: ["calendar.read", "calendar.write"] });
      const token = await bench.exchange({ client: reader });
      assert.deepEqual(token.scopes, ["calendar.read"]);
      const value = reveal(token.accessToken);
      assert.equal(await calendarStatus(bench.provider.url, value), 200);
      const add = await fetch(`${bench.provider.url}/calendar/v1/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${value}`, "content-type": "application/json" },
        body: "{}",
      });
      assert.equal(add.status, 403);
    });

    it("asks the provider once for the same scopes, and again when the token ages", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { scopes: ["calendar.read", "calendar.write"] });
      const first = await bench.exchange({ client: reader });
      const again = await bench.exchange({ client: reader });
      assert.equal(reveal(again.accessToken), reveal(first.accessToken));
      assert.equal(bench.refreshes(), 1);
      bench.clock.advance(3_000_000);
      const later = await bench.exchange({ client: reader });
      assert.notEqual(reveal(later.accessToken), reveal(first.accessToken));
    });

    it("makes one request for many callers at once", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { scopes: ["calendar.read", "calendar.write"] });
      const calls = Array.from({ length: 32 }, () => bench.exchange({ client: reader }));
      const values = (await Promise.all(calls)).map((token) => reveal(token.accessToken));
      assert.equal(new Set(values).size, 1);
      assert.equal(bench.refreshes(), 1);
    });

    it("narrows to what was asked for, below what the agent may have", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { scopes: ["calendar.read", "calendar.write"] });
      const token = await bench.exchange({ scopes: ["calendar.read"] });
      assert.deepEqual(token.scopes, ["calendar.read"]);
    });

    it("keeps the refresh token that a rotating provider sends along with a narrow token", async () => {
      await using bench = await createBench(engine, {
        connection: { rotation: "strict", narrowing: "keeps_grant" },
      });
      bench.provider.switches.set({ rotation: "strict" });
      await connect(bench, { scopes: ["calendar.read", "calendar.write"] });
      await bench.exchange({ client: reader });
      bench.clock.advance(3_000_000);
      await Promise.all([bench.exchange({ client: reader }), bench.exchange()]);
      assert.equal(bench.refreshes(), 3);
      assert.ok(bench.provider.grants().every((grant) => grant.revoked_at === null));
    });

    it("refuses where narrowing would cost the grant its other scopes, without asking the provider", async () => {
      await using bench = await createBench(engine, { connection: { rotation: "strict" } });
      await connect(bench, { scopes: ["calendar.read", "calendar.write"] });
      await refusal(bench.exchange({ client: reader }), "vault.scope_not_allowed");
      assert.equal(bench.refreshes(), 0);
      assert.deepEqual((await bench.exchange()).scopes.includes("calendar.write"), true);
    });

    it("gives the whole token to an agent whose policy lacks only what the server asked for itself", async () => {
      await using bench = await createBench(engine, { connection: { rotation: "strict" } });
      await connect(bench, { scopes: ["calendar.read"] });
      const token = await bench.exchange({ client: reader });
      assert.ok(token.scopes.includes("calendar.read"));
      assert.equal(bench.refreshes(), 0);
    });

    it("refuses, rather than hand out too much, when the provider says more than was asked for", async () => {
      await using bench = await createBench(engine, { deps: {} });
      await connect(bench, { scopes: ["calendar.read", "calendar.write"] });
      // A provider that overlooks the parameter: it never sees it.
      const deaf = await bench.another({
        egress: {
          fetch: (url, init) =>
            bench.deps.egress.fetch(url, {
              ...init,
              ...(init?.body ? { body: init.body.replace(/&scope=[^&]*/, "") } : {}),
            }),
        },
      });
      const call = () =>
        deaf.exchange({ client: reader, subject: { userId: bench.anne.id }, connection: "calendar" });
      const { scopes } = await refusal(call(), "vault.scope_not_allowed");
      assert.deepEqual(scopes, ["calendar.write"]);
      await refusal(call(), "vault.scope_not_allowed");
      assert.equal(bench.refreshes(), 1, "it is not asked again at each call");
    });

    it("refuses when the provider does not say which scopes the token has", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { scopes: ["calendar.read", "calendar.write"] });
      const silent = await bench.another({
        egress: {
          async fetch(url, init) {
            const response = await bench.deps.egress.fetch(url, init);
            const body = JSON.parse(await response.text()) as Record<string, unknown>;
            const { scope: _scope, ...rest } = body;
            return Response.json(rest, { status: response.status });
          },
        },
      });
      await refusal(
        silent.exchange({ client: reader, subject: { userId: bench.anne.id }, connection: "calendar" }),
        "vault.scope_not_allowed",
      );
    });

    it("refuses an agent that may have nothing of what was granted", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { scopes: ["calendar.read"] });
      bench.clients.set("reader", testClient("reader", []));
      await refusal(bench.exchange({ client: reader }), "vault.scope_not_allowed");
      assert.equal(bench.refreshes(), 0);
    });
  });
}
