import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { judgeAll, type Verdict } from "./harness/subject.ts";
import { type Column, readColumn, renderPage, renderTable, wordsOf } from "./harness/table.ts";
import { subjects } from "./subjects/index.ts";

const PAGE = new URL("../../../docs/compatibility.md", import.meta.url);

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    list: { type: "boolean" },
    json: { type: "boolean" },
    check: { type: "boolean" },
    privileged: { type: "boolean" },
  },
});

if (options.list) {
  for (const subject of subjects) console.log(`${subject.package} ${subject.version}`);
  process.exit(0);
}

const wanted = options.only ?? (options.privileged ? ["@auth0/nextjs-auth0"] : undefined);
const chosen = wanted ? subjects.filter((subject) => wanted.includes(subject.package)) : subjects;
if (chosen.length === 0) {
  console.error(`there is no package "${wanted}"; --list names them`);
  process.exit(2);
}

const columns: Column[] = [];
for (const subject of chosen) {
  if (!options.json) console.log(`\n${subject.package} ${subject.version}`);
  columns.push({
    subject,
    verdicts: await judgeAll(subject, tell, { bareHost: options.privileged ?? false }),
  });
}

if (options.json)
  console.log(
    JSON.stringify(
      columns.map(({ subject, verdicts }) => ({ ...pick(subject), verdicts })),
      null,
      2,
    ),
  );
else console.log(`\n${renderTable(columns)}`);
process.exit(wanted || options.check ? compare() : keep());

function tell(feature: string, verdict: Verdict): void {
  if (options.json || verdict.kind === "not offered") return;
  const rest = "reason" in verdict ? verdict.reason : `red on ${verdict.brokenWays} broken servers`;
  console.log(`  ${verdict.kind.padEnd(7)} ${feature}: ${rest}`);
}

const pick = ({ package: name, version }: Column["subject"]) => ({ package: name, version });

/** A whole run is what the page says from now on. */
function keep(): number {
  writeFileSync(PAGE, renderPage(columns, new Date().toISOString().slice(0, 10)));
  if (!options.json) console.log("docs/compatibility.md says so now.");
  return 0;
}

/** Part of a run, or one that only looks: it agrees with the page or it fails. */
function compare(): number {
  const page = readFileSync(PAGE, "utf8");
  const differing = columns.filter(
    ({ subject, verdicts }) => readColumn(page, subject).join() !== wordsOf(verdicts).join(),
  );
  for (const { subject } of differing)
    console.error(`docs/compatibility.md says something else of ${subject.package}`);
  return differing.length === 0 ? 0 : 1;
}
