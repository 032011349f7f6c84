/**
 * Number of every OpenFGA error code that the engine and its HTTP API answer with. The name goes on the wire,
 * the number decides the HTTP status.
 * @see openfga/api `errors_ignore.proto`
 */
export const FGA_ERROR_NUMBERS = {
  validation_error: 2000,
  authorization_model_not_found: 2001,
  authorization_model_resolution_too_complex: 2002,
  invalid_write_input: 2003,
  cannot_allow_duplicate_tuples_in_one_request: 2004,
  invalid_continuation_token: 2007,
  invalid_expand_input: 2010,
  write_failed_due_to_invalid_input: 2017,
  latest_authorization_model_not_found: 2020,
  type_not_found: 2021,
  relation_not_found: 2022,
  invalid_tuple: 2027,
  store_id_invalid_length: 2030,
  assertions_too_many_items: 2033,
  tuple_key_value_not_specified: 2037,
  page_size_invalid: 2039,
  type_definitions_too_few_items: 2045,
  type_invalid_pattern: 2047,
  relations_invalid_pattern: 2050,
  query_string_type_continuation_token_mismatch: 2052,
  exceeded_entity_limit: 2053,
  invalid_authorization_model: 2056,
  cancelled: 2058,
  invalid_start_time: 2059,
  internal_error: 4000,
  deadline_exceeded: 4004,
  store_id_not_found: 5002,
  unimplemented: 5004,
} as const;

/** Name of an OpenFGA error code, as it stands in an error body's `code`. */
export type FgaErrorCode = keyof typeof FGA_ERROR_NUMBERS;

const MARK = Symbol.for("behalf.FgaError");

/**
 * The one error that this package throws on bad input, a bad model or an evaluation that cannot be finished.
 * Anything else that is thrown is a bug. Recognise it with {@link FgaError.is}, never with `instanceof`.
 */
export class FgaError extends Error {
  override readonly name = "FgaError";
  readonly code: FgaErrorCode;

  constructor(code: FgaErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    Object.defineProperty(this, MARK, { value: true });
  }

  /** OpenFGA's number for {@link code}, for example 2027. */
  get number(): number {
    return FGA_ERROR_NUMBERS[this.code];
  }

  /** True for an `FgaError` of any copy of this package. */
  static is(value: unknown): value is FgaError {
    return typeof value === "object" && value !== null && MARK in value;
  }
}

/** The answer to an unknown type. @see openfga `type_not_found` (2021) */
export function typeNotFound(type: string): FgaError {
  return new FgaError("type_not_found", `type '${type}' not found`);
}

/** The answer to a relation that its type does not define. @see openfga `relation_not_found` (2022) */
export function relationNotFound(type: string, relation: string): FgaError {
  return new FgaError("relation_not_found", `relation '${type}#${relation}' not found`);
}

/** The answer to an evaluation past the depth or step limit. */
export function tooComplex(): FgaError {
  return new FgaError(
    "authorization_model_resolution_too_complex",
    "Authorization Model resolution required too many rewrite rules to be resolved. " +
      "Check your authorization model for infinite recursion or too much nesting",
  );
}
