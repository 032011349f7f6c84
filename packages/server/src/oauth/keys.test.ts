import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createKeyring } from "../crypto/keyring.ts";
import { createSealer, SealError } from "../crypto/seal.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { loadSigningKeys } from "./keys.ts";
import type { OAuthTables } from "./store.ts";

const sealerOf = (byte: number) => createSealer({ keyring: createKeyring([Buffer.alloc(32, byte)]) });
const clock = { now: () => 0 };
const kids = (keys: { publicJwks: readonly { kid?: string | undefined }[] }) =>
  keys.publicJwks.map(({ kid }) => kid);

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
      for (const key of keys.publicJwks)
        for (const member of ["d", "p", "q", "dp", "dq", "qi", "k"]) assert.ok(!(member in key), member);
      const rows = await storage.db<OAuthTables>().selectFrom("signing_keys").selectAll().execute();
      const kept = rows.map((row) => row.public_jwk + Buffer.from(row.private_jwk).toString("latin1")).join();
      for (const key of keys.privateJwks) assert.ok(key.d && !kept.includes(key.d));
    });

    it("do not open under another root key, and are not replaced then", async () => {
      const storage = await openTestStorage(engine.open);
      await loadSigningKeys({ storage, sealer: sealerOf(1), clock }, ["ES256"]);
      await assert.rejects(loadSigningKeys({ storage, sealer: sealerOf(2), clock }, ["ES256"]), SealError);
      assert.equal(kids(await loadSigningKeys({ storage, sealer: sealerOf(1), clock }, ["ES256"])).length, 1);
    });
  });
