import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const BEHALF = ["-C", "@behalf/source", join(root, "packages/server/src/bin.ts")];
const SANDBOX = [join(root, "packages/sandbox/src/bin.ts")];
const QUICKSTART = ["-C", "@behalf/source", join(root, "examples/quickstart/src/main.ts")];
const DOCUMENTS = ["-C", "@behalf/source", join(root, "examples/quickstart/src/documents-check.ts")];
const READY_TIMEOUT_MS = 20_000;

/** What docs/start.md has the reader do, in a folder of its own and on free ports. */
async function setUp(t: TestContext, change: (configuration: string) => string = (same) => same) {
  const [calendar, app, orders] = await Promise.all([freePort(), freePort(), freePort()]);
  const { folder, issuer, file, client } = await init(t);
  const { port: server } = new URL(issuer);
  const [kept] = readFileSync(file, "utf8").split(/^clients:/m);
  const declared = change(declaration())
    .replaceAll("localhost:4000", `localhost:${server}`)
    .replaceAll("127.0.0.1:4410", `127.0.0.1:${calendar}`)
    .replaceAll("localhost:3000", `localhost:${app}`);
  writeFileSync(file, `${kept}${declared}`);
  const provider = ["provider", "--data", "calendar.db", "--port", String(calendar)];
  await start(t, folder, [...SANDBOX, ...provider, "--redirect-uri", `${issuer}login/callback`]);
  await start(t, folder, [...BEHALF, "serve"]);
  const env = {
    ...client,
    CALENDAR_URL: `http://127.0.0.1:${calendar}`,
    APP_URL: `http://localhost:${app}`,
    ORDERS_URL: `http://127.0.0.1:${orders}`,
  };
  return { folder, check: () => run(folder, [...QUICKSTART, "--check"], env) };
}

/** `behalf init` on a free port, and what the SDK reads of it. */
async function init(t: TestContext) {
  const folder = emptyFolder(t);
  const issuer = `http://localhost:${await freePort()}/`;
  const { code, stderr } = await run(folder, [...BEHALF, "init", "--issuer", issuer]);
  assert.equal(code, 0, stderr);
  const client = {
    BEHALF_ISSUER: issuer,
    BEHALF_CLIENT_ID: "assistant",
    BEHALF_CLIENT_SECRET: readFileSync(join(folder, "assistant.secret"), "utf8").trim(),
  };
  return { folder, issuer, file: join(folder, "behalf.yaml"), client };
}

function emptyFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "behalf-quickstart-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The region of `behalf.yaml` that the page shows. */
function declaration(): string {
  const page = readFileSync(join(root, "examples/quickstart/behalf.yaml"), "utf8");
  const [, region] = page.split(/^# #region declare\n|^# #endregion/m);
  assert.ok(region);
  return region;
}

function spawnNode(folder: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const { PATH = "", HOME = "", TMPDIR = tmpdir() } = process.env;
  return spawn(process.execPath, args, {
    cwd: folder,
    env: { PATH, HOME, TMPDIR, NODE_NO_WARNINGS: "1", ...env },
  });
}

async function run(folder: string, args: readonly string[], env?: Record<string, string>) {
  const child = spawnNode(folder, args, env);
  assert.ok(child.stdout && child.stderr);
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

/** Starts a program and waits for its first line on standard output; it ends with the test. */
async function start(t: TestContext, folder: string, args: readonly string[]): Promise<void> {
  const child = spawnNode(folder, args);
  t.after(() => child.kill("SIGKILL"));
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    const fail = () => reject(new Error(`${args.slice(-6).join(" ")} did not start:\n${errors}`));
    setTimeout(fail, READY_TIMEOUT_MS).unref();
    child.once("exit", fail);
    child.stdout?.once("data", () => resolve());
  });
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

test("from an empty folder to two protected tools, with the files and commands of docs/start.md", async (t) => {
  const { folder, check } = await setUp(t);
  const { code, stdout, stderr } = await check();
  assert.equal(code, 0, stderr);
  assert.match(stdout, /"code": "vault\.not_connected"[\s\S]*"code": "approval\.pending"/);
  assert.match(stdout, /^Ordered: \{"id":"[\w-]+","item":"kettle","quantity":1\}$/m);
  assert.match(stdout, /^Everything held\.$/m);
  const events = await run(folder, [...BEHALF, "audit", "list", "--json"]);
  const actions = JSON.parse(events.stdout).events.map(({ action }: { action: string }) => action);
  for (const action of ["vault.token_released", "approval.approved", "approval.redeemed"])
    assert.ok(actions.includes(action), action);
  assert.equal((await run(folder, [...BEHALF, "audit", "verify"])).code, 0);
});

test("an agent whose policy does not name the connection ends with an error that says so", async (t) => {
  const { check } = await setUp(t, (yaml) => yaml.replace("calendar: { scopes: [calendar.read] }", "{}"));
  const { code, stderr } = await check();
  assert.equal(code, 1);
  assert.match(stderr, /This agent may not use this connection/);
});

test("a retriever gives each user the documents they may read, with the store of docs/guides/fga.md", async (t) => {
  const { folder, issuer, file, client } = await init(t);
  const key = randomBytes(32).toString("base64");
  writeFileSync(join(folder, "fga.key"), key, { mode: 0o600 });
  appendFileSync(file, "fga:\n  presharedKeys: [{ file: fga.key }]\n");
  await start(t, folder, [...BEHALF, "serve"]);
  const post = async (path: string, body: string) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const response = await fetch(`${issuer}${path}`, { method: "POST", headers, body });
    assert.equal(response.status, 201);
    return (await response.json()) as { id: string }; // OpenFGA's answer
  };
  const { id } = await post("stores", JSON.stringify({ name: "documents" }));
  const model = readFileSync(join(root, "examples/quickstart/documents.json"), "utf8");
  await post(`stores/${id}/authorization-models`, model);
  const env = { ...client, BEHALF_FGA_STORE_ID: id, BEHALF_FGA_KEY: key };
  const { code, stdout, stderr } = await run(folder, DOCUMENTS, env);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^anne reads handbook and budget, ben the handbook\. Everything held\.$/m);
  const refused = await run(folder, DOCUMENTS, { ...env, BEHALF_FGA_KEY: "another key" });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /fga\.unauthenticated/);
});

test("without its environment it names everything that is missing and exits with 1", async (t) => {
  const { code, stderr } = await run(emptyFolder(t), [...QUICKSTART, "--check"]);
  assert.equal(code, 1);
  for (const name of ["BEHALF_ISSUER", "BEHALF_CLIENT_ID", "BEHALF_CLIENT_SECRET"])
    assert.match(stderr, new RegExp(name));
});
