// Builds what the assistant needs and is older than its sources: the SDK as it is published, and the page.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pinnedNode, root, run } from "../runtime.mjs";

const SDK = join(root, "packages", "sdk");
const ASSISTANT = join(root, "examples", "assistant");

export async function buildWhatIsStale(say, fail) {
  const sdkSources = [join(SDK, "src"), join(SDK, "package.json"), join(SDK, "tsconfig.build.json")];
  if (isStale(sdkSources, join(SDK, "dist"), "vercel/client.js")) {
    say("building the SDK …");
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    await build([tsc, "-p", join(SDK, "tsconfig.build.json")], fail);
  }
  const pageSources = [join(ASSISTANT, "src"), join(SDK, "dist", "vercel")];
  if (isStale(pageSources, join(ASSISTANT, "dist"), "chat.js")) {
    say("building the assistant's page …");
    await build([join(ASSISTANT, "src", "build.ts")], fail);
  }
}

async function build(args, fail) {
  const { code } = await run(pinnedNode(), args);
  if (code !== 0) fail("The build failed; its message is above.");
}

/** Whether a source is newer than the built file. */
function isStale(sources, dist, file) {
  const built = join(dist, file);
  if (!existsSync(built)) return true;
  return Math.max(...sources.map(newest)) > statSync(built).mtimeMs;
}

function newest(path) {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}
