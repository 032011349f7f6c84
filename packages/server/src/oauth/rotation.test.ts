import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { randomToken } from "../crypto/random.ts";
import type { Storage } from "../storage/index.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { createAdapter } from "./adapter.ts";
import { createRotation, REFRESH_GRACE_MS } from "./rotation.ts";

async function setUp(open: () => Promise<Storage>) {
  const storage = await openTestStorage(open);
  const time = { now: 1_000_000 };
  const clock = { now: () => time.now };
  const adapter = createAdapter({ storage, clock, findClient: async () => undefined })("RefreshToken");
  /** A refresh token that nobody has used. */
  const issue = async () => {
    const token = randomToken();
    await adapter.upsert(token, { jti: token, grantId: "g", clientId: "c", accountId: "a" }, 3_600);
    return token;
  };
  return { time, adapter, issue, rotation: createRotation({ storage, clock }) };
}

for (const engine of testEngines())
  describe(`rotation of refresh tokens on ${engine.name}`, () => {
    it("is won by one of 64 callers, and the others learn the winner's successor", async () => {
      const { issue, rotation } = await setUp(engine.open);
      const old = await issue();
      const successors = Array.from({ length: 64 }, () => randomToken());
      const results = await Promise.all(successors.map((successor) => rotation.rotate(old, successor)));
      const winners = successors.filter((_, i) => results[i]?.outcome === "rotated");
      assert.equal(winners.length, 1);
      for (const result of results)
        if (result.outcome !== "rotated")
          assert.deepEqual(result, { outcome: "repeated", successor: winners[0] });
    });

    it("tells the successor to the end of the grace period, and nothing a moment later", async () => {
      const { time, issue, rotation } = await setUp(engine.open);
      const [old, successor] = [await issue(), randomToken()];
      await rotation.rotate(old, successor);
      time.now += REFRESH_GRACE_MS;
      assert.equal(await rotation.successorOf(old), successor);
      time.now += 1;
      assert.equal(await rotation.successorOf(old), undefined);
      assert.deepEqual(await rotation.rotate(old, randomToken()), { outcome: "reused" });
    });

    it("has no successor for a token that is unused, unknown or gone", async () => {
      const { adapter, issue, rotation } = await setUp(engine.open);
      const token = await issue();
      assert.equal(await rotation.successorOf(token), undefined);
      assert.equal(await rotation.successorOf(randomToken()), undefined);
      await adapter.destroy(token);
      assert.deepEqual(await rotation.rotate(token, randomToken()), { outcome: "reused" });
    });
  });
