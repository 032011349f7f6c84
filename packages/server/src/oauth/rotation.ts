import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { sql } from "kysely";
import { tokenHash } from "../crypto/hash.ts";
import { randomBytes } from "../crypto/random.ts";
import type { Clock } from "../lib/clock.ts";
import type { Storage } from "../storage/index.ts";
import { findModel } from "./store.ts";

/** Rotation of refresh tokens in the store. */
export interface Rotation {
  /**
   * Marks `old` as used with `successor` behind it. Exactly one of parallel callers gets "rotated"; the
   * others learn the winner's successor while the grace period lasts, and "reused" afterwards.
   */
  rotate(
    old: string,
    successor: string,
  ): Promise<{ outcome: "rotated" } | { outcome: "repeated"; successor: string } | { outcome: "reused" }>;
  /** The same answer for a token that was used before this request came. */
  successorOf(old: string): Promise<string | undefined>;
}

/**
 * How long the previous token still brings its successor: long enough for a client that lost the answer to
 * ask again, too short for a stolen token to be of use unnoticed.
 */
export const REFRESH_GRACE_MS = 10_000;

export function createRotation(deps: { storage: Storage; clock: Clock }): Rotation {
  const { storage, clock } = deps;

  async function successorOf(old: string): Promise<string | undefined> {
    const row = await findModel(storage, "RefreshToken", tokenHash(old));
    if (!row || row.consumed_at === null || clock.now() - row.consumed_at > REFRESH_GRACE_MS)
      return undefined;
    // Written below, beside the core's own members.
    const { successor } = JSON.parse(row.payload) as { successor?: string };
    return successor === undefined ? undefined : openWithToken(old, successor);
  }

  return {
    successorOf,
    async rotate(old, successor) {
      const row = await findModel(storage, "RefreshToken", tokenHash(old));
      if (!row) return { outcome: "reused" };
      const payload = JSON.stringify({
        ...JSON.parse(row.payload),
        successor: sealWithToken(old, successor),
      });
      const updated = await sql`
        update oauth_models set consumed_at = ${clock.now()}, payload = ${payload}
        where model = 'RefreshToken' and id_hash = ${row.id_hash} and consumed_at is null`.execute(
        storage.db(),
      );
      if (updated.numAffectedRows === 1n) return { outcome: "rotated" };
      const winner = await successorOf(old);
      return winner === undefined ? { outcome: "reused" } : { outcome: "repeated", successor: winner };
    },
  };
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Under a key made of the old token, which the server does not keep: only its holder can open the successor. */
function sealWithToken(token: string, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", keyOf(token), nonce, { authTagLength: TAG_BYTES });
  return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]).toString(
    "base64url",
  );
}

function openWithToken(token: string, sealed: string): string {
  const bytes = Buffer.from(sealed, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", keyOf(token), bytes.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
}

const keyOf = (token: string) =>
  Buffer.from(hkdfSync("sha256", token, "", "behalf/refresh-successor/v1", 32));
