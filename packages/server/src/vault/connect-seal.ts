import type { Sealer } from "../crypto/seal.ts";
import { assert } from "../lib/assert.ts";
import { reveal, type Secret, secret } from "../lib/secret.ts";
import { packTokens, type TokenSet, unpackTokens } from "./seal-tokens.ts";
import type { Bytes, ConnectRow } from "./store.ts";

/** Tokens that wait for the user's word. Times are milliseconds. */
export interface ParkedTokens {
  readonly tokens: TokenSet;
  readonly refreshAt: number | null;
  readonly expiresAt: number | null;
}

type Purpose = "request" | "verifier" | "tokens";

/** Seals what a connect transaction holds, under a key that is destroyed when it ends. */
export function createConnectSealer(deps: { sealer: Sealer }) {
  const ownerOf = (id: string) => ({ owner: "connect", transaction: id });
  const contextOf = (id: string, purpose: Purpose) => ({ purpose: `connect-${purpose}`, transaction: id });

  function seal(row: Pick<ConnectRow, "id" | "data_key">, purpose: Purpose, value: Secret): Buffer {
    assert(row.data_key, "a connect transaction has its key until it ends");
    return deps.sealer.seal(row.data_key, ownerOf(row.id), contextOf(row.id, purpose), value);
  }

  function open(row: ConnectRow, purpose: Purpose, sealed: Bytes | null): Secret {
    assert(row.data_key && sealed, `a connect transaction at this step has its ${purpose}`);
    return deps.sealer.open(row.data_key, ownerOf(row.id), contextOf(row.id, purpose), sealed);
  }

  return {
    newKey: (id: string): Buffer => deps.sealer.newDataKey(ownerOf(id)),
    seal,
    openRequest: (row: ConnectRow): Secret => open(row, "request", row.sealed_request),
    openVerifier: (row: ConnectRow): Secret => open(row, "verifier", row.sealed_verifier),

    sealTokens: (row: ConnectRow, parked: ParkedTokens): Buffer =>
      seal(row, "tokens", secret(JSON.stringify({ ...parked, tokens: reveal(packTokens(parked.tokens)) }))),

    openTokens(row: ConnectRow): ParkedTokens {
      // Sealed by sealTokens alone, and authenticated.
      const parked = JSON.parse(reveal(open(row, "tokens", row.sealed_tokens))) as Omit<
        ParkedTokens,
        "tokens"
      > & { tokens: string };
      return { ...parked, tokens: unpackTokens(secret(parked.tokens)) };
    },
  };
}

/** @see createConnectSealer */
export type ConnectSealer = ReturnType<typeof createConnectSealer>;
