import { tokenHash } from "../crypto/hash.ts";
import { randomBytes } from "../crypto/random.ts";
import type { Clock } from "../lib/clock.ts";
import { consumeOnce } from "../storage/consume.ts";
import type { Storage } from "../storage/index.ts";
import { findModel, type OAuthTables } from "./store.ts";

/** A request for tokens that waits for its user's second factor. */
export interface MfaRequest {
  readonly clientId: string;
  readonly userId: string;
  /** What the tokens were asked for under; when it ends, the request ends. */
  readonly grantId: string;
  readonly audience: string;
  readonly scope: string;
  /** What the user had proven before, and when, in milliseconds. */
  readonly amr: readonly string[];
  readonly authenticatedAt: number;
}

/** The same, found by its value. */
export interface WaitingRequest extends MfaRequest {
  readonly hash: string;
  /** An authenticator app that waits for its first code. */
  readonly pendingFactor: string | undefined;
  readonly pendingCodeHashes: readonly string[];
}

export type MfaTokens = ReturnType<typeof createMfaTokens>;

export const MFA_TOKEN_SECONDS = 600;
const BYTES = 32;
const SWEEP_ROWS = 1_000;

export function createMfaTokens(deps: { storage: Storage; clock: Clock }) {
  const { storage, clock } = deps;
  const table = () => storage.db<OAuthTables>();

  return {
    /** The value that stands for the request, 256 bits; the database keeps its hash. */
    async issue(request: MfaRequest): Promise<string> {
      const value = Buffer.from(randomBytes(BYTES)).toString("base64url");
      await table()
        .insertInto("mfa_tokens")
        .values({
          token_hash: tokenHash(value),
          client_id: request.clientId,
          user_id: request.userId,
          grant_id: request.grantId,
          audience: request.audience,
          scope: request.scope,
          amr: JSON.stringify(request.amr),
          authenticated_at: request.authenticatedAt,
          pending_factor: null,
          pending_codes: null,
          expires_at: clock.now() + MFA_TOKEN_SECONDS * 1_000,
          consumed_at: null,
        })
        .execute();
      return value;
    },

    /** `undefined` for a value that is unknown, expired or used, and for one whose grant has ended. */
    async find(value: string): Promise<WaitingRequest | undefined> {
      const row = await table()
        .selectFrom("mfa_tokens")
        .selectAll()
        .where("token_hash", "=", tokenHash(value))
        .where("consumed_at", "is", null)
        .where("expires_at", ">", clock.now())
        .executeTakeFirst();
      const grant = row && (await findModel(storage, "Grant", tokenHash(row.grant_id)));
      if (!row || !grant || (grant.expires_at ?? 0) <= clock.now()) return undefined;
      return {
        hash: row.token_hash,
        clientId: row.client_id,
        userId: row.user_id,
        grantId: row.grant_id,
        audience: row.audience,
        scope: row.scope,
        // Both written above and below.
        amr: JSON.parse(row.amr) as string[],
        authenticatedAt: row.authenticated_at,
        pendingFactor: row.pending_factor ?? undefined,
        pendingCodeHashes: JSON.parse(row.pending_codes ?? "[]") as string[],
      };
    },

    /** Remembers an authenticator app that was begun, in place of an earlier one; with `undefined` forgets it. */
    async remember(hash: string, factor: string | undefined, codeHashes: readonly string[]): Promise<void> {
      await table()
        .updateTable("mfa_tokens")
        .set({ pending_factor: factor ?? null, pending_codes: JSON.stringify(codeHashes) })
        .where("token_hash", "=", hash)
        .execute();
    },

    /** Uses the value up: true for exactly one of any number of callers. */
    async consume(hash: string): Promise<boolean> {
      return (await consumeOnce(storage, "mfa_tokens", { token_hash: hash }, clock.now())) !== undefined;
    },

    /** Removes a bounded number of those that have expired. */
    async sweep(): Promise<void> {
      await table()
        .deleteFrom("mfa_tokens")
        .where("token_hash", "in", (query) =>
          query
            .selectFrom("mfa_tokens")
            .select("token_hash")
            .where("expires_at", "<", clock.now())
            .limit(SWEEP_ROWS),
        )
        .execute();
    },
  };
}
