import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Ten times what it takes; a registry that hangs must not hold the tests for ever. */
const INSTALL_TIMEOUT_MS = 120_000;
const POLL_MS = 100;

/**
 * Installs what a folder outside the workspace locks, unless that is there already: third parties that are
 * tested against keep their dependencies away from ours. Safe to call from several processes at once.
 * @param folder path below the repository root
 * @returns the absolute path of the folder
 * @throws Error that names the command to run by hand
 */
export function ensureInstalled(folder: string): string {
  const path = join(ROOT, folder);
  if (isInstalled(path)) return path;
  const release = lock(path);
  try {
    // Another test file may have been at it until now.
    if (!isInstalled(path)) install(folder, path);
  } finally {
    release();
  }
  return path;
}

function install(folder: string, path: string): void {
  const result = spawnSync("npm", ["ci", "--no-workspaces", "--ignore-scripts", "--loglevel=error"], {
    cwd: path,
    stdio: ["ignore", "ignore", "pipe"],
    shell: process.platform === "win32",
    timeout: INSTALL_TIMEOUT_MS,
    env: hostEnvironment(),
  });
  if (result.status === 0) return;
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

/** Waits for whoever installs this folder right now; returns what gives the turn back. */
function lock(path: string): () => void {
  const { ino } = statSync(path);
  const file = join(tmpdir(), `behalf-install-${basename(path)}-${ino}`);
  const giveUpAt = Date.now() + 2 * INSTALL_TIMEOUT_MS;
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx" });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const owner = ownerOf(file);
    if (owner !== undefined && !isAlive(owner)) rmSync(file, { force: true });
    if (Date.now() > giveUpAt) throw new Error(`another process holds ${file}; end it and remove the file`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}

function ownerOf(file: string): number | undefined {
  try {
    // Empty for the moment between making the file and writing into it.
    return Number(readFileSync(file, "utf8")) || process.pid;
  } catch {
    return undefined; // Given back meanwhile.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
