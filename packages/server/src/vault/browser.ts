import type { Audit } from "../audit/index.ts";
import type { ConnectionConfig } from "../config.ts";
import { tokenHash } from "../crypto/hash.ts";
import { randomToken } from "../crypto/random.ts";
import { SealError } from "../crypto/seal.ts";
import { type Discovery, isIssuerRight, type ProviderEndpoints } from "../http/discovery.ts";
import { EgressError } from "../http/egress.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { reveal, secret } from "../lib/secret.ts";
import type { BrowserSession } from "../login/index.ts";
import type { Storage } from "../storage/index.ts";
import { lifeOf } from "./access.ts";
import { authorizationUrl, providerErrorFor, returnAddress } from "./authorization-request.ts";
import type { ConnectSealer, ParkedTokens } from "./connect-seal.ts";
import { type ConnectStore, EMPTIED } from "./connect-store.ts";
import { vaultEvents } from "./events.ts";
import type { ExternalAccount, Provider, TokenAnswer } from "./provider.ts";
import type { Revoker } from "./revoke.ts";
import type { TokenSet } from "./seal-tokens.ts";
import { type AccountStore, type ConnectRow, joinScopes, splitScopes } from "./store.ts";

export interface BrowserDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Log;
  readonly issuer: string;
  readonly transactions: ConnectStore;
  readonly accounts: AccountStore;
  readonly box: ConnectSealer;
  readonly provider: Provider;
  readonly discovery: Discovery;
  readonly revoker: Revoker;
  readonly connection: (name: string) => ConnectionConfig | undefined;
}

/** Where a step in the browser leads. */
export type BrowserStep =
  | { readonly go: string }
  /** Unknown, expired, used, or forged: start again in the application. */
  | { readonly page: "expired" }
  /** Somebody else started this; whoever is logged in here cannot go on. */
  | { readonly page: "other_user" }
  /** The answer belongs to a login in another browser. */
  | { readonly page: "other_browser" };

const EXPIRED: BrowserStep = { page: "expired" };
/** An ended transaction is kept this long, so that a late step is told "expired" and not "unknown". */
const KEPT_AFTER_EXPIRY_MS = 60_000;

