import { errorsOf } from "../http/errors.ts";
import type { ErrorTable } from "../lib/error-table.ts";

/** Refusals of the roles slice. */
export const roleErrors = {
  "role.unknown": {
    status: 404,
    retryable: false,
    message: "There is no role with this name. List the roles to find it.",
  },
  "role.name_taken": {
    status: 409,
    retryable: false,
    message: "There is a role with this name. Choose another one.",
  },
  "role.read_only": {
    status: 409,
    retryable: false,
    message: "This role is declared in the configuration file. Change it there and restart.",
  },
  "role.permission_unknown": {
    status: 400,
    retryable: false,
    message: "A permission names an API or scope that does not exist. See detail.",
  },
  "role.user_unknown": {
    status: 404,
    retryable: false,
    message: "There is no user with this id. List the users to find it.",
  },
} as const satisfies ErrorTable;

export const roleError = errorsOf(roleErrors);
