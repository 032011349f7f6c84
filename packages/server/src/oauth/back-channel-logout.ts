import { importJWK, type JWK, SignJWT } from "jose";
import { sql } from "kysely";
import type { Egress } from "../http/egress.ts";
import { type Clock, epochSeconds } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Storage } from "../storage/index.ts";
import type { Outbox, OutboxHandler } from "../storage/outbox.ts";
import type { ClientRegistry } from "./clients.ts";
import type { OAuthTables } from "./store.ts";

const TOPIC = "oauth.back_channel_logout";
const EVENT = "http://schemas.openid.net/event/backchannel-logout";
const LIFE_SECONDS = 120;
const TIMEOUT_MS = 5_000;
const BATCH = 100;
/** The header's `typ`, by which every other reader of our tokens knows to refuse one. */
export const LOGOUT_TOKEN_TYPE = "logout+jwt";

interface Ended {
  readonly sid: string;
  readonly clientId: string;
  readonly userId: string;
}

/**
 * Tells clients that a session they take part in is over. It is enough that the session is gone: whoever ended it,
 * and in whichever process, the next look finds it, and the message is in the outbox exactly when the client's
 * part in the session is forgotten.
 * @see OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.5
 */
export function createBackChannelLogout(deps: {
  issuer: string;
  storage: Storage;
  clock: Clock;
  ids: Ids;
  outbox: Outbox;
  egress: Egress;
  clients: ClientRegistry;
  privateJwks: () => readonly JWK[];
}) {
  const { storage, outbox, clients, clock } = deps;

  /** Signed anew at each attempt: a receiver refuses one that is old, or that it has seen. */
  async function logoutToken(ended: Ended, algorithm: string): Promise<string> {
    const jwk = deps.privateJwks().find(({ alg }) => alg === algorithm);
    if (!jwk) throw new Error(`no key for ${algorithm}`);
    const now = epochSeconds(clock);
    return new SignJWT({ sid: ended.sid, events: { [EVENT]: {} } })
      .setProtectedHeader({ alg: algorithm, kid: jwk.kid ?? "", typ: LOGOUT_TOKEN_TYPE })
      .setIssuer(deps.issuer)
      .setAudience(ended.clientId)
      .setSubject(ended.userId)
      .setJti(deps.ids.ulid())
      .setIssuedAt(now)
      .setExpirationTime(now + LIFE_SECONDS)
      .sign(await importJWK(jwk, algorithm));
  }

  const send: OutboxHandler = async ({ payload }) => {
    const ended = payload as Ended; // Written by tick().
    const client = await clients.find(ended.clientId);
    if (!client?.backchannelLogoutUri || client.disabledAt !== undefined) return;
    const logout_token = await logoutToken(ended, client.idTokenAlgorithm);
    const json = client.backchannelLogoutFormat === "json";
    const answer = await deps.egress.fetch(client.backchannelLogoutUri, {
      method: "POST",
      headers: { "content-type": json ? "application/json" : "application/x-www-form-urlencoded" },
      body: json ? JSON.stringify({ logout_token }) : new URLSearchParams({ logout_token }).toString(),
      timeoutMs: TIMEOUT_MS,
    });
    if (!answer.ok) throw new Error("the receiver did not take the logout token");
  };

  return {
    outboxHandlers: { [TOPIC]: send } as Readonly<Record<string, OutboxHandler>>,
    /** Looks for sessions that are gone; for background work. */
    async tick(): Promise<void> {
      const gone = sql<boolean>`not exists (select 1 from sessions where sessions.public_id = session_clients.sid)`;
      const some = await storage
        .db<OAuthTables>()
        .selectFrom("session_clients")
        .select("sid")
        .where(gone)
        .limit(1)
        .execute();
      if (some.length === 0) return;
      await storage.transaction(async (tx) => {
        const { rows } = await sql<OAuthTables["session_clients"]>`
          delete from session_clients where (sid, client_id) in (
            select sid, client_id from session_clients where ${gone} limit ${BATCH})
          returning *`.execute(tx.db());
        for (const row of rows) {
          const payload: Ended = { sid: row.sid, clientId: row.client_id, userId: row.user_id };
          await outbox.add(tx, { topic: TOPIC, payload });
        }
      });
    },
  };
}
