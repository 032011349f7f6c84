import type { JWTPayload } from "jose";
import { tokenHash } from "../crypto/hash.ts";
import type { Clock } from "../lib/clock.ts";
import type { Users } from "../login/index.ts";
import { hotQuery } from "../storage/hot.ts";
import type { Storage } from "../storage/index.ts";
import type { ClientRegistry } from "./clients.ts";
import type { Revocations } from "./revocations.ts";
import { findModel } from "./store.ts";

/** Whether a token still stands for anybody, beyond its signature and time. */
export interface Liveness {
  /** Why a signed token of ours is over; `undefined` while it is not. A word for the log, never for the caller. */
  endOfSigned(claims: JWTPayload): Promise<string | undefined>;
  /** The same for a token of the core, which has looked for the token itself. */
  endOfKept(token: KeptToken): Promise<string | undefined>;
  /** The same for the parties of any token. */
  endOfParties(parties: { clientId: string; userId: string | undefined }): Promise<string | undefined>;
}

/** The part of a token of the core that says what it was issued under. */
export interface KeptToken {
  readonly clientId?: string | undefined;
  readonly accountId?: string | undefined;
  /** The browser session's id. */
  readonly sid?: string | undefined;
  readonly expiresWithSession?: boolean | undefined;
}

/** The browser's sessions are the truth, whoever ended one and by whatever path. */
const sessionsOf = hotQuery<{ public_id: string; expires_at: number }>(
  "select public_id, expires_at from sessions where user_id = ?",
);

/** How a signed token names the browser session that it ends with. */
export const sessionRef = (sid: string): string => tokenHash(sid);

/**
 * A signed token ends before its time when it was revoked, and with what it was issued under: the client, the
 * user, the grant and, unless access was to outlast it, the log-in. Each is looked up, so that whatever removes
 * one of them ends the token too.
 */
export function createLiveness(deps: {
  storage: Storage;
  clock: Clock;
  clients: ClientRegistry;
  users: Users;
  revocations: Pick<Revocations, "has">;
}): Liveness {
  const { storage, clock, clients, users } = deps;

  async function hasGrant(grantId: unknown, clientId: string, userId: string | undefined): Promise<boolean> {
    if (typeof grantId !== "string") return false;
    const row = await findModel(storage, "Grant", tokenHash(grantId));
    if (row?.client_id !== clientId || row.account_id !== userId) return false;
    return row.expires_at === null || row.expires_at > clock.now();
  }

  async function hasSession(ref: unknown, userId: string | undefined): Promise<boolean> {
    if (typeof ref !== "string" || userId === undefined) return false;
    const rows = await sessionsOf(storage, [userId]);
    return rows.some((row) => row.expires_at > clock.now() && sessionRef(row.public_id) === ref);
  }

  async function endOfParties({ clientId, userId }: { clientId: string; userId: string | undefined }) {
    const client = await clients.find(clientId);
    if (!client || client.disabledAt !== undefined) return "client is off";
    if (userId === undefined) return undefined;
    const user = await users.find(userId);
    return !user || user.disabledAt !== undefined ? "user is off" : undefined;
  }

  return {
    endOfParties,
    async endOfKept({ clientId, accountId: userId, sid, expiresWithSession }) {
      if (expiresWithSession && !(await hasSession(sid && sessionRef(sid), userId))) return "log-in is over";
      return endOfParties({ clientId: clientId ?? "", userId });
    },
    async endOfSigned(claims) {
      if (await deps.revocations.has(String(claims.jti))) return "revoked";
      const clientId = String(claims["client_id"]);
      const userId = claims.sub === clientId ? undefined : claims.sub;
      const { grant_id: grantId, session_ref: session } = claims;
      if (grantId !== undefined && !(await hasGrant(grantId, clientId, userId))) return "grant is over";
      if (session !== undefined && !(await hasSession(session, userId))) return "log-in is over";
      return endOfParties({ clientId, userId });
    },
  };
}
