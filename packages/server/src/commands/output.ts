/** Where a command writes: data to standard output, all else to standard error. */
export interface Output {
  /** The answer: `text` for people, `data` with `--json`. Called once a command, or once an event. */
  result(text: string, data: unknown): void;
  /** A line for people beside the answer; silent with `--json`. */
  note(text: string): void;
  /** What went wrong and what to do. */
  failure(message: string, data: Readonly<Record<string, unknown>>): void;
  /** Progress of long work: one line that is written over; silent unless a person watches. */
  progress(text: string): void;
}

export function createOutput(deps: {
  json: boolean;
  /** Whether standard error is a terminal. */
  watched: boolean;
  writeOut: (text: string) => void;
  writeError: (text: string) => void;
}): Output {
  const { json, watched, writeOut, writeError } = deps;
  let progressShown = false;
  const endProgress = () => {
    if (progressShown) writeError("\n");
    progressShown = false;
  };
  return {
    result(text, data) {
      endProgress();
      writeOut(json ? `${JSON.stringify(data)}\n` : `${text}\n`);
    },
    note(text) {
      endProgress();
      if (!json) writeError(`${text}\n`);
    },
    failure(message, data) {
      endProgress();
      writeError(json ? `${JSON.stringify({ error: { message, ...data } })}\n` : `${message}\n`);
    },
    progress(text) {
      if (json || !watched) return;
      progressShown = true;
      writeError(`\r${text}`);
    },
  };
}

/** Rows under their headings, each column as wide as its longest cell. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => (row[i] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [headings, ...rows].map(line).join("\n");
}
