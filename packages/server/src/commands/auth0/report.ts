import type { Output } from "../output.ts";

/** What became of one thing of an export. `left` needs nothing here; `partly` and `refused` need somebody. */
export type State = "taken" | "there" | "partly" | "refused" | "left";

/** Says line by line what was taken, and counts it. Keeps no lines: exports are long. */
export interface Report {
  add(kind: string, name: string, state: State, notes?: readonly string[]): void;
  readonly counts: Readonly<Record<string, Readonly<Record<State, number>>>>;
  /** Whether something was not taken, wholly or in part. */
  readonly isIncomplete: boolean;
}

const WORD: Readonly<Record<State, string>> = {
  taken: "taken",
  there: "there",
  partly: "PARTLY",
  refused: "REFUSED",
  left: "left",
};
const MAX_NAME_CHARACTERS = 120;

export function createReport(output: Output): Report {
  const counts: Record<string, Record<State, number>> = {};
  const report = {
    counts,
    isIncomplete: false,
    add(kind: string, name: string, state: State, notes: readonly string[] = []) {
      counts[kind] ??= { taken: 0, there: 0, partly: 0, refused: 0, left: 0 };
      counts[kind][state] += 1;
      if (state === "partly" || state === "refused") report.isIncomplete = true;
      const shown = oneLine(name);
      const text = `${WORD[state].padEnd(7)} ${kind} ${shown}${notes.length > 0 ? `: ${notes.join("; ")}` : ""}`;
      output.result(text, { kind, name: shown, state, notes });
    },
  };
  return report;
}

/** Names come from the export: none of them moves the cursor or pretends to be a line of its own. */
function oneLine(name: string): string {
  return name.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ").slice(0, MAX_NAME_CHARACTERS);
}
