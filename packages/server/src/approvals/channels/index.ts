import { assert } from "../../lib/assert.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Storage } from "../../storage/index.ts";
import type { OutboxHandler } from "../../storage/outbox.ts";
import { findForUser } from "../store.ts";
import { inbox } from "./inbox.ts";

/** What a channel may tell: that something waits, never what. The details are shown after login only. */
export interface Notice {
  readonly approvalId: string;
  readonly userId: string;
  readonly clientId: string;
  /** Milliseconds. */
  readonly expiresAt: number;
  /** Path of the page to open. */
  readonly path: string;
  /** The same at each attempt, so that the receiver can drop repeats. */
  readonly idempotencyKey: string;
}

/** A way to tell the user that an approval waits. */
export interface Channel {
  readonly name: string;
  /** Absent when the user finds the approval without being sent anything. A failure is tried again later. */
  readonly send?: (notice: Notice) => Promise<void>;
}

/** Every channel. A new one is a file here and a line at the end. */
export const channels: readonly Channel[] = [inbox];

/** Outbox topic of a new approval; the payload is `{ approvalId, userId }`. */
export const APPROVAL_REQUESTED = "approval.requested";

/** Handlers for `outbox.deliver`: hand a new approval to all channels, unless it was answered meanwhile. */
export function createNotifier(deps: {
  storage: Storage;
  clock: Clock;
  channels: readonly Channel[];
}): Readonly<Record<string, OutboxHandler>> {
  return {
    async [APPROVAL_REQUESTED](message) {
      const { approvalId, userId } = readPayload(message.payload);
      const row = await findForUser(deps.storage, approvalId, userId);
      if (row?.status !== "pending" || row.expires_at <= deps.clock.now()) return;
      const notice = {
        approvalId,
        userId,
        clientId: row.client_id,
        expiresAt: row.expires_at,
        path: `/approvals/${approvalId}`,
      };
      // One channel that fails must not silence the others; the message is tried again as a whole.
      const sent = await Promise.allSettled(
        deps.channels.map((channel) =>
          channel.send?.({ ...notice, idempotencyKey: `${message.id}:${channel.name}` }),
        ),
      );
      const failed = sent.find((result) => result.status === "rejected");
      if (failed) throw failed.reason;
    },
  };
}

function readPayload(payload: unknown): { approvalId: string; userId: string } {
  assert(
    typeof payload === "object" && payload !== null && "approvalId" in payload && "userId" in payload,
    "the message names an approval",
  );
  return { approvalId: String(payload.approvalId), userId: String(payload.userId) };
}
