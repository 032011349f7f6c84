// Shared by the commands that start under whatever Node the host has (20 or newer) and go on under the
// pinned one. Plain JavaScript, no dependency.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LOCK_SEEN = ".package-lock.json";
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** Installs the packages of `folder` when they are missing or older than its lock file. */
export function ensureInstalled(folder = root, log = console.error) {
  const installed = join(folder, "node_modules", LOCK_SEEN);
  const lock = join(folder, "package-lock.json");
  const fresh = existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs;
  if (fresh || (existsSync(installed) && sameLock(lock, installed))) return;
  log(
    `installing packages${folder === root ? "" : ` in ${folder.slice(root.length + 1)}`} (once; a minute or so) …`,
  );
  const result = spawnSync("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
    timeout: INSTALL_TIMEOUT_MS,
  });
  if (result.status !== 0) {
    log("npm ci failed; its message is above. Check the network and run the command again.");
    process.exit(1);
  }
}

/** npm writes its own copy of the lock; equal names and versions mean that nothing is missing. */
function sameLock(lock, installed) {
  const versions = (file) => {
    const { packages } = JSON.parse(readFileSync(file, "utf8"));
    return Object.entries(packages)
      .filter(([name, entry]) => name !== "" && !entry.optional && !entry.link)
      .map(([name, entry]) => `${name}@${entry.version}`)
      .sort()
      .join("\n");
  };
  return versions(lock) === versions(installed);
}

/** Path of the pinned Node; the host's own when no binary exists for this platform and it is new enough. */
export function pinnedNode() {
  const pinned = join(root, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");
  if (existsSync(pinned)) return pinned;
  if (Number(process.versions.node.split(".")[0]) >= 24) return process.execPath;
  console.error("This platform has no packaged Node. Install Node 24 or newer and run the command again.");
  process.exit(1);
}

/** Environment in which `node` and every package binary are the pinned ones. */
export function pinnedEnv(extra = {}) {
  const path = [join(root, "node_modules", ".bin"), process.env.PATH ?? ""].join(delimiter);
  return { ...process.env, PATH: path, ...extra };
}

/** Runs a program to its end; resolves with its exit code and, when `capture` is set, its output. */
export function run(command, args, { env = pinnedEnv(), cwd = root, capture = false, timeoutMs } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ["ignore", capture ? "pipe" : "inherit", "inherit"],
    });
    let output = "";
    child.stdout?.on("data", (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    const timer = timeoutMs ? setTimeout(() => child.kill("SIGKILL"), timeoutMs) : undefined;
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? (signal ? 1 : 0), output });
    });
  });
}
