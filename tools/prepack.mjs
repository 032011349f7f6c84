#!/usr/bin/env node
// Runs before a package is packed, in its folder: compiles it anew and puts the licence beside it.
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pinnedEnv, root, run } from "./runtime.mjs";

const folder = process.cwd();
rmSync(join(folder, "dist"), { recursive: true, force: true });
const { code } = await run("tsc", ["-p", "tsconfig.build.json"], { cwd: folder, env: pinnedEnv() });
if (code !== 0) process.exit(code);
copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
