import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { createKeyFile, readKeyFile } from "../crypto/keyring.ts";
import type { Storage } from "../storage/index.ts";
import { CONFIG_OPTION, type Command, CommandError } from "./command.ts";
import { table } from "./output.ts";
import { withServices } from "./services.ts";

/** The part of the signing keys' table that is no secret. */
interface KeyTables {
  signing_keys: {
    kid: string;
    algorithm: string;
    data_key: Uint8Array;
    created_at: number;
    retired_at: number | null;
  };
}

const ROOT_KEY_ID_BYTES = 8;

const list: Command = {
  name: "keys list",
  summary: "List root keys by id, the sealing one first, and the keys that sign tokens.",
  options: CONFIG_OPTION,
  run: (args, context) =>
    withServices(args, context, async ({ keyring, storage }) => {
      const roots = keyring.ids().map((id, i) => ({ id, role: i === 0 ? "seals and opens" : "opens" }));
      const signing = await readSigningKeys(storage);
      const rows = [
        ...roots.map((root) => [root.id, "root key", root.role]),
        ...signing.map((key) => [key.kid, key.algorithm, key.retired ? "retired" : "signs"]),
      ];
      context.output.result(table(["ID", "KIND", "STATE"], rows), {
        root_keys: roots,
        signing_keys: signing,
      });
      return 0;
    }),
};

const create: Command = {
  name: "keys create",
  summary: "Write a new random root key to a new file, mode 0600.",
  options: { out: { value: "<file>", help: "file to write; it must not exist" } },
  notes:
    "To rotate: put the new key's line first in the root key file and restart. What is new is sealed with it;\nthe older lines go on opening what they sealed, so keep them.",
  async run(args, context) {
    const path = resolve(context.cwd, args.required("out"));
    if (existsSync(path))
      throw new CommandError(`${path} exists; a key file is never overwritten. Name another one.`);
    createKeyFile(path);
    const { id } = readKeyFile(path).primary();
    context.output.result(`Wrote root key ${id} to ${path}. Keep a copy apart from the database.`, {
      id,
      path,
    });
    return 0;
  },
};

async function readSigningKeys(storage: Storage) {
  const rows = await storage
    .db<KeyTables>()
    .selectFrom("signing_keys")
    .select(["kid", "algorithm", "created_at", "retired_at"])
    .orderBy("created_at")
    .execute();
  return rows.map((row) => ({
    kid: row.kid,
    algorithm: row.algorithm,
    created_at: new Date(row.created_at).toISOString(),
    retired: row.retired_at !== null,
  }));
}

/** Ids of the root keys that this database's signing keys are sealed with. */
export async function rootKeysInUse(storage: Storage): Promise<readonly string[]> {
  const rows = await storage.db<KeyTables>().selectFrom("signing_keys").select("data_key").execute();
  const ids = rows.map((row) => Buffer.from(row.data_key).subarray(0, ROOT_KEY_ID_BYTES).toString("hex"));
  return [...new Set(ids)];
}

export const keyCommands: readonly Command[] = [list, create];
