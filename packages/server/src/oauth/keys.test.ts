import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { importJWK, jwtVerify, SignJWT } from "jose";
import { createKeyring } from "../crypto/keyring.ts";
import { createSealer, SealError } from "../crypto/seal.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { listKeys, SIGNS_AFTER_MS } from "./key-store.ts";
import { loadSigningKeys } from "./keys.ts";
import type { OAuthTables } from "./store.ts";

const sealerOf = (byte: number) => createSealer({ keyring: createKeyring([Buffer.alloc(32, byte)]) });
const clock = { now: () => 0 };
const DAY = 86_400_000;
const kids = (keys: { publicJwks: () => readonly { kid?: string | undefined }[] }) =>
  keys.publicJwks().map(({ kid }) => kid);

for (const engine of testEngines())
  describe(`signing keys on ${engine.name}`, () => {
    it("are the same for all that start together on an empty database", async () => {
      const deps = { storage: await openTestStorage(engine.open), sealer: sealerOf(1), clock };
      const loaded = await Promise.all(
        Array.from({ length: 6 }, () => loadSigningKeys(deps, ["ES256", "EdDSA"])),
      );
      const [first] = loaded.map(kids);
      assert.equal(first?.length, 2);
      for (const keys of loaded) assert.deepEqual(kids(keys), first);
    });

    it("are made for an algorithm that comes into use, beside those there are", async () => {
      const deps = { storage: await openTestStorage(engine.open), sealer: sealerOf(1), clock };
      const before = kids(await loadSigningKeys(deps, ["ES256"]));
      const after = kids(await loadSigningKeys(deps, ["ES256", "EdDSA"]));
      assert.equal(after.length, 2);
      assert.ok(after.includes(before[0]));
    });

    it("tell nothing private, here or in the database", async () => {
      const storage = await openTestStorage(engine.open);
      const keys = await loadSigningKeys({ storage, sealer: sealerOf(1), clock }, ["ES256", "RS256"]);
      for (const key of keys.publicJwks())
        for (const member of ["d", "p", "q", "dp", "dq", "qi", "k"]) assert.ok(!(member in key), member);
      const rows = await storage.db<OAuthTables>().selectFrom("signing_keys").selectAll().execute();
      const kept = rows.map((row) => row.public_jwk + Buffer.from(row.private_jwk).toString("latin1")).join();
      for (const key of keys.privateJwks()) assert.ok(key.d && !kept.includes(key.d));
    });

    it("do not open under another root key, and are not replaced then", async () => {
      const storage = await openTestStorage(engine.open);
      await loadSigningKeys({ storage, sealer: sealerOf(1), clock }, ["ES256"]);
      await assert.rejects(loadSigningKeys({ storage, sealer: sealerOf(2), clock }, ["ES256"]), SealError);
      assert.equal(kids(await loadSigningKeys({ storage, sealer: sealerOf(1), clock }, ["ES256"])).length, 1);
    });

    it("pass from one to the next with both published all the while, in every process", async () => {
      const time = { now: 1_000_000 };
      const storage = await openTestStorage(engine.open);
      const deps = { storage, sealer: sealerOf(1), clock: { now: () => time.now }, rotateDays: 90 };
      const [a, b] = [await loadSigningKeys(deps, ["ES256"]), await loadSigningKeys(deps, ["ES256"])];
      const both = async () => {
        await Promise.all([a.maintain(), b.maintain()]);
        assert.deepEqual(kids(a), kids(b));
        return kids(a);
      };
      const [first] = await both();
      time.now += 89 * DAY;
      assert.deepEqual(await both(), [first]);
      time.now += DAY;
      const published = await both();
      const second = published[1];
      assert.deepEqual(published, [first, second]);
      assert.ok(second && second !== first);
      time.now += SIGNS_AFTER_MS - 1;
      assert.deepEqual(await both(), [first, second]);
      time.now += 1;
      assert.deepEqual(await both(), [second, first]);
      time.now += DAY;
      assert.deepEqual(await both(), [second, first]);
      time.now += 300_000;
      assert.deepEqual(await both(), [second]);
      const rows = await storage.db<OAuthTables>().selectFrom("signing_keys").selectAll().execute();
      const retired = rows.find(({ kid }) => kid === first);
      assert.equal(retired?.private_jwk.length, 0);
      assert.equal(retired?.data_key.length, 0);
      const states = (await listKeys(deps)).map(({ kid, state }) => [kid, state]);
      assert.deepEqual(states, [
        [first, "retired"],
        [second, "signs"],
      ]);
    });

    it("get one successor, however many processes find them old", async () => {
      const time = { now: 0 };
      const storage = await openTestStorage(engine.open);
      const deps = { storage, sealer: sealerOf(1), clock: { now: () => time.now }, rotateDays: 1 };
      const all = await Promise.all(Array.from({ length: 6 }, () => loadSigningKeys(deps, ["ES256"])));
      time.now = DAY;
      await Promise.all(all.map((keys) => keys.maintain()));
      assert.equal((await listKeys(deps)).length, 2);
    });

    it("verify what another process signs with a key this one has not read yet", async () => {
      const time = { now: 0 };
      const storage = await openTestStorage(engine.open);
      const deps = { storage, sealer: sealerOf(1), clock: { now: () => time.now } };
      const late = await loadSigningKeys(deps, ["ES256"]);
      const early = await loadSigningKeys(deps, ["ES256", "EdDSA"]);
      const jwk = early.privateJwks().find(({ alg }) => alg === "EdDSA") ?? assert.fail();
      const sign = async (kid: string | undefined) =>
        new SignJWT({})
          .setProtectedHeader({ alg: "EdDSA", ...(kid ? { kid } : {}) })
          .sign(await importJWK(jwk, "EdDSA"));
      await assert.rejects(jwtVerify(await sign("unknown"), late.verifyKey), {
        code: "ERR_JWKS_NO_MATCHING_KEY",
      });
      // It has just looked: whoever sends unknown keys does not make it look for each.
      const other = await loadSigningKeys(deps, ["ES256", "EdDSA", "RS256"]);
      const rsa = other.publicJwks().find(({ alg }) => alg === "RS256")?.kid;
      await assert.rejects(jwtVerify(await sign(rsa), late.verifyKey), { code: "ERR_JWKS_NO_MATCHING_KEY" });
      time.now += 5_000;
      await jwtVerify(await sign(jwk.kid), late.verifyKey);
    });
  });
