import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import { createBench, purchase } from "./testing.ts";

const MINUTE = 60_000;

for (const engine of testEngines()) {
  describe(`polling on ${engine.name}`, () => {
    it("says pending to the first poll however early it comes", async () => {
      await using bench = await createBench(engine);
      const { key } = await bench.open();
      assert.deepEqual(await bench.approvals.poll(key), { state: "pending" });
    });

    it("says pending to polls that keep the interval", async () => {
      await using bench = await createBench(engine);
      const { key } = await bench.open();
      for (let i = 0; i < 4; i++) {
        assert.deepEqual(await bench.approvals.poll(key), { state: "pending" });
        bench.clock.advance(5_000);
      }
    });

    it("says slow_down to a poll that comes too early, and asks five seconds more each time", async () => {
      await using bench = await createBench(engine);
      const { key } = await bench.open();
      await bench.approvals.poll(key);
      bench.clock.advance(4_999);
      assert.deepEqual(await bench.approvals.poll(key), { state: "slow_down", retryAfterSeconds: 10 });
      bench.clock.advance(9_999);
      assert.deepEqual(await bench.approvals.poll(key), { state: "slow_down", retryAfterSeconds: 15 });
      bench.clock.advance(15_000);
      assert.deepEqual(await bench.approvals.poll(key), { state: "pending" });
    });

    it("never asks for more than a minute, and answers one of 64 polls at once with pending", async () => {
      await using bench = await createBench(engine);
      const { key } = await bench.open();
      const answers = await Promise.all(Array.from({ length: 64 }, () => bench.approvals.poll(key)));
      assert.equal(answers.filter(({ state }) => state === "pending").length, 1);
      const waits = answers.flatMap((answer) =>
        answer.state === "slow_down" ? [answer.retryAfterSeconds] : [],
      );
      assert.equal(waits.length, 63);
      assert.equal(Math.max(...waits), 60);
    });

    it("hands an answer out at once, however early the poll comes", async () => {
      await using bench = await createBench(engine);
      const yes = await bench.open();
      const no = await bench.open();
      for (const { key } of [yes, no]) await bench.approvals.poll(key);
      await bench.answer(yes, "approve");
      await bench.answer(no, "deny");
      const answer = await bench.approvals.poll(yes.key);
      assert.equal(answer.state, "approved");
      assert.deepEqual(answer.state === "approved" && answer.approval.details, [purchase]);
      assert.deepEqual(await bench.approvals.poll(no.key), { state: "denied" });
    });

    it("takes nothing: an approved request stays approved", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      await bench.answer(opened, "approve");
      assert.equal((await bench.approvals.poll(opened.key)).state, "approved");
      assert.equal((await bench.approvals.poll(opened.key)).state, "approved");
    });

    it("says expired at the end of an unanswered request", async () => {
      await using bench = await createBench(engine);
      const { key } = await bench.open();
      bench.clock.advance(5 * MINUTE - 1);
      assert.deepEqual(await bench.approvals.poll(key), { state: "pending" });
      bench.clock.advance(1);
      assert.deepEqual(await bench.approvals.poll(key), { state: "expired" });
    });

    it("says redeemed once it was redeemed", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      await bench.answer(opened, "approve");
      await bench.approvals.redeem(opened.key);
      assert.deepEqual(await bench.approvals.poll(opened.key), { state: "redeemed" });
    });

    it("says unknown to another client in every state, and does not count its polls", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const foreign = { ...opened.key, clientId: "other" };
      const missing = { ...opened.key, authReqIdHash: "nothing" };
      for (let i = 0; i < 3; i++) assert.deepEqual(await bench.approvals.poll(foreign), { state: "unknown" });
      assert.deepEqual(await bench.approvals.poll(missing), { state: "unknown" });
      assert.deepEqual(await bench.approvals.poll(opened.key), { state: "pending" });
      await bench.answer(opened, "approve");
      assert.deepEqual(await bench.approvals.poll(foreign), { state: "unknown" });
      await bench.approvals.redeem(opened.key);
      assert.deepEqual(await bench.approvals.poll(foreign), { state: "unknown" });
    });
  });

  describe(`redeeming on ${engine.name}`, () => {
    it("gives the approval with exactly the approved details, and writes it down", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      await bench.answer(opened, "approve");
      const approval = await bench.approvals.redeem(opened.key);
      assert.deepEqual(
        [approval?.id, approval?.digest, approval?.details, approval?.status],
        [opened.id, opened.digest, [purchase], "redeemed"],
      );
      const { events } = await bench.deps.audit.list({ action: "approval.redeemed" });
      assert.deepEqual([events.length, events[0]?.details["digest"]], [1, opened.digest]);
    });

    it("gives nothing for a request that waits, was denied, has expired or does not exist", async () => {
      await using bench = await createBench(engine);
      const waiting = await bench.open();
      const denied = await bench.open();
      await bench.answer(denied, "deny");
      assert.equal(await bench.approvals.redeem(waiting.key), undefined);
      assert.equal(await bench.approvals.redeem(denied.key), undefined);
      bench.clock.advance(5 * MINUTE);
      assert.equal(await bench.approvals.redeem(waiting.key), undefined);
      assert.equal(await bench.approvals.redeem({ ...waiting.key, authReqIdHash: "nothing" }), undefined);
      assert.deepEqual(
        (await bench.actions()).filter((action) => action === "approval.redeemed"),
        [],
      );
    });

    it("gives nothing the second time", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      await bench.answer(opened, "approve");
      assert.ok(await bench.approvals.redeem(opened.key));
      assert.equal(await bench.approvals.redeem(opened.key), undefined);
    });

    it("gives nothing to another client, and leaves the approval to its own", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      await bench.answer(opened, "approve");
      assert.equal(await bench.approvals.redeem({ ...opened.key, clientId: "other" }), undefined);
      assert.ok(await bench.approvals.redeem(opened.key));
    });

    it("gives the approval to exactly one of 64 callers", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      await bench.answer(opened, "approve");
      const callers = Array.from({ length: 64 }, () => bench.approvals.redeem(opened.key));
      assert.equal((await Promise.all(callers)).filter(Boolean).length, 1);
      const redeemed = (await bench.actions()).filter((action) => action === "approval.redeemed");
      assert.equal(redeemed.length, 1);
    });

    it("honours an answer for ten minutes though the request has expired, and no longer", async () => {
      await using bench = await createBench(engine);
      const taken = await bench.open();
      const missed = await bench.open();
      bench.clock.advance(5 * MINUTE - 1);
      await bench.answer(taken, "approve");
      await bench.answer(missed, "approve");
      bench.clock.advance(10 * MINUTE - 1);
      assert.equal((await bench.approvals.poll(taken.key)).state, "approved");
      assert.ok(await bench.approvals.redeem(taken.key));
      bench.clock.advance(1);
      assert.deepEqual(await bench.approvals.poll(missed.key), { state: "expired" });
      assert.equal(await bench.approvals.redeem(missed.key), undefined);
    });

    it("honours an answer until the request's own expiry when that is later", async () => {
      await using bench = await createBench(engine);
      const expiresAt = bench.clock.now() + 60 * MINUTE;
      const taken = await bench.open({ expiresAt });
      const missed = await bench.open({ expiresAt });
      await bench.answer(taken, "approve");
      await bench.answer(missed, "approve");
      bench.clock.advance(60 * MINUTE - 1);
      assert.ok(await bench.approvals.redeem(taken.key));
      bench.clock.advance(1);
      assert.equal(await bench.approvals.redeem(missed.key), undefined);
    });

    for (const [what, change] of [
      ["details", { details: "[]" }],
      ["scopes", { scopes: "openid orders:write payments:write" }],
      ["audience", { audience: null }],
      ["end", { expires_at: Date.UTC(2031, 0, 1) }],
      ["user", { user_id: "usr_other" }],
    ] as const)
      it(`gives nothing when the ${what} changed after the answer, and writes that down`, async () => {
        await using bench = await createBench(engine);
        const opened = await bench.open();
        await bench.answer(opened, "approve");
        await bench.tamper(opened.id, change);
        assert.equal(await bench.approvals.redeem(opened.key), undefined);
        assert.deepEqual(await bench.actions(), [
          "approval.requested",
          "approval.approved",
          "approval.changed",
        ]);
      });
  });
}
