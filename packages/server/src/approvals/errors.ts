import { errorsOf } from "../http/errors.ts";
import type { ErrorTable } from "../lib/error-table.ts";

/** Why an approval was not asked for, or not answered. */
export const approvalErrors = {
  "approval.binding_message_invalid": {
    status: 400,
    retryable: false,
    message:
      "The binding message cannot be shown to the user. Send 1 to 64 letters, digits, spaces and + - _ . , : # ? ' ! and no address.",
  },
  "approval.details_invalid": {
    status: 400,
    retryable: false,
    message: "The authorization details cannot be used. See detail for the member that is wrong.",
  },
  "approval.details_required": {
    status: 400,
    retryable: false,
    message:
      "This API takes approvals only with authorization details. Send authorization_details that say what will be done.",
  },
  "approval.expiry_invalid": {
    status: 400,
    retryable: false,
    message: "requested_expiry is out of range. Send a whole number of seconds from 1 to 259200.",
  },
  "approval.user_unavailable": {
    status: 400,
    retryable: false,
    message:
      "There is no such user, or the account is switched off. Name the user by the subject of their ID token.",
  },
  "approval.too_many": {
    status: 429,
    retryable: true,
    message:
      "Three requests of this agent already wait for this user. Wait until one of them is answered or has expired.",
  },
  "approval.cooling_down": {
    status: 429,
    retryable: true,
    message:
      "The user denied several requests of this agent. Ask again after the number of seconds in retry_after_seconds.",
  },
  "approval.not_found": {
    status: 404,
    retryable: false,
    message: "This user has no such approval. Check the address, or log in as the user who was asked.",
  },
  "approval.already_answered": {
    status: 409,
    retryable: false,
    message: "The request was answered before. The first answer counts; have the agent ask again.",
  },
  "approval.answered_too_late": {
    status: 409,
    retryable: false,
    message: "The request expired before it was answered. Have the agent ask again.",
  },
  "approval.changed": {
    status: 409,
    retryable: false,
    message:
      "The stored request is not the one that was shown. It cannot be approved; have the agent ask again.",
  },
  "approval.agent_disabled": {
    status: 403,
    retryable: false,
    message: "The agent that asked was switched off or removed. Deny the request, or ask the administrator.",
  },
} as const satisfies ErrorTable;

/** A code of this slice. */
export type ApprovalErrorCode = keyof typeof approvalErrors;

export const approvalError = errorsOf(approvalErrors);

/**
 * The OAuth error of each code that a backchannel authentication request can end with.
 * @see OpenID Connect CIBA Core 1.0 section 13; RFC 9396 section 5
 */
export const approvalOAuthErrors: Readonly<Partial<Record<string, string>>> = {
  "approval.binding_message_invalid": "invalid_binding_message",
  "approval.details_invalid": "invalid_authorization_details",
  "approval.details_required": "invalid_authorization_details",
  "approval.expiry_invalid": "invalid_request",
  "approval.user_unavailable": "unknown_user_id",
};
