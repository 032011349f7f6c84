import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { createKeyFile, readKeyFile } from "../crypto/keyring.ts";
import type { Storage } from "../storage/index.ts";
import { CONFIG_OPTION, type Command, CommandError, UsageError } from "./command.ts";
import { table } from "./output.ts";
import { withServices } from "./services.ts";

/** The part of the signing keys' table that is no secret. */
interface KeyTables {
  signing_keys: { data_key: Uint8Array; retired_at: number | null };
}

const ROOT_KEY_ID_BYTES = 8;

const list: Command = {
  name: "keys list",
  summary: "List root keys by id, the sealing one first, and the keys that sign tokens.",
  options: CONFIG_OPTION,
  run: (args, context) =>
    withServices(args, context, async ({ keyring, signingKeys }) => {
      const roots = keyring.ids().map((id, i) => ({ id, role: i === 0 ? "seals and opens" : "opens" }));
      const signing = await signingKeys.list();
      const rows = [
        ...roots.map((root) => [root.id, "root key", root.role]),
        ...signing.map((key) => [key.kid, key.algorithm, key.state]),
      ];
      context.output.result(table(["ID", "KIND", "STATE"], rows), {
        root_keys: roots,
        signing_keys: signing.map((key) => ({
          kid: key.kid,
          algorithm: key.algorithm,
          state: key.state,
          created_at: new Date(key.createdAt).toISOString(),
          retired_at: key.retiredAt === undefined ? undefined : new Date(key.retiredAt).toISOString(),
        })),
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

const ALGORITHMS = ["RS256", "ES256", "EdDSA"] as const;

const rotate: Command = {
  name: "keys rotate",
  summary: "Make new keys that sign tokens; running servers take them up by themselves.",
  options: {
    ...CONFIG_OPTION,
    algorithm: { value: "<name>", help: `${ALGORITHMS.join(", ")} (default: each that has a key)` },
  },
  notes:
    "A new key is published at once and signs after 15 minutes. The former one stays published until no token\nof it can be alive, a day later, and is then erased.",
  run: (args, context) =>
    withServices(args, context, async ({ signingKeys }) => {
      const asked = args.text("algorithm");
      const algorithm = ALGORITHMS.find((name) => name === asked);
      if (asked !== undefined && !algorithm)
        throw new UsageError(`--algorithm must be one of ${ALGORITHMS.join(", ")}`);
      const kids = await signingKeys.rotate(algorithm);
      context.output.result(`Made ${kids.join(", ")}. It is published now and signs after 15 minutes.`, {
        kids,
      });
      return 0;
    }),
};

/** Ids of the root keys that this database's signing keys are sealed with. */
export async function rootKeysInUse(storage: Storage): Promise<readonly string[]> {
  const rows = await storage
    .db<KeyTables>()
    .selectFrom("signing_keys")
    .select("data_key")
    .where("retired_at", "is", null)
    .execute();
  const ids = rows.map((row) => Buffer.from(row.data_key).subarray(0, ROOT_KEY_ID_BYTES).toString("hex"));
  return [...new Set(ids)];
}

export const keyCommands: readonly Command[] = [list, create, rotate];
