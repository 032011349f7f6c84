import type { ConnectionConfig } from "../config.ts";
import type { Clock } from "../lib/clock.ts";
import type { Tx } from "../storage/index.ts";
import { early, type FreshToken, lifeOf } from "./access.ts";
import type { Arrivals } from "./arrivals.ts";
import type { Flights } from "./flights.ts";
import { type Lease, type Leases, refreshedEvent, SETTLED } from "./lease.ts";
import { attemptAfter, type Issued, isDue, isUsable, type RefreshProtocol } from "./refresh.ts";
import type { TokenSealer } from "./seal-tokens.ts";
import { type AccountRow, type AccountStore, joinScopes, splitScopes, type VaultTables } from "./store.ts";

export interface NarrowDeps {
  readonly accounts: AccountStore;
  readonly leases: Leases;
  readonly arrivals: Arrivals;
  readonly tokens: TokenSealer;
  readonly protocol: RefreshProtocol;
  readonly flights: Flights;
  readonly clock: Clock;
}

type NarrowRow = VaultTables["narrow_tokens"];

/** A narrow token, or the knowledge that there is none to be had. */
interface NarrowResult {
  readonly token: FreshToken | undefined;
}

const NOT_NARROWED: NarrowResult = { token: undefined };
/** How long a provider that would not narrow is not asked again. */
const NOT_NARROWABLE_MS = 3_600_000;
/** These say that a refresh token is issued; an access token can do no more for having them. */
export const OFFLINE_SCOPES = ["offline_access", "offline.access", "refresh_token"];
/** The server asks for these itself, to know whose account it is; no policy has to name them. */
const IDENTITY_SCOPES = ["openid", "profile", "email"];
const HARMLESS = [...OFFLINE_SCOPES, ...IDENTITY_SCOPES];

/** Scopes that count when what an agent may have is compared with what a token carries. */
export function meaningfulScopes(scopes: readonly string[]): string[] {
  return scopes.filter((scope) => !HARMLESS.includes(scope));
}

/** Gives access tokens with fewer scopes than their account has (RFC 6749 section 6), one kept per set. */
export function createNarrowAccess(deps: NarrowDeps) {
  const { accounts, leases, tokens, protocol, flights, clock } = deps;

  function open(row: AccountRow, scopes: string, cached: NarrowRow | undefined): NarrowResult {
    if (!cached?.sealed) return NOT_NARROWED;
    const accessToken = tokens.openNarrow(row, scopes, cached.sealed);
    return { token: { accessToken, scopes: splitScopes(scopes), expiresAt: cached.expires_at } };
  }

  function planFor(connection: ConnectionConfig, scopes: string) {
    return {
      params: { scope: splitScopes(scopes).join(connection.scopeSeparator) },
      async done(row: AccountRow): Promise<NarrowResult | undefined> {
        const cached = await accounts.narrowToken(row.id, scopes);
        return cached && !isDue(cached, clock.now()) ? open(row, scopes, cached) : undefined;
      },
      settle: (issued: Issued) => settle(scopes, issued),
      async scopeRefused(lease: Lease): Promise<NarrowResult> {
        const row = notNarrowable(lease.account.id, scopes);
        await leases.commit(lease, attemptAfter(lease, false), { also: (tx) => put(tx, row) });
        return NOT_NARROWED;
      },
      impossible: async (): Promise<NarrowResult> => NOT_NARROWED,
    };
  }

  async function settle(scopes: string, issued: Issued): Promise<NarrowResult | undefined> {
    const { lease, spent, tokens: answer } = issued;
    const row = rowOf(scopes, issued);
    const extra = {
      also: (tx: Tx) => put(tx, row),
      events: [refreshedEvent(lease.account, { scopes, narrowed: row.sealed !== null })],
    };
    const written = answer.refreshToken
      ? await deps.arrivals.store(lease, wholeWith(lease.account, answer.refreshToken), spent, extra)
      : await leases.commit(lease, SETTLED, extra);
    return written && open(written, scopes, row);
  }

  /**
   * Only a stated scope proves that the token is narrow: a provider that overlooks the parameter is also one
   * that says nothing, and its token may do everything.
   */
  function rowOf(scopes: string, { lease, sentAt, tokens: answer }: Issued): NarrowRow {
    const wanted = splitScopes(scopes);
    const proven = answer.scopes && meaningfulScopes(answer.scopes).every((scope) => wanted.includes(scope));
    if (!proven) return notNarrowable(lease.account.id, scopes);
    const life = lifeOf({ expiresInSeconds: answer.expiresInSeconds, hasRefreshToken: true }, sentAt);
    return {
      account_id: lease.account.id,
      scopes,
      sealed: tokens.sealNarrow(lease.account, scopes, answer.accessToken),
      refresh_at: life.refreshAt ?? sentAt,
      expires_at: life.expiresAt ?? sentAt,
    };
  }

  /** The account's own tokens, with the refresh token that a rotation put in the old one's place. */
  function wholeWith(row: AccountRow, refreshToken: NonNullable<Issued["tokens"]["refreshToken"]>) {
    return {
      tokens: { accessToken: tokens.openAccess(row), refreshToken },
      scopes: row.scopes,
      refreshAt: row.refresh_at,
      expiresAt: row.expires_at,
    };
  }

  function notNarrowable(accountId: string, scopes: string): NarrowRow {
    const until = clock.now() + NOT_NARROWABLE_MS;
    return { account_id: accountId, scopes, sealed: null, refresh_at: until, expires_at: until };
  }

  return {
    /**
     * An access token with `wanted` and no more; `undefined` when the provider does not make one.
     * @throws ApiError as `whole` does
     */
    async narrowed(
      row: AccountRow,
      connection: ConnectionConfig,
      wanted: readonly string[],
    ): Promise<FreshToken | undefined> {
      // Other agents' scopes are worth more than this agent's convenience.
      if (!keepsGrant(connection)) return undefined;
      const scopes = joinScopes(wanted);
      const cached = await accounts.narrowToken(row.id, scopes);
      if (cached && !isDue(cached, clock.now())) return open(row, scopes, cached).token;
      const fresh = flights.join(row.id, `narrow ${scopes}`, () =>
        protocol.run(row.id, connection, planFor(connection, scopes)),
      );
      if (!cached?.sealed || !isUsable(cached, clock.now())) return (await fresh).token;
      return ((await early(fresh)) ?? open(row, scopes, cached)).token;
    },
  };
}

/** Whether a refresh for fewer scopes leaves the grant as it is; a provider that rotates must be known to. */
function keepsGrant({ narrowing, rotation }: ConnectionConfig): boolean {
  return (narrowing ?? (rotation === "none" ? "keeps_grant" : "loses_grant")) === "keeps_grant";
}

/** @see createNarrowAccess */
export type NarrowAccess = ReturnType<typeof createNarrowAccess>;

async function put(tx: Tx, row: NarrowRow): Promise<void> {
  const { account_id: _account, scopes: _scopes, ...rest } = row;
  await tx
    .db<VaultTables>()
    .insertInto("narrow_tokens")
    .values(row)
    .onConflict((conflict) => conflict.columns(["account_id", "scopes"]).doUpdateSet(rest))
    .execute();
}
