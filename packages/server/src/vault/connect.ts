import type { Audit } from "../audit/index.ts";
import type { ConnectionConfig } from "../config.ts";
import { equalInConstantTime, sha256, tokenHash } from "../crypto/hash.ts";
import { randomToken } from "../crypto/random.ts";
import { isRegisteredRedirect } from "../http/redirect-uris.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import { secret } from "../lib/secret.ts";
import type { Client } from "../oauth/index.ts";
import type { Storage } from "../storage/index.ts";
import type { AccountMerger } from "./account-merge.ts";
import type { ConnectSealer } from "./connect-seal.ts";
import { type ConnectStore, EMPTIED } from "./connect-store.ts";
import { vaultError } from "./errors.ts";
import { vaultEvents } from "./events.ts";
import { allowedScopes } from "./exchange.ts";
import type { CompleteBody, StartBody } from "./parse.ts";
import { type AccountRow, type ConnectRow, joinScopes } from "./store.ts";

export interface ConnectDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly issuer: string;
  readonly transactions: ConnectStore;
  readonly box: ConnectSealer;
  readonly merger: AccountMerger;
  readonly connection: (name: string) => ConnectionConfig | undefined;
}

/** What an application gets to start with; it sends the browser to `connectUri` with the ticket. */
export interface StartedConnect {
  readonly authSession: string;
  readonly connectUri: string;
  readonly ticket: string;
  readonly expiresInSeconds: number;
}

/** The link must be opened within this; it is what `expires_in` says. */
const TICKET_TTL_MS = 300_000;
/** From the start to the completed connection. */
const TRANSACTION_TTL_MS = 600_000;
/** More than anybody has open in ten minutes; bounds what one user's token can fill the table with. */
const MAX_OPEN_PER_USER = 20;

/** The application's side of connecting an account: start before the browser, complete after it. */
export function createConnect(deps: ConnectDeps) {
  const { transactions, clock, audit } = deps;

  /**
   * Starts a connection for a user. Nothing is connected until the same user confirms it in a browser.
   * @throws ApiError `vault.unknown_connection`, `vault.agent_not_allowed`, `vault.scope_not_allowed`,
   *   `vault.redirect_uri_not_registered`, `vault.too_many_connects`
   */
  async function start(client: Client, userId: string, body: StartBody): Promise<StartedConnect> {
    const connection = deps.connection(body.connection);
    if (!connection) throw vaultError("vault.unknown_connection");
    const allowed = allowedScopes(client, connection.name);
    const scopes = body.scopes ?? allowed;
    const forbidden = scopes.filter((scope) => !allowed.includes(scope));
    if (forbidden.length > 0) throw vaultError("vault.scope_not_allowed", { members: { scopes: forbidden } });
    // No prefix, no wildcard, no normalisation (RFC 9700 section 2.1).
    if (!isRegisteredRedirect(client, body.redirect_uri))
      throw vaultError("vault.redirect_uri_not_registered");
    if ((await transactions.countOpen(userId)) >= MAX_OPEN_PER_USER)
      throw vaultError("vault.too_many_connects");
    const [authSession, ticket] = [randomToken(), randomToken()];
    const row = newRow({ client, userId, body, scopes, authSession, ticket });
    await audit.append({
      action: vaultEvents.connectStarted,
      outcome: "allowed",
      userId,
      clientId: client.id,
      objectId: row.id,
      details: { connection: connection.name, scopes: row.scopes },
    });
    await transactions.insert(row);
    return {
      authSession,
      connectUri: `${deps.issuer}connect`,
      ticket,
      expiresInSeconds: TICKET_TTL_MS / 1_000,
    };
  }

  function newRow(of: {
    client: Client;
    userId: string;
    body: StartBody;
    scopes: readonly string[];
    authSession: string;
    ticket: string;
  }): ConnectRow {
    const { body } = of;
    const now = clock.now();
    const id = deps.ids.prefixed("cnt");
    const key = deps.box.newKey(id);
    const request = { state: body.state ?? null, params: body.authorization_params ?? {} };
    return {
      id,
      auth_session_hash: tokenHash(of.authSession),
      ticket_hash: tokenHash(of.ticket),
      user_id: of.userId,
      client_id: of.client.id,
      connection: body.connection,
      scopes: joinScopes(of.scopes),
      redirect_uri: body.redirect_uri,
      code_challenge: body.code_challenge,
      status: "started",
      data_key: key,
      // The application's parameters may hold an id_token_hint.
      sealed_request: deps.box.seal({ id, data_key: key }, "request", secret(JSON.stringify(request))),
      session_id: null,
      state_hash: null,
      sealed_verifier: null,
      sealed_tokens: null,
      external_id: null,
      label: null,
      granted_scopes: null,
      connect_code_hash: null,
      created_at: now,
      ticket_expires_at: now + TICKET_TTL_MS,
      expires_at: now + TRANSACTION_TTL_MS,
      consumed_at: null,
    };
  }

  /**
   * Stores the account of a confirmed connection, once. Every refusal looks the same from outside; the log
   * says which check failed. A refused attempt changes nothing.
   * @throws ApiError `vault.connect_invalid`
   */
  async function complete(client: Client, userId: string, body: CompleteBody): Promise<AccountRow> {
    const row = await transactions.findConfirmed(tokenHash(body.auth_session));
    const problem = firstProblem(row, client, userId, body);
    if (!row || problem) throw vaultError("vault.connect_invalid", { reason: problem ?? "unknown" });
    // The policy may have changed since: nothing is stored for an agent that may not use it.
    allowedScopes(client, row.connection);
    const account = await deps.merger.merge(row, (tx) =>
      transactions.step(row, { status: "completed", consumed_at: clock.now(), ...EMPTIED }, tx),
    );
    if (!account) throw vaultError("vault.connect_invalid", { reason: "completed by another request" });
    return account;
  }

  return { start, complete };
}

/** @see createConnect */
export type Connect = ReturnType<typeof createConnect>;

function firstProblem(
  row: ConnectRow | undefined,
  client: Client,
  userId: string,
  body: CompleteBody,
): string | undefined {
  const matches = (expected: string | null, given: string) =>
    expected !== null && equalInConstantTime(expected, given);
  const checks: [boolean, string][] = [
    [row === undefined, "no confirmed connection of this auth_session"],
    [row?.user_id !== userId, "another user's"],
    [row?.client_id !== client.id, "another client's"],
    [row?.redirect_uri !== body.redirect_uri, "redirect_uri differs"],
    [!matches(row?.code_challenge ?? null, sha256(body.code_verifier)), "code_verifier is wrong"],
    [!matches(row?.connect_code_hash ?? null, tokenHash(body.connect_code)), "connect_code is wrong"],
  ];
  return checks.find(([fails]) => fails)?.[1];
}
