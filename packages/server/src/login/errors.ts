import { errorsOf } from "../http/errors.ts";
import type { ErrorTable } from "../lib/error-table.ts";

/** Refusals of the login slice. Pages show a sentence of the person's language instead. */
export const loginErrors = {
  "login.email_invalid": {
    status: 400,
    retryable: false,
    message: "The e-mail address is malformed. Correct it.",
  },
  "login.email_taken": {
    status: 409,
    retryable: false,
    message: "There is an account with this e-mail address. Use another one.",
  },
  "login.password_unfit": {
    status: 400,
    retryable: false,
    message: "The password must have 12 to 200 characters. Choose another one.",
  },
  "login.password_breached": {
    status: 400,
    retryable: false,
    message: "The password is known from a leak, or says who the person is. Choose another one.",
  },
  "login.form_forged": {
    status: 403,
    retryable: false,
    message: "The form was not sent from this page. Open the page again.",
  },
  "login.busy": {
    status: 503,
    retryable: true,
    message: "Too many passwords wait to be checked. Try again in a few seconds.",
  },
} as const satisfies ErrorTable;

export const loginError = errorsOf(loginErrors);
