import type { Queryable } from "../storage/index.ts";
import type { OAuthTables } from "./store.ts";

/** A client that knows of a browser session by the `sid` in its ID token. */
export interface SessionClient {
  /** The browser session's id. */
  readonly sid: string;
  readonly clientId: string;
  readonly userId: string;
}

/** Remembers that a client takes part in a session; safe to call again. */
export async function joinSession(on: Queryable, client: SessionClient, now: number): Promise<void> {
  await on
    .db<OAuthTables>()
    .insertInto("session_clients")
    .values({ sid: client.sid, client_id: client.clientId, user_id: client.userId, created_at: now })
    .onConflict((conflict) => conflict.columns(["sid", "client_id"]).doNothing())
    .execute();
}
