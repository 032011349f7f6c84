import { canonicalJson } from "../lib/canonical-json.ts";
import type { Queryable } from "../storage/index.ts";
import type { AuthorizationDetail } from "./details.ts";
import { approvalDigest } from "./digest.ts";
import type { Approval } from "./index.ts";

/** Tables of the approvals slice. Times are milliseconds; `scopes` is a sorted space list. */
export interface ApprovalTables {
  approvals: {
    id: string;
    auth_req_id_hash: string;
    user_id: string;
    client_id: string;
    audience: string | null;
    scopes: string;
    binding_message: string | null;
    /** Canonical JSON, so that equal details are equal texts. */
    details: string;
    digest: string;
    status: "pending" | "approved" | "denied" | "redeemed";
    created_at: number;
    expires_at: number;
    answered_at: number | null;
    authenticated_at: number | null;
    redeemed_at: number | null;
    interval_seconds: number;
    last_polled_at: number | null;
  };
  approval_pairs: { user_id: string; client_id: string; asked_at: number };
}

export type ApprovalRow = ApprovalTables["approvals"];

/** A user and the agent that asks them. */
export interface Pair {
  readonly userId: string;
  readonly clientId: string;
}

/** An approval as stored, and whether its terms still have the digest they were stored with. */
export interface StoredApproval extends Approval {
  readonly intact: boolean;
}

export function fromRow(row: ApprovalRow): StoredApproval {
  const details = readDetails(row.details);
  const terms = {
    clientId: row.client_id,
    userId: row.user_id,
    audience: row.audience ?? undefined,
    scopes: row.scopes === "" ? [] : row.scopes.split(" "),
    details: details ?? [],
    expiresAt: row.expires_at,
  };
  return {
    id: row.id,
    ...terms,
    bindingMessage: row.binding_message ?? undefined,
    digest: row.digest,
    status: row.status,
    createdAt: row.created_at,
    answeredAt: row.answered_at ?? undefined,
    authenticatedAt: row.authenticated_at ?? undefined,
    redeemedAt: row.redeemed_at ?? undefined,
    intervalSeconds: row.interval_seconds,
    intact: details !== undefined && approvalDigest(terms) === row.digest,
  };
}

/** Our own text read back; `undefined` when somebody wrote something else there. */
function readDetails(text: string): readonly AuthorizationDetail[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // Validated before it was stored; the digest tells whether it still is what was stored.
    return Array.isArray(value) ? (value as AuthorizationDetail[]) : undefined;
  } catch {
    return undefined; // Not JSON any more: the approval counts as changed.
  }
}

/** Sorted and without repeats: a scope list is a set. @see RFC 6749 section 3.3 */
export function scopesText(scopes: readonly string[]): string {
  return [...new Set(scopes)].sort().join(" ");
}

export function detailsText(details: readonly AuthorizationDetail[]): string {
  return canonicalJson(details);
}

export async function insertApproval(on: Queryable, row: ApprovalRow): Promise<void> {
  await on.db<ApprovalTables>().insertInto("approvals").values(row).execute();
}

/** Makes other requests of the pair wait until this transaction has ended, on both engines. */
export async function lockPair(on: Queryable, pair: Pair, now: number): Promise<void> {
  await on
    .db<ApprovalTables>()
    .insertInto("approval_pairs")
    .values({ user_id: pair.userId, client_id: pair.clientId, asked_at: now })
    .onConflict((conflict) => conflict.columns(["user_id", "client_id"]).doUpdateSet({ asked_at: now }))
    .execute();
}

const ofPair = (on: Queryable, pair: Pair) =>
  on
    .db<ApprovalTables>()
    .selectFrom("approvals")
    .where("user_id", "=", pair.userId)
    .where("client_id", "=", pair.clientId);

