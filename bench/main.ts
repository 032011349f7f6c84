import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import * as exchange from "./exchange.bench.ts";
import * as fgaCheck from "./fga-check.bench.ts";
import * as oauth from "./oauth.bench.ts";
import * as start from "./start.bench.ts";

/** One file a promise; a new one is a file here and a line. */
const benches: Readonly<Record<string, () => Promise<object>>> = {
  start: start.bench,
  exchange: exchange.bench,
  "fga-check": fgaCheck.bench,
  oauth: () => oauth.bench(),
};

const root = fileURLToPath(new URL("..", import.meta.url));
const args = process.argv.slice(2);
const json = args.includes("--json");
const only = args.find((arg) => !arg.startsWith("--"));
const chosen = Object.entries(benches).filter(([name]) => only === undefined || name === only);
if (chosen.length === 0) {
  console.error(`there is no bench "${only}"; choose one of ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}

// What is measured is what is published: compiled.
for (const name of ["fga", "server"])
  execFileSync("tsc", ["-p", `packages/${name}/tsconfig.build.json`], { cwd: root, stdio: "inherit" });

const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memory_gib: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  load_generator: "on the same machine",
};
const results: Record<string, object> = {};
for (const [name, bench] of chosen) {
  if (!json) console.log(`measuring ${name} …`);
  else console.error(`measuring ${name} …`);
  results[name] = await bench();
  if (!json) console.log(JSON.stringify(results[name], null, 2));
}
if (json) console.log(JSON.stringify({ machine, results }, null, 2));
else
  console.log(
    `on ${machine.cores} × ${machine.cpu}, Node ${machine.node}, load generator on the same machine`,
  );
