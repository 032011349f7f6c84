import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { tokenHash } from "../crypto/hash.ts";
import type { Storage } from "../storage/index.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { endTokensOf, type OAuthTables } from "./store.ts";

for (const engine of testEngines())
  describe(`tokens of the store on ${engine.name}`, () => {
    let storage: Storage;
    beforeEach(async () => {
      storage = await openTestStorage(engine.open);
    });
    afterEach(() => storage.close());

    async function put(model: string, id: string, user: string, payload: object, grant?: string) {
      await storage
        .db<OAuthTables>()
        .insertInto("oauth_models")
        .values({
          model,
          id_hash: tokenHash(id),
          payload: JSON.stringify(payload),
          grant_id: grant ?? null,
          uid: null,
          user_code: null,
          account_id: user,
          client_id: "app",
          expires_at: null,
          consumed_at: null,
        })
        .execute();
    }

    /** Two sessions of one user and one of another, each with all there is. */
    async function fill() {
      for (const [user, sid] of [
        ["ann", "s1"],
        ["ann", "s2"],
        ["bob", "s3"],
      ] as const) {
        await put("Session", `session-${sid}`, user, {
          authorizations: { app: { sid, grantId: `grant-${sid}` }, other: { sid, grantId: `lone-${sid}` } },
        });
        await put("Grant", `grant-${sid}`, user, {});
        await put("Grant", `lone-${sid}`, user, {});
        for (const model of ["AccessToken", "AuthorizationCode", "DeviceCode", "RefreshToken"])
          await put(model, `${model}-${sid}`, user, { sid }, `grant-${sid}`);
      }
      await put("Grant", "approved", "ann", {});
      await put("RefreshToken", "of-approval", "ann", {}, "approved");
      await put("BackchannelAuthenticationRequest", "waits", "ann", {});
    }

    async function left(): Promise<Record<string, number>> {
      const rows = await storage.db<OAuthTables>().selectFrom("oauth_models").selectAll().execute();
      const counts: Record<string, number> = {};
      for (const { account_id } of rows) counts[String(account_id)] = (counts[String(account_id)] ?? 0) + 1;
      return counts;
    }
    const has = async (model: string, id: string) =>
      (await storage
        .db<OAuthTables>()
        .selectFrom("oauth_models")
        .select("model")
        .where("model", "=", model)
        .where("id_hash", "=", tokenHash(id))
        .executeTakeFirst()) !== undefined;

    it("end all of one user's and nobody else's, and leave what waits for an answer", async () => {
      await fill();
      await endTokensOf(storage, "ann");
      assert.deepEqual(await left(), { ann: 1, bob: 7 });
      assert.ok(await has("BackchannelAuthenticationRequest", "waits"));
    });

    it("end but for those of the session that stays, with the grants it has a part in", async () => {
      await fill();
      await storage.transaction((tx) => endTokensOf(tx, "ann", "s1"));
      assert.deepEqual(await left(), { ann: 8, bob: 7 });
      for (const [model, id] of [
        ["Session", "session-s1"],
        ["Grant", "grant-s1"],
        ["Grant", "lone-s1"],
        ["RefreshToken", "RefreshToken-s1"],
      ] as const)
        assert.ok(await has(model, id), id);
      assert.ok(!(await has("Grant", "approved")), "an approval is no part of the session");
    });

    it("end entirely when the session that should stay is another user's", async () => {
      await fill();
      await endTokensOf(storage, "ann", "s3");
      assert.deepEqual(await left(), { ann: 1, bob: 7 });
    });

    it("end however many there are", async () => {
      await storage.transaction(async (tx) => {
        const rows = Array.from({ length: 1_203 }, (_, i) => ({
          model: "RefreshToken",
          id_hash: tokenHash(`token-${i}`),
          payload: "{}",
          grant_id: null,
          uid: null,
          user_code: null,
          account_id: "ann",
          client_id: "app",
          expires_at: null,
          consumed_at: null,
        }));
        for (let start = 0; start < rows.length; start += 200)
          await tx
            .db<OAuthTables>()
            .insertInto("oauth_models")
            .values(rows.slice(start, start + 200))
            .execute();
      });
      await endTokensOf(storage, "ann");
      assert.deepEqual(await left(), {});
    });
  });
