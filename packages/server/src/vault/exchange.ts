import type { Audit } from "../audit/index.ts";
import type { AgentPolicy, ConnectionConfig } from "../config.ts";
import { ApiError } from "../http/errors.ts";
import type { Clock } from "../lib/clock.ts";
import type { Secret } from "../lib/secret.ts";
import type { Users } from "../login/index.ts";
import type { Client, Clients } from "../oauth/index.ts";
import type { Access, FreshToken } from "./access.ts";
import { vaultError } from "./errors.ts";
import { vaultEvents } from "./events.ts";
import { meaningfulScopes, type NarrowAccess } from "./narrow.ts";
import { requireAlive } from "./refresh.ts";
import { type AccountRow, type AccountStore, splitScopes } from "./store.ts";

/** Who asks for a token of which account. */
export interface ExchangeRequest {
  /** The agent; authenticated by the caller. */
  readonly client: Client;
  /** The user it acts for; proven by the caller. */
  readonly subject: { readonly userId: string };
  readonly connection: string;
  /** External account id, label or our account id: chooses among several accounts. */
  readonly loginHint?: string | undefined;
  /** Scopes the token must have and may not exceed. Absent: all the agent may have of what was granted. */
  readonly scopes?: readonly string[] | undefined;
}

/** A third-party access token on its way to an agent; its release is in the audit log. */
export interface ReleasedToken {
  readonly accountId: string;
  readonly accessToken: Secret;
  /** At least 1; an hour when the provider names no end. */
  readonly expiresInSeconds: number;
  readonly scopes: readonly string[];
}

export interface ExchangeDeps {
  readonly accounts: AccountStore;
  readonly access: Access;
  readonly narrow: NarrowAccess;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly users: Users;
  readonly clients: Clients;
  readonly connection: (name: string) => ConnectionConfig | undefined;
}

/** One user with more accounts of one connection than this is asked to name one anyway. */
const MAX_CANDIDATES = 20;
const NO_END_SECONDS = 3_600;
/** Refusals that are about the agent, not the user: somebody may want to know of them. */
const RECORDED_REFUSALS = ["vault.agent_not_allowed", "vault.scope_not_allowed"];

