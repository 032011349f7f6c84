import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("./bin.ts", import.meta.url));

describe("behalf as a process", () => {
  let folder: string;
  let port: number;
  const running: ChildProcess[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "behalf-bin-"));
    port = await freePort();
    const { code } = await behalf(["init", "--issuer", `http://localhost:${port}/`, "--json"]);
    assert.equal(code, 0);
  });
  after(() => {
    for (const child of running) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  function start(args: readonly string[], env: Record<string, string> = {}) {
    const child = spawn(process.execPath, ["-C", "@behalf/source", BIN, ...args], {
      cwd: folder,
      env: { ...process.env, ...env },
    });
    running.push(child);
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    return { child, output: () => ({ out, err }) };
  }

  async function behalf(args: readonly string[], input = "", env: Record<string, string> = {}) {
    const { child, output } = start(args, env);
    child.stdin?.end(input);
    const [code] = await once(child, "close");
    return { code, ...output() };
  }

  /** Starts the server and waits until it says where it listens. */
  async function serve() {
    const started = start(["serve", "--json"]);
    while (!started.output().out.includes("\n")) {
      assert.equal(started.child.exitCode, null, started.output().err);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return started;
  }

  it("prints its version", async () => {
    const { code, out } = await behalf(["--version"]);
    assert.equal(code, 0);
    assert.match(out, /^\d+\.\d+\.\d+\n$/);
  });

  it("ends with 2 for what it does not understand", async () => {
    const { code, err } = await behalf(["nonsense"]);
    assert.equal(code, 2);
    assert.match(err, /"nonsense" is no command/);
  });

  it("reads a password from standard input", async () => {
    const args = ["users", "create", "--email", "anne@example.com", "--password-stdin"];
    const { code, out } = await behalf(args, "correct horse battery\n");
    assert.equal(code, 0);
    assert.match(out, /^Made user anne@example\.com/);
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const)
    it(`serves as its issuer until ${signal}, then ends with 0`, async () => {
      const { child, output } = await serve();
      assert.deepEqual(JSON.parse(output().out), { url: `http://localhost:${port}/`, port });
      const response = await fetch(`http://localhost:${port}/.well-known/openid-configuration`);
      const { issuer } = (await response.json()) as { issuer: string };
      assert.equal(issuer, `http://localhost:${port}/`);
      child.kill(signal);
      const [code] = await once(child, "close");
      assert.equal(code, 0);
      await assert.rejects(fetch(`http://localhost:${port}/`), { name: "TypeError" });
    });

  it("administers the database while the server runs", async () => {
    const { child } = await serve();
    const { code, out } = await behalf(["users", "list", "--json"]);
    assert.equal(code, 0);
    assert.ok(JSON.parse(out).users.length >= 1);
    const { out: report } = await behalf(["doctor"]);
    assert.match(report, /ok {6}issuer: .* answers as itself/);
    child.kill("SIGTERM");
    await once(child, "close");
  });

  it("refuses a second server on one SQLite file, and serves again once the first has ended", async () => {
    const { child } = await serve();
    const { code, err } = await behalf(["serve"], "", { BEHALF_PORT: String(await freePort()) });
    assert.equal(code, 1);
    assert.match(err, /another server runs on this SQLite file; stop it, or use PostgreSQL/);
    child.kill("SIGKILL");
    await once(child, "close");
    const next = await serve();
    next.child.kill("SIGTERM");
    await once(next.child, "close");
  });

  it("says what to do when the port is taken", async () => {
    const { child } = await serve();
    const { code, err } = await behalf(["serve"], "", { BEHALF_STORAGE: "sqlite:other.db" });
    assert.equal(code, 1);
    assert.match(err, /EADDRINUSE.*set listen\.port or BEHALF_PORT/);
    child.kill("SIGTERM");
    await once(child, "close");
  });
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  return typeof address === "object" && address ? address.port : 0;
}
