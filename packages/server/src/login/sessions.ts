import { sql } from "kysely";
import { equalInConstantTime, keyedHash, tokenHash } from "../crypto/hash.ts";
import { randomToken } from "../crypto/random.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Storage } from "../storage/index.ts";
import { ACR, type Amr, acrOf, type MethodName, satisfies, wantedAcr } from "./amr.ts";
import { loginError } from "./errors.ts";
import type { BrowserSession, Sessions } from "./index.ts";
import type { LoginTables } from "./store.ts";

/** How often the time of last use is written; a write for each page would cost a commit. */
const TOUCH_MS = 60_000;
const MAX_USER_AGENT_LENGTH = 300;
const SWEEP_ROWS = 1_000;

/** How long a log-in lasts: without use, and at most. */
export interface SessionLifetime {
  readonly idleSeconds: number;
  readonly absoluteSeconds: number;
}

export function createSessions(deps: {
  storage: Storage;
  clock: Clock;
  issuer: string;
  ids: Ids;
  csrfKey: Buffer;
  lifetime: SessionLifetime;
}): Sessions {
  const { storage, clock, csrfKey } = deps;
  const idleMs = deps.lifetime.idleSeconds * 1_000;
  const absoluteMs = deps.lifetime.absoluteSeconds * 1_000;
  const origin = new URL(deps.issuer).origin;
  const secure = deps.issuer.startsWith("https:");
  const cookieName = secure ? "__Host-behalf_session" : "behalf_session";
  const db = () => storage.db<LoginTables>();

  const cookie = (value: string, maxAgeSeconds: number) =>
    `${cookieName}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}${secure ? "; Secure" : ""}`;

  async function current(request: Request): Promise<BrowserSession | undefined> {
    const value = readCookie(request, cookieName);
    if (!value) return undefined;
    const now = clock.now();
    const idHash = tokenHash(value);
    const row = await db()
      .selectFrom("sessions")
      .innerJoin("users", "users.id", "sessions.user_id")
      .select([
        "sessions.public_id",
        "sessions.user_id",
        "sessions.authenticated_at",
        "sessions.last_seen_at",
        "sessions.expires_at",
        "sessions.amr",
        "sessions.methods",
        "sessions.renewed_at",
        "sessions.created_at",
        "users.email",
        "users.name",
        "users.disabled_at",
      ])
      .where("sessions.id_hash", "=", idHash)
      .executeTakeFirst();
    if (!row || row.expires_at <= now || row.last_seen_at + idleMs <= now || row.disabled_at !== null)
      return undefined;
    if (now - row.last_seen_at > TOUCH_MS)
      await db().updateTable("sessions").set({ last_seen_at: now }).where("id_hash", "=", idHash).execute();
    // Written by start().
    const amr = JSON.parse(row.amr) as Amr[];
    return {
      id: row.public_id,
      userId: row.user_id,
      email: row.email,
      name: row.name ?? undefined,
      authenticatedAt: row.authenticated_at,
      renewedAt: row.renewed_at ?? row.created_at,
      amr,
      methods: JSON.parse(row.methods) as MethodName[],
      acr: acrOf(amr),
      csrf: keyedHash(csrfKey, idHash),
    };
  }

  return {
    current,
    acrValues: Object.values(ACR),
    reaches: (session, acrValues) => satisfies(session.acr, wantedAcr(acrValues)),
    loginAddress: (returnTo) => `/login?return_to=${encodeURIComponent(returnTo)}`,
    checkForm(request, session, form) {
      if (
        !isSameOrigin(request, origin) ||
        !equalInConstantTime(String(form.get("csrf") ?? ""), session.csrf)
      )
        throw loginError("login.form_forged");
    },
    isSameOrigin: (request) => isSameOrigin(request, origin),
    async start(request, user, proof) {
      const now = clock.now();
      const value = randomToken();
      const proven = {
        id_hash: tokenHash(value),
        last_seen_at: now,
        authenticated_at: proof.authenticatedAt ?? now,
        expires_at: now + absoluteMs,
        amr: JSON.stringify(proof.amr),
        methods: JSON.stringify(proof.methods ?? []),
        renewed_at: now,
      };
      if (!(await renew(request, user.id, proven))) {
        await removeOld(request);
        await db()
          .insertInto("sessions")
          .values({
            ...proven,
            public_id: deps.ids.prefixed("ses"),
            user_id: user.id,
            created_at: now,
            user_agent: request.headers.get("user-agent")?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
          })
          .execute();
      }
      return cookie(value, absoluteMs / 1_000);
    },
    async end(request) {
      await removeOld(request);
      return cookie("", 0);
    },
    async sweep() {
      await sql`delete from sessions where id_hash in (
        select id_hash from sessions where expires_at < ${clock.now()} limit ${SWEEP_ROWS})`.execute(
        storage.db(),
      );
    },
    async list(userId) {
      const now = clock.now();
      const rows = await db()
        .selectFrom("sessions")
        .selectAll()
        .where("user_id", "=", userId)
        .where("expires_at", ">", now)
        .where("last_seen_at", ">", now - idleMs)
        .orderBy("last_seen_at", "desc")
        .execute();
      return rows.map((row) => ({
        id: row.public_id,
        startedAt: row.created_at,
        lastSeenAt: row.last_seen_at,
        userAgent: row.user_agent ?? undefined,
      }));
    },
    async endOne(userId, id) {
      const row = await db()
        .deleteFrom("sessions")
        .where("public_id", "=", id)
        .where("user_id", "=", userId)
        .returning("public_id")
        .executeTakeFirst();
      return row !== undefined;
    },
    async endAllOf(userId, except, on = storage) {
      const all = on.db<LoginTables>().deleteFrom("sessions").where("user_id", "=", userId);
      await (except === undefined ? all : all.where("public_id", "!=", except)).execute();
    },
  };

  /**
   * The same person proved again who they are: their session goes on, with a new cookie and a new form token.
   * One that ended by itself does not come back.
   */
  async function renew(request: Request, userId: string, proven: object): Promise<boolean> {
    const value = readCookie(request, cookieName);
    if (!value) return false;
    const now = clock.now();
    const row = await db()
      .updateTable("sessions")
      .set(proven)
      .where("id_hash", "=", tokenHash(value))
      .where("user_id", "=", userId)
      .where("expires_at", ">", now)
      .where("last_seen_at", ">", now - idleMs)
      .returning("public_id")
      .executeTakeFirst();
    return row !== undefined;
  }

  /** A new login never keeps the session that was there before (session fixation). */
  async function removeOld(request: Request): Promise<void> {
    const value = readCookie(request, cookieName);
    if (value) await db().deleteFrom("sessions").where("id_hash", "=", tokenHash(value)).execute();
  }
}

/** Browsers name where a form came from; a client without that header is no browser and carries no cookie of one. */
function isSameOrigin(request: Request, origin: string): boolean {
  const from = request.headers.get("origin");
  const site = request.headers.get("sec-fetch-site");
  return (from === null || from === origin) && (site === null || site === "same-origin");
}

/** The value of one cookie of a request. */
export function readCookie(request: Request, name: string): string | undefined {
  for (const part of request.headers.get("cookie")?.split(/;\s*/) ?? []) {
    const equals = part.indexOf("=");
    if (part.slice(0, equals) === name) return part.slice(equals + 1);
  }
  return undefined;
}
