#!/usr/bin/env node
// `npm run bench`: measures each promise in its own processes and prints a table, or JSON with --json.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, pinnedEnv, pinnedNode, root, run } from "./runtime.mjs";

const args = process.argv.slice(2);
if (args.includes("--help")) {
  console.log(`usage: npm run bench [-- --json] [-- <name>]

Each file in bench/ is one promise: ${benches().join(", ")}`);
  process.exit(0);
}
ensureInstalled(root, console.error);
const only = args.includes("--only")
  ? args[args.indexOf("--only") + 1]
  : args.find((arg) => !arg.startsWith("--"));
const code = await run(
  pinnedNode(),
  [
    "-C",
    "@behalf/source",
    join(root, "bench", "main.ts"),
    ...(only ? [only] : []),
    ...(args.includes("--json") ? ["--json"] : []),
  ],
  {
    env: pinnedEnv({ NODE_NO_WARNINGS: "1" }),
  },
);
process.exit(code.code);

function benches() {
  return readdirSync(join(root, "bench"))
    .filter((name) => name.endsWith(".bench.ts"))
    .map((name) => name.replace(".bench.ts", ""));
}
