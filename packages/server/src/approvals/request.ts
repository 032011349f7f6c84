import type { ApiConfig } from "../config.ts";
import type { Tx } from "../storage/index.ts";
import { bindingMessageProblem } from "./binding-message.ts";
import { APPROVAL_REQUESTED } from "./channels/index.ts";
import { type AuthorizationDetail, DetailsProblem, parseDetails } from "./details.ts";
import { approvalDigest } from "./digest.ts";
import { approvalError } from "./errors.ts";
import type { ApprovalEvent } from "./events.ts";
import type { Approval, ApprovalDeps } from "./index.ts";
import {
  type ApprovalRow,
  countUnanswered,
  detailsText,
  findPendingTwin,
  fromRow,
  insertApproval,
  lockPair,
  type Pair,
  recentDenials,
  scopesText,
} from "./store.ts";

/** Parameters of a backchannel authentication request, as they came over the wire. */
export interface ApprovalRequest {
  readonly bindingMessage: string | undefined;
  /** The raw text: a parsed value no longer shows names that were given twice. */
  readonly authorizationDetails: string | undefined;
  /** Seconds, as text or number. */
  readonly requestedExpiry: string | number | undefined;
  readonly audience: string | undefined;
}

/** A request that can be opened. */
export interface ValidRequest {
  readonly bindingMessage: string | undefined;
  readonly details: readonly AuthorizationDetail[];
  readonly expirySeconds: number;
}

/** What an agent asks for; two requests with the same content are one question. */
export interface ApprovalContent {
  readonly userId: string;
  readonly clientId: string;
  readonly audience: string | undefined;
  readonly scopes: readonly string[];
  readonly bindingMessage: string | undefined;
  readonly details: readonly AuthorizationDetail[];
}

/** An accepted request. */
export interface OpenRequest extends ApprovalContent {
  /** `tokenHash` of the `auth_req_id`. */
  readonly authReqIdHash: string;
  /** Milliseconds. */
  readonly expiresAt: number;
}

/** Auth0's default and largest lifetime: five minutes, three days. */
export const DEFAULT_EXPIRY_SECONDS = 300;
export const MAX_EXPIRY_SECONDS = 259_200;
/** CIBA section 7.3: what a client assumes when it is told nothing, and what Auth0's SDKs are told. */
export const POLL_INTERVAL_SECONDS = 5;

/** More open questions of one agent are pressure, not information. */
export const MAX_OPEN = 3;
/** An ignored request holds its place this long, so that short expiries do not make room for a flood. */
export const HOLD_MS = 60_000;
/** A user may say no twice, to a wrong amount or a wrong date, before the agent is made to wait. */
export const DENIALS_BEFORE_COOL_DOWN = 3;
export const DENIAL_WINDOW_MS = 15 * 60_000;
/** The first wait; it doubles with each further denial inside the window. */
export const COOL_DOWN_MS = 15_000;

/** The checks of a request, in the order in which a developer wants to hear of them. */
export function validateRequest(apis: readonly ApiConfig[], request: ApprovalRequest): ValidRequest {
  const api = apis.find(({ audience }) => audience === request.audience);
  const details = validDetails(request.authorizationDetails, api);
  if (api?.requireDetails && details.length === 0) throw approvalError("approval.details_required");
  return {
    details,
    bindingMessage: validMessage(request.bindingMessage, details.length > 0),
    expirySeconds: validExpiry(request.requestedExpiry),
  };
}

function validDetails(text: string | undefined, api: ApiConfig | undefined): readonly AuthorizationDetail[] {
  if (text === undefined) return [];
  try {
    return parseDetails(text, new Set(Object.keys(api?.detailTypes ?? {})));
  } catch (error) {
    if (error instanceof DetailsProblem)
      throw approvalError("approval.details_invalid", { detail: error.message, cause: error });
    throw error;
  }
}

