import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testEngines } from "../../storage/testing.ts";
import { createBench } from "../testing.ts";
import { type Channel, channels, type Notice } from "./index.ts";

/** A channel that remembers what it was to send, and fails as often as it is told. */
function recorder(name: string, failures = 0): Channel & { readonly seen: Notice[] } {
  const seen: Notice[] = [];
  let left = failures;
  return {
    name,
    seen,
    async send(notice) {
      seen.push(notice);
      if (left > 0) {
        left -= 1;
        throw new Error("receiver is away");
      }
    },
  };
}

describe("registry of channels", () => {
  it("has the inbox, which needs no sending", () => {
    assert.deepEqual(
      channels.map(({ name, send }) => [name, send]),
      [["inbox", undefined]],
    );
  });
});

for (const engine of testEngines())
  describe(`telling the user on ${engine.name}`, () => {
    it("hands each request to every channel once, naming the page and not the content", async () => {
      const mail = recorder("mail");
      await using bench = await createBench(engine, { channels: [...channels, mail] });
      const { id } = await bench.open();
      await bench.deps.outbox.deliver(bench.approvals.outboxHandlers);
      await bench.deps.outbox.deliver(bench.approvals.outboxHandlers);
      assert.equal(mail.seen.length, 1);
      const [{ idempotencyKey, ...notice } = {} as Notice] = mail.seen;
      assert.match(idempotencyKey ?? "", /^out_.+:mail$/);
      assert.deepEqual(notice, {
        approvalId: id,
        userId: bench.anne.id,
        clientId: "agent",
        expiresAt: bench.clock.now() + 300_000,
        path: `/approvals/${id}`,
      });
    });

    it("tries again under the same key when one channel fails, without silencing the other", async () => {
      const failing = recorder("push", 1);
      const mail = recorder("mail");
      await using bench = await createBench(engine, { channels: [failing, mail] });
      await bench.open();
      await bench.deps.outbox.deliver(bench.approvals.outboxHandlers);
      assert.equal(mail.seen.length, 1);
      bench.clock.advance(1_001);
      await bench.deps.outbox.deliver(bench.approvals.outboxHandlers);
      assert.equal(failing.seen.length, 2);
      assert.equal(failing.seen[0]?.idempotencyKey, failing.seen[1]?.idempotencyKey);
    });

    it("says nothing of a request that was answered or has expired meanwhile", async () => {
      const mail = recorder("mail");
      await using bench = await createBench(engine, { channels: [mail] });
      await bench.answer(await bench.open(), "deny");
      await bench.open({ expiresAt: bench.clock.now() + 1_000 });
      bench.clock.advance(1_000);
      assert.equal(await bench.deps.outbox.deliver(bench.approvals.outboxHandlers), 2);
      assert.deepEqual(mail.seen, []);
    });
  });