/** The browser's side of connecting: our link, the provider, our callback, the user's word. */
export function createBrowserFlow(deps: BrowserDeps) {
  const { transactions, accounts, box, clock, log } = deps;
  const callbackUri = `${deps.issuer}login/callback`;

  /** Opens the link, once, for the user who started it. Nothing is consumed for anybody else. */
  async function open(ticket: string, session: BrowserSession): Promise<BrowserStep> {
    const row = await transactions.findByTicket(tokenHash(ticket));
    const connection = row && deps.connection(row.connection);
    if (!row || !connection) return EXPIRED;
    if (row.user_id !== session.userId) return { page: "other_user" };
    const endpoints = await endpointsOf(connection);
    if (!endpoints) return end(row, "temporarily_unavailable");
    const [state, verifier] = [randomToken(), randomToken()];
    const existing = await accounts.listLive(row.user_id, { connection: connection.name, limit: 2 });
    const request = authorizationUrl({
      connection,
      authorizationEndpoint: endpoints.authorizationEndpoint,
      callbackUri,
      state,
      verifier,
      scopes: splitScopes(row.scopes),
      // With several accounts nobody knows yet which one it will be.
      existing: existing.length === 1 ? existing[0] : undefined,
      params: requestOf(row).params,
    });
    const sent = await transactions.step(row, {
      status: "sent",
      session_id: session.id,
      state_hash: tokenHash(state),
      sealed_verifier: box.seal(row, "verifier", secret(verifier)),
      granted_scopes: joinScopes(request.scopes),
    });
    return sent ? { go: request.url } : EXPIRED;
  }

  /** What the provider sent the browser back with. Only the browser that left may return, and only once. */
  async function callback(
    params: URLSearchParams,
    session: BrowserSession | undefined,
  ): Promise<BrowserStep> {
    const once = (name: string) => (params.getAll(name).length === 1 ? params.get(name) : null);
    const row = await transactions.findByState(tokenHash(once("state") ?? ""));
    const connection = row && deps.connection(row.connection);
    if (!row || !connection) return EXPIRED;
    if (session?.id !== row.session_id || session?.userId !== row.user_id) return { page: "other_browser" };
    const endpoints = await endpointsOf(connection);
    if (!endpoints) return end(row, "temporarily_unavailable");
    if (!isIssuerRight(endpoints, params.getAll("iss"))) {
      log.warn("an answer came from another issuer", { connection: connection.name, transaction: row.id });
      return EXPIRED;
    }
    const returned = await transactions.step(row, { status: "returned" });
    if (!returned) return EXPIRED;
    const error = once("error");
    if (error !== null) return end(returned, providerErrorFor(error));
    const code = once("code");
    if (!code) return end(returned, "server_error");
    return receive(returned, connection, code);
  }

  /** `undefined` when a provider that says its own addresses does not answer. */
  async function endpointsOf(connection: ConnectionConfig): Promise<ProviderEndpoints | undefined> {
    try {
      return await deps.discovery.endpointsOf(connection);
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      log.warn("a provider's metadata cannot be had", { connection: connection.name, error: error.code });
      return undefined;
    }
  }

  /** Code to tokens, tokens to a name; then they are parked until the user confirms. */
  async function receive(row: ConnectRow, connection: ConnectionConfig, code: string): Promise<BrowserStep> {
    const sentAt = clock.now();
    const answer = await deps.provider.requestTokens(connection, {
      grant_type: "authorization_code",
      code,
      redirect_uri: callbackUri,
      code_verifier: reveal(box.openVerifier(row)),
    });
    if (answer.kind !== "tokens") return end(row, failureFor(row, answer));
    const { accessToken, refreshToken, expiresInSeconds, scopes } = answer.tokens;
    const hasRefreshToken = refreshToken !== undefined;
    const parked: ParkedTokens = {
      tokens: { accessToken, refreshToken },
      ...lifeOf({ expiresInSeconds, hasRefreshToken }, sentAt),
    };
    const account = await deps.provider.identify(connection, accessToken);
    if (!account) return abandon(row, parked, undefined);
    const kept = await transactions.step(row, {
      status: "parked",
      sealed_verifier: null,
      sealed_tokens: box.sealTokens(row, parked),
      external_id: account.id,
      label: account.label,
      ...(scopes ? { granted_scopes: joinScopes(scopes) } : {}),
    });
    return kept ? { go: `/connect/confirm?transaction=${row.id}` } : abandon(row, parked, account);
  }

  function failureFor(row: ConnectRow, answer: TokenAnswer): string {
    const facts = { connection: row.connection, transaction: row.id, answer: answer.kind };
    log.warn("a provider gave no tokens for a code", facts);
    return answer.kind === "unavailable" ? "temporarily_unavailable" : "server_error";
  }

  /** Tokens that nobody will use are not left alive at the provider. */
  async function abandon(
    row: ConnectRow,
    parked: ParkedTokens,
    account: ExternalAccount | undefined,
  ): Promise<BrowserStep> {
    const to = await end(row, "server_error");
    // Without a name nobody can tell whose grant a revocation would end.
    if (account && !(await accounts.isInUse(row.connection, account.id)))
      await deps.revoker.discard({ connection: row.connection, tokens: parked.tokens });
    return to;
  }

  /** A parked transaction of this login; `undefined` for any other. */
  async function findParked(id: string, session: BrowserSession): Promise<ConnectRow | undefined> {
    const row = await transactions.findParked(id);
    return row?.session_id === session.id && row.user_id === session.userId ? row : undefined;
  }

  /** The user's word. Yes makes the code that completes the connection; no throws the tokens away. */
  async function decide(id: string, session: BrowserSession, confirmed: boolean): Promise<BrowserStep> {
    const row = await findParked(id, session);
    if (!row) return EXPIRED;
    if (!confirmed) return cancel(row);
    const code = randomToken();
    const step = await transactions.step(row, { status: "confirmed", connect_code_hash: tokenHash(code) });
    if (!step) return EXPIRED;
    return { go: returnAddress(row.redirect_uri, { connect_code: code, state: requestOf(row).state }) };
  }

  async function cancel(row: ConnectRow): Promise<BrowserStep> {
    const { tokens } = box.openTokens(row);
    const to = await end(row, "access_denied");
    // Many providers end every grant of ours when one token is revoked: not while an account lives on it.
    const inUse = await accounts.isInUse(row.connection, row.external_id ?? "");
    if ("go" in to && !inUse) await deps.revoker.discard({ connection: row.connection, tokens });
    return to;
  }

  /** `undefined` when they do not open any more: what cannot be read cannot be revoked, and must still go. */
  function openParked(row: ConnectRow): TokenSet | undefined {
    try {
      return box.openTokens(row).tokens;
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      log.error("parked tokens do not open; they are removed unrevoked", { transaction: row.id });
      return undefined;
    }
  }

  async function end(row: ConnectRow, error: string): Promise<BrowserStep> {
    const { state } = requestOf(row);
    const ended = await transactions.step(row, { status: "ended", ...EMPTIED });
    if (!ended) return EXPIRED;
    await deps.audit.append({
      action: vaultEvents.connectEnded,
      outcome: error === "access_denied" ? "refused" : "failed",
      userId: row.user_id,
      clientId: row.client_id,
      objectId: row.id,
      details: { connection: row.connection, error },
    });
    return { go: returnAddress(row.redirect_uri, { error, state }) };
  }

  function requestOf(row: ConnectRow) {
    // Sealed by start alone, and authenticated.
    return JSON.parse(reveal(box.openRequest(row))) as {
      state: string | null;
      params: Record<string, string | number>;
    };
  }

  return {
    open,
    callback,
    findParked,
    decide,

    /** Removes what expired; parked tokens that nobody confirmed are revoked. */
    async sweep(): Promise<void> {
      for (const row of await transactions.listExpired(KEPT_AFTER_EXPIRY_MS)) {
        const { connection } = row;
        const orphaned =
          row.sealed_tokens !== null && !(await accounts.isInUse(connection, row.external_id ?? ""));
        const tokens = orphaned ? openParked(row) : undefined;
        await deps.storage.transaction(async (tx) => {
          const removed = await transactions.remove(tx, row.id);
          if (removed && tokens) await deps.revoker.enqueue(tx, { connection, tokens });
        });
      }
    },
  };
}

/** @see createBrowserFlow */
export type BrowserFlow = ReturnType<typeof createBrowserFlow>;
