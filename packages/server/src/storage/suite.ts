import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { sql } from "kysely";
import { randomBytes } from "../crypto/random.ts";
import { createIds } from "../lib/ids.ts";
import { consumeOnce } from "./consume.ts";
import type { Storage } from "./index.ts";
import { migrate, pendingMigrations } from "./migrate.ts";
import { createOutbox, type OutboxMessage, RetryLater, Undeliverable } from "./outbox.ts";

/** What every storage engine must do. `open` gives an empty database each time it is called. */
export function storageSuite(name: string, open: () => Promise<Storage>): void {
  describe(`storage contract on ${name}`, () => {
    let storage: Storage;
    let now = 1_000_000;
    const clock = { now: () => now };

    beforeEach(async () => {
      storage = await open();
      await migrate(storage, clock);
      const bytes = storage.engine === "postgres" ? "bytea" : "blob";
      await sql
        .raw(`create table single_use (id text primary key, consumed_at bigint, payload ${bytes})`)
        .execute(storage.db());
    });
    afterEach(() => storage.close());

    const insert = (id: string) => sql`insert into single_use (id) values (${id})`.execute(storage.db());

    it("applies each migration once", async () => {
      assert.deepEqual(await pendingMigrations(storage), []);
      assert.deepEqual(await migrate(storage, clock), []);
    });

    it("lets a process claim the right to serve, again and again", () => {
      assert.equal(storage.claim(), true);
      assert.equal(storage.claim(), true);
    });

    it("gives a single-use row to exactly one of 64 callers", async () => {
      await insert("code");
      const callers = Array.from({ length: 64 }, () =>
        consumeOnce(storage, "single_use", { id: "code" }, now),
      );
      const winners = (await Promise.all(callers)).filter(Boolean);
      assert.equal(winners.length, 1);
    });

    it("gives nothing for a row that does not exist", async () => {
      assert.equal(await consumeOnce(storage, "single_use", { id: "missing" }, now), undefined);
    });

    it("keeps nothing of a transaction that fails", async () => {
      const failed = storage.transaction(async (tx) => {
        await sql`insert into single_use (id) values ('half')`.execute(tx.db());
        throw new Error("stop");
      });
      await assert.rejects(failed, /stop/);
      const { rows } = await sql`select id from single_use`.execute(storage.db());
      assert.deepEqual(rows, []);
    });

    it("does not lose an update of two transactions that count at once", async () => {
      await sql`insert into rate_counters (key, count, resets_at) values ('k', 0, 0)`.execute(storage.db());
      const increment = () =>
        storage.transaction((tx) =>
          sql`update rate_counters set count = count + 1 where key = 'k'`.execute(tx.db()),
        );
      await Promise.all(Array.from({ length: 40 }, increment));
      const { rows } = await sql<{ count: number }>`select count from rate_counters`.execute(storage.db());
      assert.equal(rows[0]?.count, 40);
    });

    it("returns large integers as numbers and bytes as bytes", async () => {
      const bytes = Buffer.from([0, 1, 254, 255]);
      await sql`insert into single_use values ('x', ${1_900_000_000_000}, ${bytes})`.execute(storage.db());
      const { rows } = await sql<{
        consumed_at: number;
        payload: Uint8Array;
      }>`select * from single_use`.execute(storage.db());
      assert.equal(rows[0]?.consumed_at, 1_900_000_000_000);
      assert.deepEqual(Buffer.from(rows[0]?.payload ?? []), bytes);
    });

    it("tells apart texts that differ only in case, accents or trailing space", async () => {
      for (const id of ["Doc:a", "doc:a", "döc:a", "doc:a "]) await insert(id);
      const { rows } = await sql`select id from single_use where id = 'doc:a'`.execute(storage.db());
      assert.equal(rows.length, 1);
    });

    describe("outbox", () => {
      const ids = createIds({ clock, random: randomBytes });
      const outbox = () => createOutbox({ storage, clock, ids });

      it("delivers a message once when its transaction committed", async () => {
        await storage.transaction((tx) => outbox().add(tx, { topic: "mail", payload: { to: "a" } }));
        const seen: unknown[] = [];
        const handlers = { mail: async (message: { payload: unknown }) => void seen.push(message.payload) };
        assert.equal(await outbox().deliver(handlers), 1);
        assert.equal(await outbox().deliver(handlers), 0);
        assert.deepEqual(seen, [{ to: "a" }]);
      });

      it("delivers nothing when its transaction failed", async () => {
        const failed = storage.transaction(async (tx) => {
          await outbox().add(tx, { topic: "mail", payload: {} });
          throw new Error("stop");
        });
        await assert.rejects(failed);
        assert.equal(await outbox().deliver({ mail: async () => assert.fail("must not be sent") }), 0);
      });

      it("tries again later when the handler fails, under the same id", async () => {
        await outbox().add(storage, { topic: "mail", payload: {} });
        const ids: string[] = [];
        const failing = {
          mail: async (message: { id: string }) => {
            ids.push(message.id);
            throw new Error("refused");
          },
        };
        await outbox().deliver(failing);
        assert.equal(await outbox().deliver(failing), 0, "not before its delay");
        now += 1_001;
        await outbox().deliver(failing);
        assert.equal(ids.length, 2);
        assert.equal(ids[0], ids[1]);
      });

      const payloads = async () => {
        const { rows } = await sql<{ payload: string; done_at: number | null }>`select * from outbox`.execute(
          storage.db(),
        );
        return rows.map(({ payload, done_at }) => [payload, done_at !== null]);
      };

      it("keeps no payload of what was delivered", async () => {
        await outbox().add(storage, { topic: "mail", payload: { code: "canary" } });
        assert.deepEqual(await payloads(), [['{"code":"canary"}', false]]);
        await outbox().deliver({ mail: async () => undefined });
        assert.deepEqual(await payloads(), [["null", true]]);
      });

      it("gives up at once what the handler calls undeliverable, and keeps no payload of it", async () => {
        await outbox().add(storage, { topic: "mail", payload: { code: "canary" } });
        const refusing = {
          mail: async () => {
            throw new Undeliverable("no such address");
          },
        };
        assert.equal(await outbox().deliver(refusing), 0);
        assert.deepEqual(await payloads(), [["null", true]]);
        now += 3_600_000;
        assert.equal(await outbox().deliver({ mail: async () => assert.fail("must not be sent") }), 0);
      });

      it("gives up after twelve attempts, telling the handler which is the last", async () => {
        await outbox().add(storage, { topic: "mail", payload: { code: "canary" } });
        const seen: (number | undefined)[] = [];
        const failing = {
          mail: async ({ nextAttemptAt }: OutboxMessage) => {
            seen.push(nextAttemptAt);
            throw new Error("away");
          },
        };
        for (let i = 0; i < 14; i++) {
          await outbox().deliver(failing);
          now += 3_600_000;
        }
        assert.equal(seen.length, 12);
        assert.deepEqual(
          seen.map((at) => at === undefined),
          [...Array(11).fill(false), true],
        );
        assert.deepEqual(await payloads(), [["null", true]]);
      });

      it("waits as long as the receiver asks", async () => {
        await outbox().add(storage, { topic: "mail", payload: {} });
        let attempts = 0;
        const busy = {
          mail: async () => {
            attempts += 1;
            throw new RetryLater(30_000);
          },
        };
        await outbox().deliver(busy);
        now += 29_999;
        await outbox().deliver(busy);
        assert.equal(attempts, 1);
        now += 1;
        await outbox().deliver(busy);
        assert.equal(attempts, 2);
      });

      it("delivers what is due while a slow one is still under way", async () => {
        const order: string[] = [];
        for (const name of ["slow", "quick"])
          await outbox().add(storage, { topic: "mail", payload: { name } });
        let release = () => {};
        const released = new Promise<void>((resolve) => {
          release = resolve;
        });
        const delivered = await outbox().deliver({
          async mail({ payload }: OutboxMessage) {
            const { name } = payload as { name: string };
            if (name === "slow") await released;
            else release();
            order.push(name);
          },
        });
        assert.equal(delivered, 2);
        assert.equal(order.length, 2);
      });

      it("hands each of 60 messages to one of four that deliver at once", async () => {
        for (let i = 0; i < 60; i++) await outbox().add(storage, { topic: "mail", payload: i });
        const seen: unknown[] = [];
        const handlers = { mail: async ({ payload }: OutboxMessage) => void seen.push(payload) };
        const counts = await Promise.all(Array.from({ length: 4 }, () => outbox().deliver(handlers)));
        assert.equal(
          counts.reduce((sum, count) => sum + count, 0),
          60,
        );
        assert.equal(new Set(seen).size, 60);
        assert.equal(seen.length, 60);
      });
    });
  });
}
