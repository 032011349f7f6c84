import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import type { Answer } from "./decide.ts";
import { type Bench, createBench, type Opened } from "./testing.ts";

const decide = (bench: Bench, opened: Opened, over: Partial<Answer> = {}) =>
  bench.approvals.decide({
    approvalId: opened.id,
    userId: bench.anne.id,
    decision: "approve",
    digest: opened.digest,
    authenticatedAt: bench.clock.now() - 5_000,
    ...over,
  });

const stateOf = async (bench: Bench, opened: Opened) => (await bench.approvals.poll(opened.key)).state;

for (const engine of testEngines())
  describe(`answering on ${engine.name}`, () => {
    it("records the owner's yes with its time, the login's time and an audit event with the digest", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      bench.clock.advance(1_000);
      const approval = await decide(bench, opened);
      assert.deepEqual(
        [approval.status, approval.answeredAt, approval.authenticatedAt],
        ["approved", bench.clock.now(), bench.clock.now() - 5_000],
      );
      const { events } = await bench.deps.audit.list({ action: "approval.approved" });
      assert.equal(events.length, 1);
      assert.deepEqual(
        [events[0]?.user_id, events[0]?.client_id, events[0]?.object_id, events[0]?.details["digest"]],
        [bench.anne.id, "agent", opened.id, opened.digest],
      );
    });

    it("records the owner's no", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      assert.equal((await decide(bench, opened, { decision: "deny" })).status, "denied");
      assert.deepEqual(await bench.actions(), ["approval.requested", "approval.denied"]);
    });

    it("refuses another user as if there were no such request", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const refusal = { code: "approval.not_found", status: 404 };
      await assert.rejects(decide(bench, opened, { userId: bench.ben.id }), refusal);
      await assert.rejects(decide(bench, opened, { userId: bench.ben.id, decision: "deny" }), refusal);
      await assert.rejects(decide(bench, { ...opened, id: "apr_00000000000000000000000000" }), refusal);
      assert.equal(await stateOf(bench, opened), "pending");
    });

    for (const first of ["approve", "deny"] as const)
      it(`refuses a second answer after ${first}`, async () => {
        await using bench = await createBench(engine);
        const opened = await bench.open();
        await decide(bench, opened, { decision: first });
        for (const decision of ["approve", "deny"] as const)
          await assert.rejects(decide(bench, opened, { decision }), { code: "approval.already_answered" });
        assert.equal(await stateOf(bench, opened), first === "approve" ? "approved" : "denied");
      });

    it("refuses an answer after the end, and takes one a millisecond before", async () => {
      await using bench = await createBench(engine);
      const late = await bench.open();
      const early = await bench.open();
      bench.clock.advance(299_999);
      await decide(bench, early);
      bench.clock.advance(1);
      await assert.rejects(decide(bench, late), { code: "approval.answered_too_late" });
      await assert.rejects(decide(bench, late, { decision: "deny" }), { code: "approval.answered_too_late" });
    });

    it("refuses an answer to something other than what was shown", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const other = await bench.open({ details: [] });
      for (const digest of ["", opened.digest.slice(0, 16), opened.digest.toUpperCase(), other.digest])
        for (const decision of ["approve", "deny"] as const)
          await assert.rejects(decide(bench, opened, { digest, decision }), {
            code: "approval.changed",
            status: 409,
          });
      assert.ok(!(await bench.actions()).includes("approval.changed"), "the stored request is what it was");
      assert.equal(await stateOf(bench, opened), "pending");
    });

    for (const [what, change] of [
      ["details", { details: '[{"currency":"EUR","item":"Desk lamp","total":"4990.00","type":"purchase"}]' }],
      ["details to what is not JSON", { details: "[" }],
      ["details to an object", { details: "{}" }],
      ["scopes", { scopes: "openid orders:write payments:write" }],
      ["audience", { audience: "https://evil.example/" }],
      ["client", { client_id: "other" }],
      ["end", { expires_at: Date.UTC(2031, 0, 1) }],
    ] as const)
      it(`approves nothing whose ${what} was changed in storage, writes it down, and lets it be denied`, async () => {
        await using bench = await createBench(engine);
        const opened = await bench.open();
        await bench.tamper(opened.id, change);
        await assert.rejects(decide(bench, opened), { code: "approval.changed" });
        assert.deepEqual(await bench.actions(), ["approval.requested", "approval.changed"]);
        assert.equal((await decide(bench, opened, { decision: "deny" })).status, "denied");
      });

    it("approves nothing that is changed together with its digest after it was shown", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const other = await bench.open({ details: [] });
      await bench.tamper(opened.id, { details: "[]", digest: other.digest });
      await assert.rejects(decide(bench, opened), { code: "approval.changed" });
    });

    it("approves nothing for an agent that is switched off or gone, and lets it be denied", async () => {
      await using bench = await createBench(engine);
      const first = await bench.open();
      const second = await bench.open();
      const agent = await bench.deps.clients.find("agent");
      assert.ok(agent);
      bench.clients.set("agent", { ...agent, disabledAt: bench.clock.now() });
      await assert.rejects(decide(bench, first), { code: "approval.agent_disabled", status: 403 });
      bench.clients.delete("agent");
      await assert.rejects(decide(bench, second), { code: "approval.agent_disabled" });
      assert.equal((await decide(bench, first, { decision: "deny" })).status, "denied");
      assert.equal(await stateOf(bench, second), "pending");
    });

    it("counts exactly one of 64 answers at once, and one audit event", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const results = await Promise.allSettled(
        Array.from({ length: 64 }, (_, i) =>
          decide(bench, opened, { decision: i % 2 === 0 ? "approve" : "deny" }),
        ),
      );
      const winners = results.filter((result) => result.status === "fulfilled");
      assert.equal(winners.length, 1);
      for (const result of results)
        if (result.status === "rejected") assert.equal(result.reason.code, "approval.already_answered");
      assert.equal(await stateOf(bench, opened), winners[0]?.value.status);
      const answers = (await bench.actions()).filter((action) => action !== "approval.requested");
      assert.deepEqual(answers, [`approval.${winners[0]?.value.status}`]);
    });

    it("never approves changed terms when they change at the same time", async () => {
      await using bench = await createBench(engine);
      const changed = '[{"currency":"EUR","item":"Desk lamp","total":"4990.00","type":"purchase"}]';
      for (let i = 0; i < 30; i++) {
        const opened = await bench.open();
        const [result] = await Promise.allSettled([
          decide(bench, opened),
          bench.tamper(opened.id, { details: changed }),
        ]);
        if (result.status === "fulfilled") assert.equal(result.value.details[0]?.["total"], "49.90");
        else {
          assert.equal(result.reason.code, "approval.changed");
          await decide(bench, opened, { decision: "deny" });
          bench.clock.advance(15 * 60_000);
        }
        assert.equal(await bench.approvals.redeem(opened.key), undefined, "changed by now");
      }
    });
  });