/** Something must say what is asked: the message, or details. @see FAPI-CIBA section 5.2.2 */
function validMessage(message: string | undefined, hasDetails: boolean): string | undefined {
  if (message === undefined && hasDetails) return undefined;
  const problem =
    message === undefined
      ? "binding_message is required when there are no authorization_details."
      : bindingMessageProblem(message);
  if (problem) throw approvalError("approval.binding_message_invalid", { detail: problem });
  return message;
}

function validExpiry(value: string | number | undefined): number {
  if (value === undefined) return DEFAULT_EXPIRY_SECONDS;
  const seconds = /^[0-9]{1,6}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (seconds >= 1 && seconds <= MAX_EXPIRY_SECONDS) return seconds;
  throw approvalError("approval.expiry_invalid");
}

export function createRequests(deps: ApprovalDeps) {
  const { storage, audit, outbox, clock, ids, users, log } = deps;

  async function open(request: OpenRequest): Promise<Approval> {
    const user = await users.find(request.userId);
    if (!user || user.disabledAt !== undefined) throw approvalError("approval.user_unavailable");
    const row = newRow(ids.prefixed("apr"), request, clock.now());
    await storage.transaction(async (tx) => {
      await lockPair(tx, request, row.created_at);
      await refusePressure(tx, request, row.created_at);
      await insertApproval(tx, row);
      await outbox.add(tx, {
        topic: APPROVAL_REQUESTED,
        payload: { approvalId: row.id, userId: row.user_id },
      });
      await audit.appendIn(tx, {
        action: "approval.requested" satisfies ApprovalEvent,
        outcome: "done",
        userId: row.user_id,
        clientId: row.client_id,
        objectId: row.id,
        details: {
          digest: row.digest,
          audience: row.audience,
          scopes: row.scopes,
          detail_types: request.details.map(({ type }) => type).join(" "),
          expires_at: row.expires_at,
        },
      });
    });
    return fromRow(row);
  }

  /** The pair is locked, so that concurrent requests are counted one after another. */
  async function refusePressure(tx: Tx, pair: Pair, now: number): Promise<void> {
    const open = await countUnanswered(tx, pair, now, now - HOLD_MS);
    if (open >= MAX_OPEN) {
      log.warn("approval refused: too many open", { client_id: pair.clientId, user_id: pair.userId });
      throw approvalError("approval.too_many");
    }
    const denials = await recentDenials(tx, pair, now - DENIAL_WINDOW_MS);
    const waitMs = coolDownMs(denials.count) - (now - denials.lastAt);
    if (waitMs > 0) {
      log.warn("approval refused: cooling down", { client_id: pair.clientId, user_id: pair.userId });
      throw approvalError("approval.cooling_down", {
        members: { retry_after_seconds: Math.ceil(waitMs / 1_000) },
      });
    }
  }

  async function findOpenDuplicate(content: ApprovalContent): Promise<Approval | undefined> {
    const row = await findPendingTwin(storage, contentRow(content), clock.now());
    return row && fromRow(row);
  }

  return { open, findOpenDuplicate };
}

/** 0, 0, 15 s, 30 s, 60 s … after the first, second, third … denial inside the window. */
export function coolDownMs(denials: number): number {
  if (denials < DENIALS_BEFORE_COOL_DOWN) return 0;
  return COOL_DOWN_MS * 2 ** (denials - DENIALS_BEFORE_COOL_DOWN);
}

function contentRow(content: ApprovalContent) {
  return {
    user_id: content.userId,
    client_id: content.clientId,
    audience: content.audience ?? null,
    scopes: scopesText(content.scopes),
    binding_message: content.bindingMessage ?? null,
    details: detailsText(content.details),
  };
}

function newRow(id: string, request: OpenRequest, now: number): ApprovalRow {
  const content = contentRow(request);
  return {
    id,
    auth_req_id_hash: request.authReqIdHash,
    ...content,
    digest: approvalDigest(request),
    status: "pending",
    created_at: now,
    expires_at: request.expiresAt,
    answered_at: null,
    authenticated_at: null,
    redeemed_at: null,
    interval_seconds: POLL_INTERVAL_SECONDS,
    last_polled_at: null,
  };
}
