#!/usr/bin/env node
// `npm test`: installs what is missing, then runs every kind of test. `--deep` runs the same suites at their
// full counts. `--only <name>` runs one group. Starts under any Node from 20 on.
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, pinnedEnv, pinnedNode, root, run } from "./runtime.mjs";

const args = process.argv.slice(2);
if (args.includes("--help")) {
  console.log(`usage: npm test [-- --only <group>] [-- --deep] [-- --list]

Runs every test: checks, packages, end to end, conformance, security, browser.
  --only <group>   one group; --list names them
  --deep           full counts (also: npm run test:deep)

BEHALF_CONFORMANCE_DATA   folder with the public test data of other projects; unset skips those runs
BEHALF_TEST_POSTGRES      postgres:// address of a server to use instead of starting one`);
  process.exit(0);
}

/** Files at once: one of two cores often waits for the disk, a process or the other core's PostgreSQL. */
const CONCURRENCY = 3;
const isAlone = (file) => /(?:^packages|^story|\.browser)\.test\.ts$/.test(file);
const e2e = readdirSync(join(root, "test/e2e"))
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => ({ alone: isAlone(file), path: `test/e2e/${file}` }));
const paths = (files) => files.map(({ path }) => path);

const groups = [
  { name: "lint", command: ["biome", "check", "."] },
  { name: "types", command: ["tsc", "--noEmit", "-p", "tsconfig.json"] },
  { name: "imports", command: ["node", "tools/check-imports.mjs"] },
  { name: "docs", command: ["node", "tools/check-docs.mjs"] },
  { name: "fga", tests: ["packages/fga/src/**/*.test.ts"] },
  { name: "sdk", tests: ["packages/sdk/src/**/*.test.ts"] },
  { name: "sandbox", tests: ["packages/sandbox/src/**/*.test.ts"] },
  { name: "server", tests: ["packages/server/src/**/*.test.ts"], postgres: true },
  { name: "examples", tests: ["examples/*/src/**/*.test.ts"] },
  { name: "tools", tests: ["tools/**/*.test.mjs", "test/spec/**/*.test.ts"] },
  { name: "security", tests: ["test/security/**/*.test.ts"], postgres: true },
  { name: "conformance", tests: ["test/conformance/**/*.test.ts"], postgres: true },
  { name: "e2e", tests: paths(e2e.filter(({ alone }) => !alone)), postgres: true },
  // One file at a time: these build and pack what others run, or drive a browser.
  { name: "story", tests: paths(e2e.filter(({ alone }) => alone)), postgres: true, oneByOne: true },
];

if (args.includes("--list")) {
  console.log(groups.map((group) => group.name).join("\n"));
  process.exit(0);
}

const startedAt = Date.now();
ensureInstalled();
const deep = args.includes("--deep");
const only = args[args.indexOf("--only") + 1];
const chosen = args.includes("--only") ? groups.filter((group) => group.name === only) : groups;
if (chosen.length === 0) {
  console.error(`there is no group "${only}"; --list names them`);
  process.exit(2);
}

mkdirSync(join(root, "artifacts"), { recursive: true });
const postgres = chosen.some((group) => group.postgres) ? await startPostgres() : undefined;
const env = pinnedEnv({
  NODE_NO_WARNINGS: "1",
  ...(postgres ? { BEHALF_TEST_POSTGRES: postgres.url } : {}),
  ...(deep ? { BEHALF_DEEP: "1" } : {}),
});

const results = [];
try {
  for (const group of chosen) results.push(await runGroup(group));
} finally {
  await postgres?.stop();
}
report();

async function runGroup(group) {
  console.log(`\n── ${group.name} ${"─".repeat(Math.max(0, 60 - group.name.length))}`);
  const before = Date.now();
  const [command, ...rest] = group.command ?? [
    pinnedNode(),
    "-C",
    "@behalf/source",
    "--test",
    "--test-reporter=spec",
    `--test-concurrency=${group.oneByOne ? 1 : CONCURRENCY}`,
    ...(group.tests ?? []),
  ];
  const { code, output } = await run(command, rest, {
    env,
    capture: Boolean(group.tests),
    timeoutMs: deep ? 3_600_000 : 540_000,
  });
  const count = (label) => Number(new RegExp(`^ℹ ${label} (\\d+)$`, "m").exec(output)?.[1] ?? 0);
  const counts = {
    pass: count("pass"),
    fail: count("fail"),
    skipped: Math.max(count("skipped"), skippedLines(output)),
  };
  return { name: group.name, code, seconds: (Date.now() - before) / 1_000, ...counts };
}

/** A suite that is skipped whole has a line, and is not in the runner's count of skipped tests. */
function skippedLines(output) {
  return (output.match(/^\s*﹣ .*# .+$/gm) ?? []).length;
}

async function startPostgres() {
  if (process.env.BEHALF_TEST_POSTGRES)
    return { url: process.env.BEHALF_TEST_POSTGRES, stop: async () => undefined };
  console.log("starting PostgreSQL for the tests …");
  const { spawn } = await import("node:child_process");
  const child = spawn(pinnedNode(), [join(root, "test/support/postgres-process.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
    env: pinnedEnv({ NODE_NO_WARNINGS: "1" }),
  });
  const url = await new Promise((resolve) => {
    child.stdout.once("data", (chunk) => resolve(String(chunk).trim()));
    child.once("exit", () => resolve(undefined));
  });
  if (!url) {
    if (process.env.CI) process.exit(1);
    console.error("PostgreSQL did not start (see above): its suites are skipped.");
    return undefined;
  }
  return {
    url,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", resolve);
        child.stdin.end();
      }),
  };
}

function report() {
  console.log(`\n── summary ${"─".repeat(53)}`);
  for (const { name, code, seconds, pass, fail, skipped } of results) {
    const counts = pass + fail + skipped > 0 ? `${pass} passed, ${fail} failed, ${skipped} skipped` : "";
    console.log(
      `${code === 0 ? "ok  " : "FAIL"} ${name.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s  ${counts}`,
    );
  }
  console.log(`total ${((Date.now() - startedAt) / 1_000).toFixed(0)} s`);
  const skipped = results.some((result) => result.skipped > 0);
  if (skipped)
    console.log(`skipped tests name their reason above${process.env.CI ? "; in CI that is a failure" : ""}`);
  process.exit(results.some((result) => result.code !== 0) || (skipped && process.env.CI) ? 1 : 0);
}
