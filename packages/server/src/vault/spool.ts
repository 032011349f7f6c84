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

  function encode({ attemptId, accountId, connection, version, result }: Omit<SpoolEntry, "receivedAt">) {
    const { tokens, ...rest } = result;
    const packed = secret(JSON.stringify({ ...rest, tokens: reveal(packTokens(tokens)) }));
    const { data_key, sealed } = sealParcel(sealer, PURPOSE, attemptId, packed);
    return JSON.stringify({
      attemptId,
      accountId,
      connection,
      version,
      receivedAt: deps.clock.now(),
      dataKey: data_key.toString("base64"),
      sealed: sealed.toString("base64"),
    });
  }

  async function read(name: string): Promise<SpoolEntry | undefined> {
    try {
      // Written by encode; what was changed since does not open.
      const file = JSON.parse(await readFile(join(dir, name), "utf8")) as Omit<SpoolEntry, "result"> & {
        dataKey: string;
        sealed: string;
      };
      const { dataKey, sealed, ...head } = file;
      const parcel = { data_key: Buffer.from(dataKey, "base64"), sealed: Buffer.from(sealed, "base64") };
      const { tokens, ...rest } = JSON.parse(
        reveal(openParcel(sealer, PURPOSE, head.attemptId, parcel)),
      ) as Omit<NewTokens, "tokens"> & { tokens: string };
      return { ...head, result: { ...rest, tokens: unpackTokens(secret(tokens)) } };
    } catch (error) {
      // Another process removed it, or it cannot be opened: an operator's business, never a reason to stop.
      log.warn("a spool file cannot be read", {
        file: name,
        error: error instanceof Error ? error.name : "unknown",
      });
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

    remove: (attemptId: string): Promise<void> => rm(pathOf(attemptId), { force: true }),
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
