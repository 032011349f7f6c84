import type { SealContext, Sealer } from "../crypto/seal.ts";
import { assert } from "../lib/assert.ts";
import { reveal, type Secret, secret } from "../lib/secret.ts";
import type { AccountRow, Bytes } from "./store.ts";

/** Who an account is: what every sealed value of it is bound to. */
export type AccountIdentity = Pick<AccountRow, "id" | "user_id" | "connection" | "external_id">;

/** What a column of an account holds. */
type Purpose = "access" | "refresh" | "previous-refresh";

/** Tokens of an account in clear, for the moment in which they are used. */
export interface TokenSet {
  readonly accessToken: Secret;
  readonly refreshToken: Secret | undefined;
}

/** Seals and opens the tokens of accounts. A value opens only in the row, column and version it was made for. */
export function createTokenSealer(deps: { sealer: Sealer }) {
  const { sealer } = deps;

  function openColumn(row: AccountRow, purpose: Purpose, sealed: Bytes): Secret {
    assert(row.data_key, "an account with sealed tokens has its data key");
    return sealer.open(row.data_key, ownerOf(row), contextOf(row, purpose, row.version), sealed);
  }

  return {
    newDataKey: (account: AccountIdentity): Buffer => sealer.newDataKey(ownerOf(account)),

    /** The three columns of a token set as version `version`. */
    sealSet(
      dataKey: Bytes,
      account: AccountIdentity,
      version: number,
      tokens: TokenSet & { readonly previousRefreshToken?: Secret | undefined },
    ) {
      const seal = (purpose: Purpose, token: Secret | undefined) =>
        token ? sealer.seal(dataKey, ownerOf(account), contextOf(account, purpose, version), token) : null;
      return {
        sealed_access: seal("access", tokens.accessToken),
        sealed_refresh: seal("refresh", tokens.refreshToken),
        sealed_previous: seal("previous-refresh", tokens.previousRefreshToken),
      };
    },

    openAccess(row: AccountRow): Secret {
      assert(row.sealed_access, "an account that is not disconnected has an access token");
      return openColumn(row, "access", row.sealed_access);
    },

    openRefresh: (row: AccountRow): Secret | undefined =>
      row.sealed_refresh ? openColumn(row, "refresh", row.sealed_refresh) : undefined,

    sealNarrow(row: AccountRow, scopes: string, token: Secret): Buffer {
      assert(row.data_key, "an account with tokens has its data key");
      return sealer.seal(row.data_key, ownerOf(row), narrowContext(row, scopes), token);
    },

    openNarrow(row: AccountRow, scopes: string, sealed: Bytes): Secret {
      assert(row.data_key, "an account with tokens has its data key");
      return sealer.open(row.data_key, ownerOf(row), narrowContext(row, scopes), sealed);
    },
  };
}

/** @see createTokenSealer */
export type TokenSealer = ReturnType<typeof createTokenSealer>;

function ownerOf(account: AccountIdentity): SealContext {
  return { owner: "account", account: account.id, user: account.user_id };
}

function contextOf(account: AccountIdentity, purpose: Purpose, version: number): SealContext {
  return { purpose, ...identityOf(account), version };
}

function narrowContext(account: AccountIdentity, scopes: string): SealContext {
  return { purpose: "narrow-access", ...identityOf(account), scopes };
}

function identityOf(account: AccountIdentity): SealContext {
  return {
    account: account.id,
    user: account.user_id,
    connection: account.connection,
    external: account.external_id,
  };
}

/** A value with secrets inside, sealed as one under a key of its own. For what outlives or precedes an account. */
export interface Parcel {
  readonly data_key: Buffer;
  readonly sealed: Buffer;
}

/** Seals a JSON value under a new key that belongs to `id` alone. */
export function sealParcel(sealer: Sealer, purpose: string, id: string, value: Secret): Parcel {
  const owner = { owner: purpose, id };
  const dataKey = sealer.newDataKey(owner);
  return { data_key: dataKey, sealed: sealer.seal(dataKey, owner, { purpose, id }, value) };
}

/** @throws SealError when it was made for another purpose or id, or changed. */
export function openParcel(
  sealer: Sealer,
  purpose: string,
  id: string,
  parcel: { readonly data_key: Bytes; readonly sealed: Bytes },
): Secret {
  return sealer.open(parcel.data_key, { owner: purpose, id }, { purpose, id }, parcel.sealed);
}

/** Tokens as JSON text, still secret. */
export function packTokens(tokens: TokenSet): Secret {
  return secret(
    JSON.stringify({
      access: reveal(tokens.accessToken),
      refresh: tokens.refreshToken ? reveal(tokens.refreshToken) : null,
    }),
  );
}

/** Reads what {@link packTokens} wrote. */
export function unpackTokens(packed: Secret): TokenSet {
  // Sealed by packTokens alone, and authenticated.
  const { access, refresh } = JSON.parse(reveal(packed)) as { access: string; refresh: string | null };
  return { accessToken: secret(access), refreshToken: refresh === null ? undefined : secret(refresh) };
}
