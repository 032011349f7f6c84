#!/usr/bin/env node
import { enableCompileCache } from "node:module";

// Compiled code is kept between starts, which halves the time until the first request. Everything else is
// imported after this has been said.
enableCompileCache();
const { run } = await import("./cli.ts");
process.exitCode = await run(process.argv.slice(2));
