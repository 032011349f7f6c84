import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Sealer } from "../crypto/seal.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { reveal, secret } from "../lib/secret.ts";
import { openParcel, packTokens, sealParcel, type TokenSet, unpackTokens } from "./seal-tokens.ts";

/** A token set that arrived, with everything that its commit writes. Times are milliseconds. */
export interface NewTokens {
  readonly tokens: TokenSet;
  /** As stored; see `joinScopes`. */
  readonly scopes: string;
  readonly refreshAt: number | null;
  readonly expiresAt: number | null;
}

/** A token set on disk whose commit has not been seen to succeed. */
export interface SpoolEntry {
  readonly attemptId: string;
  readonly accountId: string;
  readonly connection: string;
  /** Version of the row that the request was made from. */
  readonly version: number;
  readonly receivedAt: number;
  readonly result: NewTokens;
}

const PURPOSE = "refresh-spool";
const NAME = /^att_[0-9a-z]{26}\.json$/;

/**
 * Holds what a provider answered from the moment it arrives until the database has it. One file an answer,
 * mode 0600, sealed under a key of its own: a token that arrives after its account was disconnected must
 * still be readable, so that it can be revoked.
 */
export function createSpool(deps: { dir: string; sealer: Sealer; clock: Clock; log: Log }) {
  const { dir, sealer, log } = deps;
  const pathOf = (attemptId: string) => join(dir, `${attemptId}.json`);

  /** Resolves when the entry survives a power cut. */
  async function write(entry: Omit<SpoolEntry, "receivedAt">): Promise<void> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const partial = `${pathOf(entry.attemptId)}.part`;
    const file = await open(partial, "wx", 0o600);
    try {
      await file.writeFile(encode(entry));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, pathOf(entry.attemptId));
    await syncFolder(dir);
  }

  /** Everything but the name is inside the seal, so that a file speaks for no other account or version. */
  function encode({ attemptId, result, ...head }: Omit<SpoolEntry, "receivedAt">): string {
    const tokens = reveal(packTokens(result.tokens));
    const entry = { ...head, receivedAt: deps.clock.now(), result: { ...result, tokens } };
    const { data_key, sealed } = sealParcel(sealer, PURPOSE, attemptId, secret(JSON.stringify(entry)));
    return JSON.stringify({ dataKey: data_key.toString("base64"), sealed: sealed.toString("base64") });
  }

  async function read(name: string): Promise<SpoolEntry | undefined> {
    const attemptId = name.slice(0, -".json".length);
    try {
      // Written by encode; what was changed since does not open.
      const file = JSON.parse(await readFile(join(dir, name), "utf8")) as { dataKey: string; sealed: string };
      const parcel = {
        data_key: Buffer.from(file.dataKey, "base64"),
        sealed: Buffer.from(file.sealed, "base64"),
      };
      const opened = reveal(openParcel(sealer, PURPOSE, attemptId, parcel));
      const { result, ...head } = JSON.parse(opened) as Omit<SpoolEntry, "attemptId" | "result"> & {
        result: Omit<NewTokens, "tokens"> & { tokens: string };
      };
      return { ...head, attemptId, result: { ...result, tokens: unpackTokens(secret(result.tokens)) } };
    } catch (error) {
      // Another process removed it, or it cannot be opened: an operator's business, never a reason to stop.
      log.warn("a spool file cannot be read", { file: name, error: kindOf(error) });
      return undefined;
    }
  }

  return {
    write,

    /** Entries newest first; of one account when `accountId` is given. */
    async list(accountId?: string): Promise<SpoolEntry[]> {
      const names = await readdir(dir).catch(() => []); // No folder yet: nothing was spooled.
      const entries = await Promise.all(names.filter((name) => NAME.test(name)).map(read));
      return entries
        .filter((entry) => entry !== undefined)
        .filter((entry) => accountId === undefined || entry.accountId === accountId)
        .sort((a, b) => b.receivedAt - a.receivedAt || (a.attemptId < b.attemptId ? 1 : -1));
    },

    /** An entry that stays is harmless: the row's version has moved past it. */
    async remove(attemptId: string): Promise<void> {
      try {
        await rm(pathOf(attemptId), { force: true });
      } catch (error) {
        log.warn("a spool file cannot be removed", { file: attemptId, error: kindOf(error) });
      }
    },
  };
}

/** @see createSpool */
export type Spool = ReturnType<typeof createSpool>;

/** Makes the new name durable; a platform that cannot sync a folder has it durable already or never. */
async function syncFolder(dir: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error ? String(error.code) : error.name;
}
