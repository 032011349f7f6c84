#!/usr/bin/env node
// `npm run conformance -- auth0`: drives other projects' published packages against a server and prints what
// each does. A whole run writes docs/compatibility.md.
import { join } from "node:path";
import { ensureInstalled, pinnedEnv, pinnedNode, root, run } from "./runtime.mjs";

const [suite, ...args] = process.argv.slice(2);
if (suite !== "auth0" || args.includes("--help")) {
  console.log(`usage: npm run conformance -- auth0 [--only <package>]… [--check] [--privileged] [--json] [--list]

Installs each published Auth0 package in its own folder, drives it against a server over TLS, and breaks the
server on purpose to see that each result can turn red.

  --only <package>   one package; may come several times. Compares with docs/compatibility.md, writes nothing
  --check            all packages, compared with docs/compatibility.md; writes nothing
  --privileged       the server is a host name on port 443, which asks for the right to listen there: the domain
                     that @auth0/nextjs-auth0 takes without a flag, and the package that is run unless others are
                     named. Nothing on the machine is changed
  --json             the verdicts as JSON
  --list             the packages with their versions`);
  process.exit(suite === "auth0" || args.includes("--help") || suite === undefined ? 0 : 2);
}
ensureInstalled(root, console.error);
const { code } = await run(
  pinnedNode(),
  ["-C", "@behalf/source", join(root, "test", "conformance", "auth0", "run.ts"), ...args],
  { env: pinnedEnv({ NODE_NO_WARNINGS: "1" }) },
);
process.exit(code);
