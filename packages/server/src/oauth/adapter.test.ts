import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { randomToken } from "../crypto/random.ts";
import type { Storage } from "../storage/index.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { createAdapter } from "./adapter.ts";
import type { OAuthTables } from "./store.ts";

async function setUp(open: () => Promise<Storage>) {
  const storage = await openTestStorage(open);
  const time = { now: 1_000_000 };
  const adapterOf = createAdapter({
    storage,
    clock: { now: () => time.now },
    findClient: async () => undefined,
  });
  return { storage, time, adapterOf };
}

const winners = (results: readonly PromiseSettledResult<unknown>[]) =>
  results.filter(({ status }) => status === "fulfilled").length;

for (const engine of testEngines())
  describe(`the core's storage on ${engine.name}`, () => {
    for (const model of [
      "AuthorizationCode",
      "RefreshToken",
      "PushedAuthorizationRequest",
      "BackchannelAuthenticationRequest",
    ])
      it(`lets one of 64 callers consume a ${model}, and nobody after a write brings it back`, async () => {
        const { adapterOf } = await setUp(engine.open);
        const adapter = adapterOf(model);
        const id = randomToken();
        await adapter.upsert(id, { jti: id, grantId: "g" }, 60);
        const consumed = await Promise.allSettled(Array.from({ length: 64 }, () => adapter.consume(id)));
        assert.equal(winners(consumed), 1);
        await adapter.upsert(id, { jti: id, grantId: "g" }, 60);
        assert.ok((await adapter.find(id))?.consumed);
        await assert.rejects(Promise.resolve(adapter.consume(id)), { message: "invalid_grant" });
      });

    it("takes one of 64 equal proofs, and the same one again only when it has expired", async () => {
      const { adapterOf, time } = await setUp(engine.open);
      const adapter = adapterOf("ReplayDetection");
      const see = () => adapter.upsert("proof", { jti: "proof", iss: "client" }, 60);
      assert.equal(winners(await Promise.allSettled(Array.from({ length: 64 }, see))), 1);
      time.now += 59_999;
      await assert.rejects(Promise.resolve(see()), { message: "invalid_grant" });
      time.now += 1;
      await see();
    });

    it("keeps no id in clear and finds nothing by what it keeps", async () => {
      const { storage, adapterOf } = await setUp(engine.open);
      const adapter = adapterOf("AccessToken");
      const id = randomToken();
      await adapter.upsert(id, { jti: id, accountId: "a" }, 60);
      const rows = await storage.db<OAuthTables>().selectFrom("oauth_models").selectAll().execute();
      assert.ok(!JSON.stringify(rows).includes(id));
      assert.equal(await adapter.find(rows[0]?.id_hash ?? ""), undefined);
      assert.equal((await adapter.find(id))?.jti, id);
    });

    it("ends everything of a grant, and nothing of another one", async () => {
      const { adapterOf } = await setUp(engine.open);
      const adapter = adapterOf("AccessToken");
      await adapter.upsert("mine", { jti: "mine", grantId: "one" }, 60);
      await adapter.upsert("other", { jti: "other", grantId: "two" }, 60);
      await adapter.revokeByGrantId("one");
      assert.equal(await adapter.find("mine"), undefined);
      assert.ok(await adapter.find("other"));
    });
  });
