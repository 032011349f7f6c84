import { ApiError } from "../http/errors.ts";
import { approvalError } from "./errors.ts";
import type { ApprovalEvent } from "./events.ts";
import type { Approval, ApprovalDeps } from "./index.ts";
import { answer, findForUser, fromRow, type StoredApproval } from "./store.ts";

/** An answer, given by a logged-in person who saw the page. */
export interface Answer {
  readonly approvalId: string;
  /** Who is logged in; only the user who was asked can answer. */
  readonly userId: string;
  readonly decision: "approve" | "deny";
  /** The digest of what was shown. */
  readonly digest: string;
  /** When the person last proved who they are, in milliseconds. */
  readonly authenticatedAt: number;
}

/** See `Approvals.decide`. */
export type Decide = (given: Answer) => Promise<Approval>;

export function createDecisions(deps: ApprovalDeps): { decide: Decide } {
  const { storage, audit, clock, clients, log } = deps;

  async function decide(given: Answer): Promise<Approval> {
    const now = clock.now();
    const row = await findForUser(storage, given.approvalId, given.userId);
    if (!row) throw approvalError("approval.not_found");
    const asked = fromRow(row);
    refuseSettled(asked, now);
    if (given.digest !== asked.digest) throw approvalError("approval.changed");
    if (given.decision === "approve") await refuseForDeadAgent(asked.clientId);
    return record(given, asked, now);
  }

  /** Saying no is always possible; saying yes only to an agent that still works. */
  async function refuseForDeadAgent(clientId: string): Promise<void> {
    const client = await clients.find(clientId);
    if (!client || client.disabledAt !== undefined) throw approvalError("approval.agent_disabled");
  }

  async function record(given: Answer, asked: StoredApproval, now: number): Promise<Approval> {
    const answered = await settle(given, asked, now).catch((error: unknown) => {
      if (ApiError.is(error) && error.code === "approval.changed") return refuseChanged(asked);
      throw error;
    });
    if (answered) return answered;
    const lost = await findForUser(storage, asked.id, asked.userId);
    if (lost) refuseSettled(fromRow(lost), now);
    throw approvalError("approval.not_found");
  }

  /** Answer and audit event in one transaction; `undefined` when somebody answered before. */
  async function settle(given: Answer, asked: StoredApproval, now: number): Promise<Approval | undefined> {
    const status = given.decision === "approve" ? "approved" : "denied";
    return storage.transaction(async (tx) => {
      const row = await answer(tx, { ...given, id: asked.id, status, now });
      if (!row) return undefined;
      const approval = fromRow(row);
      // Checked on the row this transaction holds: what was read above may have been changed since.
      const same = approval.intact && approval.digest === given.digest;
      if (status === "approved" && !same) throw approvalError("approval.changed");
      await audit.appendIn(tx, {
        action: `approval.${status}` satisfies ApprovalEvent,
        outcome: status === "approved" ? "allowed" : "refused",
        userId: approval.userId,
        clientId: approval.clientId,
        objectId: approval.id,
        details: { digest: approval.digest, authenticated_at: given.authenticatedAt },
      });
      return approval;
    });
  }

  async function refuseChanged(asked: StoredApproval): Promise<never> {
    log.error("approval changed in storage", { approval_id: asked.id });
    await audit.append({
      action: "approval.changed" satisfies ApprovalEvent,
      outcome: "refused",
      userId: asked.userId,
      clientId: asked.clientId,
      objectId: asked.id,
      details: { digest: asked.digest },
    });
    throw approvalError("approval.changed");
  }

  return { decide };
}

function refuseSettled(asked: Approval, now: number): void {
  if (asked.status !== "pending") throw approvalError("approval.already_answered");
  if (asked.expiresAt <= now) throw approvalError("approval.answered_too_late");
}
