import { FgaError } from "@behalf/fga";
import { ApiError } from "../http/errors.ts";
import type { ErrorTable } from "../lib/error-table.ts";

/**
 * Error codes of the FGA API, OpenFGA's names. Status by OpenFGA's number: 1000-1999 is 401, 2000-3499 is 400,
 * 3500-3999 is 422, 4000-4999 is 500, from 5000 on 404; gRPC's `Aborted` is 409.
 * @see openfga/api `errors_ignore.proto`
 */
export const fgaErrors = {
  bearer_token_missing: refusal(401, "missing bearer token"),
  unauthenticated: refusal(401, "unauthenticated"),
  forbidden: refusal(401, "the principal is not authorized to perform the action"),
  validation_error: refusal(400, "The request is malformed. See message."),
  authorization_model_not_found: refusal(400, "Authorization Model not found"),
  authorization_model_resolution_too_complex: refusal(
    400,
    "Authorization Model resolution required too many rewrite rules to be resolved. " +
      "Check your authorization model for infinite recursion or too much nesting",
  ),
  invalid_write_input: refusal(
    400,
    "Invalid input. Make sure you provide at least one write, or at least one delete",
  ),
  cannot_allow_duplicate_tuples_in_one_request: refusal(400, "duplicate tuple in write"),
  invalid_continuation_token: refusal(400, "Invalid continuation token"),
  invalid_expand_input: refusal(400, "Invalid input. Make sure you provide an object and a relation"),
  write_failed_due_to_invalid_input: refusal(
    400,
    "tuple to be written already existed or the tuple to be deleted did not exist",
  ),
  latest_authorization_model_not_found: refusal(400, "No authorization models found for store"),
  type_not_found: refusal(400, "type not found"),
  relation_not_found: refusal(400, "relation not found"),
  invalid_tuple: refusal(400, "Invalid tuple. See message."),
  assertions_too_many_items: refusal(400, "The assertions are too many."),
  tuple_key_value_not_specified: refusal(400, "The tuple key is missing."),
  page_size_invalid: refusal(400, "The page size is out of range."),
  type_definitions_too_few_items: refusal(400, "The model defines no type."),
  type_invalid_pattern: refusal(400, "The name of a type is malformed."),
  relations_invalid_pattern: refusal(400, "The name of a relation is malformed."),
  query_string_type_continuation_token_mismatch: refusal(
    400,
    "The type in the querystring and the continuation token don't match",
  ),
  exceeded_entity_limit: refusal(400, "The request exceeds a limit. See message."),
  invalid_authorization_model: refusal(400, "The model is invalid. See message."),
  invalid_start_time: refusal(400, "Invalid start time"),
  Aborted: refusal(409, "transactional write failed due to conflict"),
  internal_error: { status: 500, retryable: false, message: "Internal Server Error" },
  deadline_exceeded: { status: 500, retryable: true, message: "Request Deadline Exceeded" },
  undefined_endpoint: refusal(404, "Not Found"),
  store_id_not_found: refusal(404, "Store ID not found"),
  unimplemented: refusal(404, "Not Implemented"),
} as const satisfies ErrorTable;

/** Code of an FGA error body. */
export type FgaErrorName = keyof typeof fgaErrors;

const mark = Symbol.for("behalf.server.fga-error");

/** A refusal of the FGA API. Becomes `{ code, message }`. */
export class FgaApiError extends Error {
  override readonly name = "FgaApiError";
  readonly [mark] = true;
  readonly code: FgaErrorName;
  /** Why, for the operator's log alone. */
  readonly reason: string | undefined;

  constructor(code: FgaErrorName, message: string, reason?: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }

  static is(value: unknown): value is FgaApiError {
    return typeof value === "object" && value !== null && mark in value;
  }
}

/** The error of `code`, with its general sentence unless another is given. */
export function fgaError(
  code: FgaErrorName,
  message: string = fgaErrors[code].message,
  reason?: string,
): FgaApiError {
  return new FgaApiError(code, message, reason);
}

/** OpenFGA's answer to one member that breaks the rule of its field; `at` is `CheckRequest.StoreId`. */
export function invalidField(at: string, reason: string): FgaApiError {
  return fgaError(fieldCode(at, reason), `invalid ${at}: ${reason}`);
}

/** What an error says on the wire; `undefined` for what is no refusal but a fault of ours. */
export function wireErrorOf(
  error: unknown,
): { status: number; code: FgaErrorName; message: string } | undefined {
  if (FgaError.is(error) || FgaApiError.is(error)) {
    const { code, message } = error;
    // The engine's list of codes is OpenFGA's; two of them nothing here answers with.
    return isName(code) ? { status: fgaErrors[code].status, code, message } : undefined;
  }
  if (ApiError.is(error) && error.status === 401) return wireErrorOf(fgaError("unauthenticated"));
  return undefined;
}

function isName(code: string): code is FgaErrorName {
  return Object.hasOwn(fgaErrors, code);
}

/** Some fields have codes of their own. @see openfga `getCustomizedErrorCode` */
function fieldCode(at: string, reason: string): FgaErrorName {
  const field = at.slice(at.indexOf(".") + 1);
  if (field === "PageSize") return "page_size_invalid";
  if (field === "TupleKey" && reason === "value is required") return "tuple_key_value_not_specified";
  if (field === "Type" && reason.startsWith("value does not match")) return "type_invalid_pattern";
  if (field === "Assertions") return "assertions_too_many_items";
  return "validation_error";
}

function refusal(status: number, message: string) {
  return { status, retryable: false, message };
}
