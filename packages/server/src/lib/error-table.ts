/** What `spec/errors.json` says of one error code; a slice declares its own in `errors.ts`. */
export interface ErrorEntry {
  /** HTTP status of the answer. */
  readonly status: number;
  /** Whether the same request may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** What happened and what to do, in one or two sentences. */
  readonly message: string;
}

/** Codes of one slice. */
export type ErrorTable<Code extends string = string> = Readonly<Record<Code, ErrorEntry>>;
