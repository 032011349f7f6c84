/** What this slice writes to the audit log. Each event names the approval and carries its digest. */
export const approvalEvents = [
  /** An agent asked and the user can answer. */
  "approval.requested",
  /** The user said yes. `details.authenticated_at` says when they had last proved who they are. */
  "approval.approved",
  /** The user said no. */
  "approval.denied",
  /** The agent exchanged the approval for a token. */
  "approval.redeemed",
  /** The stored request no longer has the digest it was made with; nothing was approved or redeemed. */
  "approval.changed",
] as const;

/** An audit action of this slice. */
export type ApprovalEvent = (typeof approvalEvents)[number];
