/** Raised when a sandbox program cannot start. The message says what is wrong and then what to do. */
export class StartError extends Error {
  /** Process exit code: 2 when the command line is wrong, 1 for everything else. */
  readonly exitCode: 1 | 2;

  constructor(message: string, options: { cause?: unknown; exitCode?: 1 | 2 } = {}) {
    super(message, { cause: options.cause });
    this.name = "StartError";
    this.exitCode = options.exitCode ?? 1;
  }
}
