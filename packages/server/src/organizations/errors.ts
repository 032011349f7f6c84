import { errorsOf } from "../http/errors.ts";
import type { ErrorTable } from "../lib/error-table.ts";

/** Refusals of the organizations slice. */
export const organizationErrors = {
  "organization.unknown": {
    status: 404,
    retryable: false,
    message: "There is no such organization. List the organizations to find it.",
  },
  "organization.name_taken": {
    status: 409,
    retryable: false,
    message: "There is an organization with this name. Choose another one.",
  },
  "organization.member_unknown": {
    status: 404,
    retryable: false,
    message: "The user is no member of the organization. List its members.",
  },
  "organization.reference_unknown": {
    status: 400,
    retryable: false,
    message: "The request names a user, role, connection or client that does not exist. See detail.",
  },
  "organization.domain_taken": {
    status: 409,
    retryable: false,
    message: "The domain belongs to an organization already. Remove it there first.",
  },
  "organization.domain_unknown": {
    status: 404,
    retryable: false,
    message: "The organization has no such domain. List its domains.",
  },
  "organization.invitation_unknown": {
    status: 404,
    retryable: false,
    message: "There is no open invitation with this id. List the invitations.",
  },
  "organization.limit_reached": {
    status: 409,
    retryable: false,
    message: "The organization has as many of these as it may have. Remove one first.",
  },
} as const satisfies ErrorTable;

export const organizationError = errorsOf(organizationErrors);
