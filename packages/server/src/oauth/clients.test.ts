import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keyedHash } from "../crypto/hash.ts";
import { createKeyring } from "../crypto/keyring.ts";
import type { Storage } from "../storage/index.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { createClients } from "./clients.ts";
import type { OAuthTables } from "./store.ts";
import { strangerClient } from "./strangers.ts";

const [OLD, NEW, OTHER] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte));
const SECRET = "s".repeat(43);

async function setUp(open: () => Promise<Storage>) {
  const storage = await openTestStorage(open);
  const keyring = createKeyring([NEW, OLD].filter((key) => key !== undefined));
  const asked: string[] = [];
  const clients = createClients({
    storage,
    config: { clients: [] },
    secretKeys: keyring.deriveAll("client-secret"),
    clock: { now: () => 0 },
    documents: {
      find: async (id) => {
        asked.push(id);
        return strangerClient({ id, name: "Stranger", redirectUris: [] });
      },
    },
  });
  /** A client whose secret was hashed under one root key. */
  const add = async (id: string, key: Buffer | undefined) => {
    const secretKey = createKeyring(key ? [key] : []).derive("client-secret");
    const metadata = JSON.stringify({ name: id, grantTypes: ["client_credentials"] });
    const row = {
      id,
      metadata,
      secret_hash: keyedHash(secretKey, SECRET),
      disabled_at: null,
      created_at: 0,
      updated_at: 0,
    };
    await storage.db<OAuthTables>().insertInto("clients").values(row).execute();
    const client = await clients.find(id);
    assert.ok(client);
    return client;
  };
  return { clients, asked, add };
}

for (const engine of testEngines())
  describe(`clients on ${engine.name}`, () => {
    it("prove themselves by a secret that was hashed under any root key", async () => {
      const { clients, add } = await setUp(engine.open);
      for (const [id, key] of [
        ["new", NEW],
        ["old", OLD],
      ] as const)
        assert.equal(clients.matchesSecret(await add(id, key), SECRET), true, id);
    });

    it("do not prove themselves by another secret, under a key that is gone, or without one", async () => {
      const { clients, add } = await setUp(engine.open);
      const old = await add("old", OLD);
      for (const secret of ["", `${SECRET}s`, SECRET.slice(1)])
        assert.equal(clients.matchesSecret(old, secret), false);
      assert.equal(clients.matchesSecret(await add("gone", OTHER), SECRET), false);
      for (const secret of [SECRET, "", "undefined"])
        assert.equal(clients.matchesSecret({ ...old, secretHash: undefined }, secret), false);
    });

    it("are looked up by what can be an id, and by nothing else", async () => {
      const { clients, asked } = await setUp(engine.open);
      assert.ok(await clients.find("https://app.example/client"));
      const odd: unknown[] = [
        "",
        "\0",
        "a b",
        "a\u200b",
        "ä",
        "x".repeat(2_049),
        undefined,
        null,
        5,
        ["x"],
        {},
      ];
      // What comes out of a token that nobody has verified yet can be anything.
      for (const id of odd) assert.equal(await clients.find(id as string), undefined);
      assert.deepEqual(asked, ["https://app.example/client"]);
    });

    it("that an administrator made are vouched for, and those that registered themselves are not", async () => {
      const { add } = await setUp(engine.open);
      assert.equal((await add("cli_1", NEW)).unverified, undefined);
      assert.equal((await add("tpc_1", NEW)).unverified, true);
    });
  });
