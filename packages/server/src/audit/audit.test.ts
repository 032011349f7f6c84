import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { sql } from "kysely";
import { withRequestContext } from "../http/context.ts";
import type { Storage } from "../storage/index.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { type Audit, type AuditEvent, createAudit } from "./index.ts";
import type { AuditTables } from "./store.ts";

const event = (objectId: string, more: Partial<AuditEvent> = {}): AuditEvent => ({
  action: "vault.token_released",
  outcome: "allowed",
  userId: "usr_anne",
  clientId: "assistant",
  objectId,
  ...more,
});

for (const engine of testEngines())
  describe(`audit on ${engine.name}`, () => {
    let storage: Storage;
    let audit: Audit;
    let now = Date.UTC(2026, 0, 1);
    const clock = { now: () => now };

    beforeEach(async () => {
      storage = await openTestStorage(engine.open);
      audit = createAudit({ storage, clock });
    });
    afterEach(() => storage.close());

    const appendMany = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, i) => audit.append(event(`acc_${i + 1}`))));
    const db = () => storage.db<AuditTables>();
    const rows = () => db().selectFrom("audit_events").selectAll().orderBy("seq").execute();

    it("keeps what happened, when, by whom, in which request", async () => {
      await withRequestContext({ requestId: "req_7", ip: undefined, actorId: "usr_root" }, () =>
        audit.append(
          event("acc_1", { details: { connection: "google", scopes: 2, fresh: true, error: null } }),
        ),
      );
      assert.deepEqual(await audit.list({}), {
        events: [
          {
            seq: 1,
            time: "2026-01-01T00:00:00.000Z",
            action: "vault.token_released",
            outcome: "allowed",
            user_id: "usr_anne",
            client_id: "assistant",
            object_id: "acc_1",
            actor_id: "usr_root",
            request_id: "req_7",
            details: { connection: "google", scopes: 2, fresh: true, error: null },
          },
        ],
        next: undefined,
      });
    });

    it("numbers events of concurrent callers without gap or double, sharing commits", async () => {
      const commits: number[] = [];
      const counting: Storage = {
        ...storage,
        transaction: (work) => {
          commits.push(1);
          return storage.transaction(work);
        },
      };
      audit = createAudit({ storage: counting, clock });
      await appendMany(1_200);
      assert.deepEqual(
        (await rows()).map((row) => row.seq),
        Array.from({ length: 1_200 }, (_, i) => i + 1),
      );
      assert.ok(commits.length <= 10, `${commits.length} commits for 1200 events`);
      assert.equal((await audit.verify()).ok, true);
    });

    it("keeps an event of a transaction exactly when the transaction commits", async () => {
      await storage.transaction((tx) => audit.appendIn(tx, event("kept")));
      const failed = storage.transaction(async (tx) => {
        await audit.appendIn(tx, event("lost"));
        throw new Error("stop");
      });
      await assert.rejects(failed, /stop/);
      await audit.append(event("after"));
      const { events } = await audit.list({});
      assert.deepEqual(
        events.map((one) => [one.seq, one.object_id]),
        [
          [2, "after"],
          [1, "kept"],
        ],
      );
      assert.equal((await audit.verify()).ok, true);
    });

    it("orders events of transactions and of shared commits that run at once", async () => {
      await Promise.all([
        appendMany(50),
        ...Array.from({ length: 20 }, (_, i) =>
          storage.transaction((tx) => audit.appendIn(tx, event(`tx_${i}`))),
        ),
      ]);
      const verdict = await audit.verify();
      assert.ok(verdict.ok && verdict.events === 70);
    });

    it("fails the caller of an event that cannot be kept, and nobody else", async () => {
      const bad = audit.append(event("acc_1", { userId: "usr\0anne" }));
      const worse = audit.append(event("acc_2", { details: { n: Number.NaN } }));
      const good = audit.append(event("acc_3"));
      await assert.rejects(bad, { name: "Bug", message: /zero characters/ });
      await assert.rejects(worse, { name: "TypeError", message: /finite numbers/ });
      await good;
      assert.deepEqual(
        (await audit.list({})).events.map((one) => one.object_id),
        ["acc_3"],
      );
    });

    it("fails every caller when the event cannot be written, and goes on afterwards", async () => {
      await sql`alter table audit_events rename to audit_events_away`.execute(storage.db());
      const results = await Promise.allSettled([audit.append(event("a")), audit.append(event("b"))]);
      assert.deepEqual(
        results.map((result) => result.status),
        ["rejected", "rejected"],
      );
      await sql`alter table audit_events_away rename to audit_events`.execute(storage.db());
      await audit.append(event("c"));
      const verdict = await audit.verify();
      assert.ok(verdict.ok && verdict.events === 1);
    });

    describe("list", () => {
      it("gives newest first, in pages that neither repeat nor leave out", async () => {
        await appendMany(7);
        const seen: number[] = [];
        let before: number | undefined;
        do {
          const page = await audit.list({ limit: 3, ...(before === undefined ? {} : { before }) });
          seen.push(...page.events.map((one) => one.seq));
          before = page.next;
        } while (before !== undefined);
        assert.deepEqual(seen, [7, 6, 5, 4, 3, 2, 1]);
      });

      it("gives the events of one user or one action alone", async () => {
        await audit.append(event("a", { userId: "usr_bob" }));
        await audit.append(event("b", { action: "login.succeeded" }));
        await audit.append(event("c"));
        const objects = async (filter: { userId?: string; action?: string }) =>
          (await audit.list(filter)).events.map((one) => one.object_id);
        assert.deepEqual(await objects({ userId: "usr_bob" }), ["a"]);
        assert.deepEqual(await objects({ action: "login.succeeded" }), ["b"]);
        assert.deepEqual(await objects({ userId: "usr_anne", action: "vault.token_released" }), ["c"]);
        assert.deepEqual(await objects({ userId: "' or 1=1 --" }), []);
      });

      it("gives at least 1 and at most 200 events, whatever limit is asked for", async () => {
        await appendMany(205);
        const sizes = [0, -5, 1, 200, 10_000].map(
          async (limit) => (await audit.list({ limit })).events.length,
        );
        assert.deepEqual(await Promise.all(sizes), [1, 1, 1, 200, 200]);
        assert.equal((await audit.list({})).events.length, 50);
      });
    });

    describe("verify", () => {
      it("accepts an empty log", async () => {
        assert.deepEqual(await audit.verify(), { ok: true, events: 0, head: "" });
      });

      it("reports progress and the last hash", async () => {
        await appendMany(2_100);
        const progress: number[] = [];
        const verdict = await audit.verify((checked) => progress.push(checked));
        const last = (await rows()).at(-1);
        assert.deepEqual(verdict, { ok: true, events: 2_100, head: last?.hash });
        assert.deepEqual(progress, [1_000, 2_000, 2_100]);
      });

      it("stays true while events are being written", async () => {
        await appendMany(1_500);
        const verdicts = [];
        for (let i = 0; i < 5; i++) {
          const [verdict] = await Promise.all([audit.verify(), appendMany(40)]);
          verdicts.push(verdict.ok);
        }
        assert.deepEqual(verdicts, [true, true, true, true, true]);
      });

      const update = (seq: number, set: Partial<AuditTables["audit_events"]>) =>
        db().updateTable("audit_events").set(set).where("seq", "=", seq).execute();
      const remove = (seq: number) => db().deleteFrom("audit_events").where("seq", "=", seq).execute();

      const tampering: [string, () => Promise<unknown>, number, RegExp][] = [
        ["an event changed", () => update(3, { event: '{"seq":3}' }), 3, /event or its hash was changed/],
        ["a hash changed", () => update(3, { hash: "x" }), 3, /event or its hash was changed/],
        ["a searched column changed", () => update(3, { user_id: "usr_bob" }), 3, /a column does not say/],
        ["the time column changed", () => update(3, { occurred_at: 1 }), 3, /a column does not say/],
        ["the action column changed", () => update(3, { action: "x" }), 3, /a column does not say/],
        ["the client column emptied", () => update(3, { client_id: null }), 3, /a column does not say/],
        ["the first event taken out", () => remove(1), 1, /an event is missing/],
        ["an event in the middle taken out", () => remove(3), 3, /an event is missing/],
        ["the last event taken out", () => remove(5), 5, /missing at the end/],
        ["all events taken out", () => db().deleteFrom("audit_events").execute(), 1, /missing at the end/],
        [
          "the last event taken out and the end moved back",
          async () => {
            await remove(5);
            await db().updateTable("audit_head").set({ seq: 4 }).execute();
          },
          5,
          /missing at the end, or the end was changed/,
        ],
        ["the end forgotten", () => db().deleteFrom("audit_head").execute(), 6, /the end was changed/],
        [
          "an event added after the end",
          async () => {
            const [row] = await rows();
            assert.ok(row);
            await db()
              .insertInto("audit_events")
              .values({ ...row, seq: 6 })
              .execute();
          },
          6,
          /event or its hash was changed/,
        ],
        [
          "two events swapped",
          async () => {
            await update(2, { seq: 99 });
            await update(3, { seq: 2 });
            await update(99, { seq: 3 });
          },
          2,
          /event or its hash was changed/,
        ],
      ];
      for (const [name, tamper, seq, problem] of tampering)
        it(`names event ${seq} when it finds ${name}`, async () => {
          await appendMany(5);
          await tamper();
          const verdict = await audit.verify();
          assert.ok(!verdict.ok);
          assert.equal(verdict.seq, seq);
          assert.match(verdict.problem, problem);
        });

      it("names a change at each position of a longer log", async () => {
        await appendMany(40);
        for (const row of await rows()) {
          await update(row.seq, { event: row.event.replace("usr_anne", "usr_fred") });
          const verdict = await audit.verify();
          assert.ok(!verdict.ok && verdict.seq === row.seq, `at ${row.seq}`);
          await update(row.seq, { event: row.event });
        }
        assert.equal((await audit.verify()).ok, true);
      });

      it("does not stumble over an event that is no record", async () => {
        await audit.append(event("a"));
        for (const text of ["null", "[]", "not JSON", '"text"']) {
          await update(1, { event: text });
          assert.equal((await audit.verify()).ok, false);
          assert.ok((await audit.list({})).events.length <= 1);
        }
      });
    });

    it("dates an event when it happened", async () => {
      const first = audit.append(event("a"));
      now += 5_000;
      await first;
      const [row] = await rows();
      assert.equal(row?.occurred_at, Date.UTC(2026, 0, 1));
      now = Date.UTC(2026, 0, 1);
    });
  });
