import type { Hono } from "hono";
import type { Audit } from "../audit/index.ts";
import type { ApiConfig } from "../config.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { BrowserSessions, Users } from "../login/index.ts";
import type { Clients } from "../oauth/index.ts";
import type { Storage } from "../storage/index.ts";
import type { Outbox, OutboxHandler } from "../storage/outbox.ts";
import { type Channel, channels, createNotifier } from "./channels/index.ts";
import { createDecisions, type Decide } from "./decide.ts";
import type { AuthorizationDetail } from "./details.ts";
import type { ApprovalTerms } from "./digest.ts";
import { type ApprovalAnswer, createRedemption } from "./redeem.ts";
import {
  type ApprovalContent,
  type ApprovalRequest,
  createRequests,
  type OpenRequest,
  type ValidRequest,
  validateRequest,
} from "./request.ts";
import { createRoutes } from "./routes.ts";

export type { Channel, Notice } from "./channels/index.ts";
export type { AuthorizationDetail } from "./details.ts";
export { approvalDigest } from "./digest.ts";
export { approvalErrors, approvalOAuthErrors } from "./errors.ts";
export { approvalEvents } from "./events.ts";
export type { ApprovalAnswer } from "./redeem.ts";
export type { ApprovalContent, ApprovalRequest, OpenRequest, ValidRequest } from "./request.ts";

/** One backchannel authentication request and its answer. Times are milliseconds. */
export interface Approval extends ApprovalTerms {
  /** `apr_…`; goes into addresses. The `auth_req_id` is another value and never shown. */
  readonly id: string;
  readonly details: readonly AuthorizationDetail[];
  /** What the agent says about it; never a fact. */
  readonly bindingMessage: string | undefined;
  /** SHA-256 of the terms, 64 hexadecimal digits; see {@link approvalDigest}. */
  readonly digest: string;
  /** A pending one may have expired: compare `expiresAt`. */
  readonly status: "pending" | "approved" | "denied" | "redeemed";
  readonly createdAt: number;
  readonly answeredAt: number | undefined;
  /** When the user who answered had last proved who they are: the `auth_time` of the tokens. */
  readonly authenticatedAt: number | undefined;
  readonly redeemedAt: number | undefined;
  /** Seconds a client waits between polls. */
  readonly intervalSeconds: number;
}

/** What the server needs of this slice. */
export interface Approvals {
  /**
   * Checks what a client sent to `/bc-authorize`.
   * @throws ApiError `approval.binding_message_invalid`, `approval.details_invalid`,
   * `approval.details_required`, `approval.expiry_invalid`
   */
  validate(request: ApprovalRequest): ValidRequest;
  /**
   * Stores an accepted request and tells the user by every channel. Durable when it resolves.
   * @throws ApiError `approval.too_many`, `approval.cooling_down`, `approval.user_unavailable`
   */
  open(request: OpenRequest): Promise<Approval>;
  /** The pending request with exactly the same contents, when there is one. */
  findOpenDuplicate(content: ApprovalContent): Promise<Approval | undefined>;
  /**
   * Records the owner's answer. Of any number of concurrent answers exactly one counts.
   * @throws ApiError `approval.not_found`, `approval.already_answered`, `approval.answered_too_late`,
   * `approval.changed`, `approval.agent_disabled`
   */
  decide: Decide;
  /** What a client that polls is told. Takes nothing: only {@link Approvals.redeem} does. */
  poll(request: { authReqIdHash: string; clientId: string }): Promise<ApprovalAnswer>;
  /**
   * Takes an approved request for good and returns it to exactly one of any number of callers; `undefined`
   * for everybody else, and when it waits, is denied, expired, changed in storage, unknown or another client's.
   */
  redeem(request: { authReqIdHash: string; clientId: string }): Promise<Approval | undefined>;
  /** Pages under `/approvals`. */
  readonly routes: Hono;
  /** Handlers for `outbox.deliver`. */
  readonly outboxHandlers: Readonly<Record<string, OutboxHandler>>;
}

/** What approvals stand on. */
export interface ApprovalDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly clients: Clients;
  readonly users: Users;
  readonly sessions: BrowserSessions;
  readonly apis: readonly ApiConfig[];
  readonly log: Log;
  /** Default: every channel of the registry. */
  readonly channels?: readonly Channel[];
}

/** Asks people before their agents act, and keeps what they answered. */
export function createApprovals(deps: ApprovalDeps): Approvals {
  const { decide } = createDecisions(deps);
  return {
    validate: (request) => validateRequest(deps.apis, request),
    ...createRequests(deps),
    decide,
    ...createRedemption(deps),
    routes: createRoutes({ ...deps, decide }),
    outboxHandlers: createNotifier({ ...deps, channels: deps.channels ?? channels }),
  };
}