/** Hands fresh access tokens of users' accounts to the agents that may have them. */
export function createExchange(deps: ExchangeDeps) {
  const { accounts, audit } = deps;

  async function exchange(request: ExchangeRequest): Promise<ReleasedToken> {
    try {
      return await release(request);
    } catch (error) {
      if (ApiError.is(error) && RECORDED_REFUSALS.includes(error.code)) await recordRefusal(request, error);
      throw error;
    }
  }

  /** The checks of one exchange, from top to bottom. */
  async function release(request: ExchangeRequest): Promise<ReleasedToken> {
    const { subject, loginHint } = request;
    const connection = deps.connection(request.connection);
    if (!connection) throw vaultError("vault.unknown_connection");
    const client = await deps.clients.find(request.client.id);
    const allowed = allowedScopes(client, connection.name);
    const user = await deps.users.find(subject.userId);
    if (!user || user.disabledAt !== undefined) throw vaultError("vault.subject_invalid");
    const requested = request.scopes?.length ? [...new Set(request.scopes)] : undefined;
    const forbidden = meaningfulScopes(requested ?? []).filter((scope) => !allowed.includes(scope));
    if (forbidden.length > 0) throw vaultError("vault.scope_not_allowed", { members: { scopes: forbidden } });
    const candidates = await accounts.listLive(user.id, {
      connection: connection.name,
      limit: MAX_CANDIDATES + 1,
    });
    const account = requireAlive(pickAccount(candidates, loginHint));
    const missing = (requested ?? []).filter((scope) => !splitScopes(account.scopes).includes(scope));
    if (missing.length > 0) throw vaultError("vault.scope_missing", { members: { scopes: missing } });
    const token = await fitting(account, connection, allowed, requested);
    await recordRelease(request, account, token);
    return {
      accountId: account.id,
      accessToken: token.accessToken,
      expiresInSeconds: secondsLeft(token, deps.clock.now()),
      scopes: token.scopes,
    };
  }

  /** The account's own token when the agent may have all of it and asked for all of it; else a narrower one. */
  async function fitting(
    account: AccountRow,
    connection: ConnectionConfig,
    allowed: readonly string[],
    requested: readonly string[] | undefined,
  ): Promise<FreshToken> {
    const granted = meaningfulScopes(splitScopes(account.scopes));
    const permitted = granted.filter((scope) => allowed.includes(scope));
    const wanted = meaningfulScopes(requested ?? permitted);
    if (wanted.length < granted.length) {
      const narrow = wanted.length > 0 ? await deps.narrow.narrowed(account, connection, wanted) : undefined;
      if (narrow) return narrow;
      if (permitted.length < granted.length) throw tooWide(granted, allowed);
    }
    const whole = await deps.access.whole(account, connection);
    // The provider may have answered this very refresh with other scopes than the account had.
    const now = meaningfulScopes(whole.scopes);
    if (now.some((scope) => !allowed.includes(scope))) throw tooWide(now, allowed);
    const gone = (requested ?? []).filter((scope) => !whole.scopes.includes(scope));
    if (gone.length > 0) throw vaultError("vault.scope_missing", { members: { scopes: gone } });
    return whole;
  }

  /** Durable before the token leaves: no record, no token. */
  function recordRelease(request: ExchangeRequest, account: AccountRow, token: FreshToken): Promise<void> {
    return audit.append({
      action: vaultEvents.released,
      outcome: "allowed",
      userId: account.user_id,
      clientId: request.client.id,
      objectId: account.id,
      details: { connection: account.connection, scopes: token.scopes.join(" ") },
    });
  }

  function recordRefusal(request: ExchangeRequest, error: ApiError): Promise<void> {
    return audit.append({
      action: vaultEvents.refused,
      outcome: "refused",
      userId: request.subject.userId,
      clientId: request.client.id,
      details: { connection: request.connection, code: error.code },
    });
  }

  return exchange;
}

/** What the client's policy grants of a connection. @throws ApiError `vault.agent_not_allowed` */
export function allowedScopes(client: Client | undefined, connection: string): readonly string[] {
  const policy = policyFor(client, connection);
  if (!policy) throw vaultError("vault.agent_not_allowed");
  return policy.scopes;
}

/** The client's policy for a connection; `undefined` when it is no agent, switched off, or may not use it. */
export function policyFor(
  client: Client | undefined,
  connection: string,
): AgentPolicy["connections"][string] | undefined {
  if (!client || client.disabledAt !== undefined) return undefined;
  const connections = client.agent?.connections ?? {};
  return Object.hasOwn(connections, connection) ? connections[connection] : undefined;
}

/** @throws ApiError `vault.not_connected`, `vault.account_ambiguous` */
function pickAccount(candidates: readonly AccountRow[], hint: string | undefined): AccountRow {
  const named = (row: AccountRow) => hint === row.id || hint === row.external_id || hint === row.label;
  const fitting = hint === undefined ? candidates : candidates.filter(named);
  const [first, second] = fitting;
  if (!first) throw vaultError("vault.not_connected");
  if (second) {
    const list = fitting.map((row) => ({ id: row.id, label: row.label, login_hint: row.external_id }));
    throw vaultError("vault.account_ambiguous", { members: { accounts: list } });
  }
  return first;
}

function tooWide(granted: readonly string[], allowed: readonly string[]) {
  return vaultError("vault.scope_not_allowed", {
    detail:
      "The user granted more than this client may have, and the provider makes no narrower token. " +
      "Allow the scopes in the agent's policy, or connect the account with fewer.",
    members: { scopes: granted.filter((scope) => !allowed.includes(scope)) },
  });
}

function secondsLeft(token: FreshToken, now: number): number {
  if (token.expiresAt === null) return NO_END_SECONDS;
  return Math.max(1, Math.floor((token.expiresAt - now) / 1_000));
}