/** Unanswered requests that have not expired, and those made after `heldSince` even when they have. */
export async function countUnanswered(
  on: Queryable,
  pair: Pair,
  now: number,
  heldSince: number,
): Promise<number> {
  const row = await ofPair(on, pair)
    .where("status", "=", "pending")
    .where((eb) => eb.or([eb("expires_at", ">", now), eb("created_at", ">", heldSince)]))
    .select((eb) => eb.fn.countAll().as("count"))
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** Denials of the pair after `since`: how many, and when the last was. */
export async function recentDenials(
  on: Queryable,
  pair: Pair,
  since: number,
): Promise<{ count: number; lastAt: number }> {
  const row = await ofPair(on, pair)
    .where("status", "=", "denied")
    .where("answered_at", ">", since)
    .select((eb) => [eb.fn.countAll().as("count"), eb.fn.max("answered_at").as("last_at")])
    .executeTakeFirst();
  return { count: Number(row?.count ?? 0), lastAt: Number(row?.last_at ?? 0) };
}

/** The newest pending request with exactly these contents. */
export async function findPendingTwin(
  on: Queryable,
  twin: Pick<ApprovalRow, "user_id" | "client_id" | "audience" | "scopes" | "binding_message" | "details">,
  now: number,
): Promise<ApprovalRow | undefined> {
  return ofPair(on, { userId: twin.user_id, clientId: twin.client_id })
    .where("status", "=", "pending")
    .where("expires_at", ">", now)
    .where("audience", twin.audience === null ? "is" : "=", twin.audience)
    .where("binding_message", twin.binding_message === null ? "is" : "=", twin.binding_message)
    .where("scopes", "=", twin.scopes)
    .where("details", "=", twin.details)
    .selectAll()
    .orderBy("created_at", "desc")
    .executeTakeFirst();
}

/** The user's approval; another user's is as good as missing. */
export async function findForUser(
  on: Queryable,
  id: string,
  userId: string,
): Promise<ApprovalRow | undefined> {
  return on
    .db<ApprovalTables>()
    .selectFrom("approvals")
    .selectAll()
    .where("id", "=", id)
    .where("user_id", "=", userId)
    .executeTakeFirst();
}

/** The client's approval by its hashed `auth_req_id`; another client's is as good as missing. */
export async function findForClient(on: Queryable, request: ClientRequest): Promise<ApprovalRow | undefined> {
  return on
    .db<ApprovalTables>()
    .selectFrom("approvals")
    .selectAll()
    .where("auth_req_id_hash", "=", request.authReqIdHash)
    .where("client_id", "=", request.clientId)
    .executeTakeFirst();
}

/** A client's own request. */
export interface ClientRequest {
  readonly authReqIdHash: string;
  readonly clientId: string;
}

/** A user's pending requests, newest first. */
export async function listPending(
  on: Queryable,
  userId: string,
  now: number,
  limit: number,
): Promise<ApprovalRow[]> {
  return on
    .db<ApprovalTables>()
    .selectFrom("approvals")
    .selectAll()
    .where("user_id", "=", userId)
    .where("status", "=", "pending")
    .where("expires_at", ">", now)
    .orderBy("created_at", "desc")
    .limit(limit)
    .execute();
}

/** A user's answers, and requests that ended without one, newest first. */
export async function listSettled(
  on: Queryable,
  userId: string,
  now: number,
  limit: number,
): Promise<ApprovalRow[]> {
  return on
    .db<ApprovalTables>()
    .selectFrom("approvals")
    .selectAll()
    .where("user_id", "=", userId)
    .where((eb) => eb.or([eb("status", "!=", "pending"), eb("expires_at", "<=", now)]))
    .orderBy("created_at", "desc")
    .limit(limit)
    .execute();
}

/** Writes the first answer, in time; `undefined` when there was one before or it is too late. */
export async function answer(
  on: Queryable,
  given: { id: string; userId: string; status: "approved" | "denied"; now: number; authenticatedAt: number },
): Promise<ApprovalRow | undefined> {
  return on
    .db<ApprovalTables>()
    .updateTable("approvals")
    .set({ status: given.status, answered_at: given.now, authenticated_at: given.authenticatedAt })
    .where("id", "=", given.id)
    .where("user_id", "=", given.userId)
    .where("status", "=", "pending")
    .where("expires_at", ">", given.now)
    .returningAll()
    .executeTakeFirst();
}

/** Notes a poll of a pending request that kept the interval; false when it did not, or nothing is pending. */
export async function notePoll(on: Queryable, request: ClientRequest, now: number): Promise<boolean> {
  const row = await pendingOf(on, request, now)
    .set({ last_polled_at: now })
    .where((eb) =>
      eb.or([
        eb("last_polled_at", "is", null),
        eb(eb("last_polled_at", "+", eb("interval_seconds", "*", 1_000)), "<=", now),
      ]),
    )
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

/** Notes a poll that came too early and makes the interval longer; the new one, when something is pending. */
export async function slowDown(
  on: Queryable,
  request: ClientRequest,
  now: number,
  step: { addSeconds: number; maxSeconds: number },
): Promise<number | undefined> {
  const row = await pendingOf(on, request, now)
    .set((eb) => ({
      last_polled_at: now,
      interval_seconds: eb
        .case()
        .when(eb("interval_seconds", "+", step.addSeconds), ">", step.maxSeconds)
        .then(step.maxSeconds)
        .else(eb("interval_seconds", "+", step.addSeconds))
        .end(),
    }))
    .returning("interval_seconds")
    .executeTakeFirst();
  return row?.interval_seconds;
}

const pendingOf = (on: Queryable, request: ClientRequest, now: number) =>
  on
    .db<ApprovalTables>()
    .updateTable("approvals")
    .where("auth_req_id_hash", "=", request.authReqIdHash)
    .where("client_id", "=", request.clientId)
    .where("status", "=", "pending")
    .where("expires_at", ">", now);

/** Takes an approved request for good; `answeredAfter` is the earliest answer that still counts once expired. */
export async function takeApproved(
  on: Queryable,
  request: ClientRequest,
  now: number,
  answeredAfter: number,
): Promise<ApprovalRow | undefined> {
  return on
    .db<ApprovalTables>()
    .updateTable("approvals")
    .set({ status: "redeemed", redeemed_at: now })
    .where("auth_req_id_hash", "=", request.authReqIdHash)
    .where("client_id", "=", request.clientId)
    .where("status", "=", "approved")
    .where((eb) => eb.or([eb("expires_at", ">", now), eb("answered_at", ">", answeredAfter)]))
    .returningAll()
    .executeTakeFirst();
}
