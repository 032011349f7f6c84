import { errorsOf } from "../http/errors.ts";
import type { ErrorTable } from "../lib/error-table.ts";

/** Refusals of the administrator's API. */
export const adminErrors = {
  "admin.forbidden": {
    status: 403,
    retryable: false,
    message: "The token's user is no administrator. Log in as one, or have one give you the role.",
  },
  "admin.read_only": {
    status: 409,
    retryable: false,
    message:
      "This object is declared in the configuration file. Change it there and restart; it can be disabled here.",
  },
  "admin.user_unknown": {
    status: 404,
    retryable: false,
    message: "There is no user with this id. List the users to find it.",
  },
  "admin.client_unknown": {
    status: 404,
    retryable: false,
    message: "There is no client with this id. List the clients to find it.",
  },
  "admin.agent_unknown": {
    status: 404,
    retryable: false,
    message: "There is no agent with this id. An agent is a client with an agent policy.",
  },
  "admin.client_invalid": {
    status: 400,
    retryable: false,
    message: "The client refers to what does not exist or may not be. See problems.",
  },
  "admin.last_administrator": {
    status: 409,
    retryable: false,
    message: "This is the only administrator who can log in. Make another one first.",
  },
  "admin.page_token_invalid": {
    status: 400,
    retryable: false,
    message: "The page_token is not from the previous page of this list. Start without one.",
  },
} as const satisfies ErrorTable;

export const adminError = errorsOf(adminErrors);
