import type { ApprovalEvent } from "./events.ts";
import type { Approval, ApprovalDeps } from "./index.ts";
import {
  type ClientRequest,
  findForClient,
  fromRow,
  notePoll,
  type StoredApproval,
  slowDown,
  takeApproved,
} from "./store.ts";

/**
 * What a client is told when it polls. `unknown` is also the answer for another client's request: whether
 * it exists is none of its business.
 */
export type ApprovalAnswer =
  | { readonly state: "pending" | "denied" | "expired" | "redeemed" | "unknown" }
  | { readonly state: "slow_down"; readonly retryAfterSeconds: number }
  | { readonly state: "approved"; readonly approval: Approval };

/**
 * An answer given in the last second must still be worth something: the client polls at its interval, may be
 * restarting, or runs only when its host wakes it. Ten minutes cover that; a request that lives longer than
 * that anyway keeps its own expiry, which the user saw. After both the answer is stale and the user is asked
 * again.
 */
export const REDEEM_GRACE_MS = 10 * 60_000;
/** @see RFC 8628 section 3.5 (slow_down), which CIBA section 11 takes over. */
const SLOW_DOWN_STEP_SECONDS = 5;
/** A client that raced itself can still be told something useful; without a bound 64 calls cost five minutes. */
const MAX_INTERVAL_SECONDS = 60;

/** Thrown inside a transaction to undo it; never leaves this file. */
class ChangedInStorage extends Error {
  override readonly name = "ChangedInStorage";
  readonly approval: StoredApproval;

  constructor(approval: StoredApproval) {
    super("the approval was changed in storage");
    this.approval = approval;
  }
}

export function createRedemption(deps: ApprovalDeps) {
  const { storage, audit, clock, log } = deps;

  async function poll(request: ClientRequest): Promise<ApprovalAnswer> {
    const now = clock.now();
    // The interval protects a question that waits. An answer is handed out whenever it is asked for, so that
    // a tool which was resumed by the answer does not wait for the clock.
    if (await notePoll(storage, request, now)) return { state: "pending" };
    const settled = await settledAnswer(request, now);
    if (settled) return settled;
    const retryAfterSeconds = await slowDown(storage, request, now, {
      addSeconds: SLOW_DOWN_STEP_SECONDS,
      maxSeconds: MAX_INTERVAL_SECONDS,
    });
    // Answered between the two statements: the next poll hears of it.
    return retryAfterSeconds === undefined ? { state: "pending" } : { state: "slow_down", retryAfterSeconds };
  }

  /** What a request that waits no longer is answered with; `undefined` while it waits. */
  async function settledAnswer(request: ClientRequest, now: number): Promise<ApprovalAnswer | undefined> {
    const row = await findForClient(storage, request);
    if (!row) return { state: "unknown" };
    const approval = fromRow(row);
    if (approval.status === "approved")
      return isRedeemable(approval, now) ? { state: "approved", approval } : { state: "expired" };
    if (approval.status !== "pending") return { state: approval.status };
    return approval.expiresAt <= now ? { state: "expired" } : undefined;
  }

  async function redeem(request: ClientRequest): Promise<Approval | undefined> {
    try {
      return await take(request, clock.now());
    } catch (error) {
      if (!(error instanceof ChangedInStorage)) throw error;
      log.error("approval changed in storage", { approval_id: error.approval.id });
      await audit.append(event("approval.changed", "refused", error.approval));
      return undefined;
    }
  }

  async function take(request: ClientRequest, now: number): Promise<Approval | undefined> {
    return storage.transaction(async (tx) => {
      const row = await takeApproved(tx, request, now, now - REDEEM_GRACE_MS);
      if (!row) return undefined;
      const approval = fromRow(row);
      if (!approval.intact) throw new ChangedInStorage(approval);
      await audit.appendIn(tx, event("approval.redeemed", "allowed", approval));
      return approval;
    });
  }

  return { poll, redeem };
}

function isRedeemable(approval: Approval, now: number): boolean {
  return approval.expiresAt > now || (approval.answeredAt ?? 0) > now - REDEEM_GRACE_MS;
}

function event(action: ApprovalEvent, outcome: "allowed" | "refused", approval: Approval) {
  return {
    action,
    outcome,
    userId: approval.userId,
    clientId: approval.clientId,
    objectId: approval.id,
    details: { digest: approval.digest },
  };
}
