import { FEATURES, type Feature, featureNames } from "./features.ts";
import type { Subject, Verdict, Verdicts } from "./subject.ts";

/** What one run found. */
export interface Column {
  readonly subject: Pick<Subject, "package" | "version" | "note">;
  readonly verdicts: Verdicts;
}

const WORDS = { works: "works", fails: "fails", "not run": "not run", "not offered": "–" } as const;

/** The page of the documentation; `date` as `YYYY-MM-DD`. */
export function renderPage(columns: readonly Column[], date: string): string {
  return `# What Auth0's packages do here

Written by \`npm run conformance -- auth0\` on ${date}; do not edit it. Each package is installed as published,
in a folder of its own under \`test/conformance/auth0\`, and driven as its documentation says against a whole
server over TLS.

- **works**: the package itself made the request, and each server broken on purpose turned the run red.
- **fails**, **not run**: the reason is below the table.
- **–**: the package does not offer it.

${renderTable(columns)}
${renderFailures(columns)}${renderNotes(columns)}`;
}

/** Features down, packages across, every column as wide as its widest cell. */
export function renderTable(columns: readonly Column[]): string {
  const head = ["", ...columns.map(({ subject }) => `\`${subject.package}\` ${subject.version}`)];
  const rows = featureNames.map((feature) => [
    FEATURES[feature],
    ...columns.map(({ verdicts }) => WORDS[verdicts[feature].kind]),
  ]);
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => (row[at] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line), ""].join("\n");
}

function renderFailures(columns: readonly Column[]): string {
  const lines = columns.flatMap(({ subject, verdicts }) =>
    failuresOf(verdicts).map(
      ([feature, reason]) => `- \`${subject.package}\`, ${lowerFirst(FEATURES[feature])}: ${reason}.`,
    ),
  );
  return lines.length === 0 ? "" : `## What fails or was not run\n\n${lines.join("\n")}\n`;
}

export function failuresOf(verdicts: Verdicts): [Feature, string][] {
  return featureNames.flatMap((feature): [Feature, string][] => {
    const verdict: Verdict = verdicts[feature];
    return "reason" in verdict ? [[feature, verdict.reason]] : [];
  });
}

const lowerFirst = (text: string) =>
  /^[A-Z][a-z]/.test(text) ? text[0]?.toLowerCase() + text.slice(1) : text;

function renderNotes(columns: readonly Column[]): string {
  const notes = columns.flatMap(({ subject }) => subject.note ?? []);
  return notes.length === 0 ? "" : `\n## Notes\n\n${notes.map((note) => `- ${note}`).join("\n")}\n`;
}

/** The words of a package's column in a page that {@link renderPage} wrote, a feature each. */
export function readColumn(page: string, subject: Pick<Subject, "package" | "version">): string[] {
  const rows = page
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const at = rows[0]?.indexOf(`\`${subject.package}\` ${subject.version}`) ?? -1;
  if (at < 0) return [];
  return rows.slice(2).map((row) => row[at] ?? "");
}

/** The same words, of what a run found. */
export const wordsOf = (verdicts: Verdicts): string[] =>
  featureNames.map((feature) => WORDS[verdicts[feature].kind]);
