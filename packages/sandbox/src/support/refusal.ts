/** What a caller is told when a request is refused. */
export type RefusalAnswer = {
  status: number;
  /** Stable code: the specification's where there is one (RFC 6749 section 5.2, RFC 6750 section 3.1). */
  error: string;
  /** What happened, then what to do. Holds no secret. */
  description: string;
  headers?: Record<string, string>;
  /** Further members of the JSON body. */
  members?: Record<string, unknown>;
  /** For the request log alone: which check failed, where the caller is told less. */
  reason?: string;
};

/** A request that is refused. Thrown by handlers, turned into a response in one place. */
export class Refusal extends Error {
  readonly answer: RefusalAnswer;

  constructor(answer: RefusalAnswer) {
    super(answer.description);
    this.name = "Refusal";
    this.answer = answer;
  }
}

/** The JSON response of a refusal; never stored by a cache, because it may speak of credentials. */
export function refusalResponse({ status, error, description, headers, members }: RefusalAnswer): Response {
  return Response.json(
    { error, error_description: description, ...members },
    { status, headers: { "cache-control": "no-store", ...headers } },
  );
}
