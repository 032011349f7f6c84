import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Two minutes are ten times what it takes; a registry that hangs must not hold the tests for ever. */
const INSTALL_TIMEOUT_MS = 120_000;

/**
 * Installs what a folder outside the workspace locks, unless that is there already: third parties that are
 * tested against keep their dependencies away from ours. Not safe for two processes and one folder at once.
 * @param folder path below the repository root
 * @returns the absolute path of the folder
 * @throws Error that names the command to run by hand
 */
export function ensureInstalled(folder: string): string {
  const path = join(ROOT, folder);
  if (isInstalled(path)) return path;
  const result = spawnSync("npm", ["ci", "--no-workspaces", "--ignore-scripts", "--loglevel=error"], {
    cwd: path,
    stdio: ["ignore", "ignore", "pipe"],
    shell: process.platform === "win32",
    timeout: INSTALL_TIMEOUT_MS,
    env: hostEnvironment(),
  });
  if (result.status === 0) return path;
  const reason = result.error?.message ?? result.stderr.toString().trim();
  throw new Error(`"npm ci" failed in ${folder}; run it there by hand.\n${reason.slice(-2_000)}`);
}

/** npm writes its own copy of the lock last, so a newer one means a whole installation of this lock. */
function isInstalled(path: string): boolean {
  const done = join(path, "node_modules", ".package-lock.json");
  return existsSync(done) && statSync(done).mtimeMs >= statSync(join(path, "package-lock.json")).mtimeMs;
}

/** npm of the host on the Node of the host: what the workspace pins is for the programs under test. */
function hostEnvironment(): NodeJS.ProcessEnv {
  const pinned = join(ROOT, "node_modules", ".bin");
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((entry) => entry !== pinned);
  return { ...process.env, PATH: path.join(delimiter), NODE_OPTIONS: "" };
}
