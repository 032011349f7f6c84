import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { answers } from "../support/processes.ts";
import { freePort } from "../support/server.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const INSTALL_TIMEOUT_MS = 120_000;

/** What a user gets: the packed files, installed in a folder that knows nothing of this repository. */
describe("the packages as they are published", () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "behalf-packed-"));
    for (const name of ["fga", "sdk", "server"])
      npm(["pack", "--pack-destination", folder, "--loglevel=error"], join(root, "packages", name));
    writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
    const tarballs = readdirSync(folder).filter((file) => file.endsWith(".tgz"));
    assert.equal(tarballs.length, 3);
    npm(
      [
        "install",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
        "--loglevel=error",
        ...tarballs.map((file) => `./${file}`),
      ],
      folder,
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function npm(args: readonly string[], cwd: string): void {
    execFileSync("npm", args, { cwd, stdio: ["ignore", "ignore", "pipe"], timeout: INSTALL_TIMEOUT_MS });
  }

  function node(script: string): string {
    return execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
    });
  }

  it("hold no sources and no tests, and their licence", () => {
    for (const name of ["fga", "sdk", "server"]) {
      const files = readdirSync(join(folder, "node_modules", "@behalf", name), { recursive: true }).map(
        String,
      );
      assert.ok(files.includes("LICENSE"), name);
      const stray = files.filter((file) => /(\.test\.|testing|(?<!\.d)\.ts$)/.test(file));
      assert.deepEqual(stray, [], name);
    }
  });

  it("can each be imported under every name they offer", () => {
    const names = [
      "",
      "/vercel",
      "/vercel/client",
      "/app",
      "/app/express",
      "/app/fastify",
      "/app/hono",
      "/app/next",
      "/verify",
      "/verify/express",
      "/verify/fastify",
      "/verify/hono",
      "/stores/sqlite",
    ].map((path) => `@behalf/sdk${path}`);
    for (const name of [...names, "@behalf/fga", "@behalf/server"]) {
      const count = node(`console.log(Object.keys(await import(${JSON.stringify(name)})).length)`);
      assert.ok(Number(count) > 0, name);
    }
  });

  it("evaluate a model without anything else installed", () => {
    const answer = node(`
      import { check, createMemoryTuples, parseModel } from "@behalf/fga";
      const user = { type: "user" };
      const doc = { type: "doc", relations: { viewer: { this: {} } }, metadata: { relations: { viewer: { directly_related_user_types: [user] } } } };
      const model = parseModel({ schema_version: "1.1", type_definitions: [user, doc] });
      const tuples = createMemoryTuples();
      tuples.add({ user: "user:a", relation: "viewer", object: "doc:1" });
      console.log(["user:a", "user:b"].map((user) => check({ model, tuples }, { user, relation: "viewer", object: "doc:1" })).join());`);
    assert.equal(answer.trim(), "true,false");
  });

  it("set up a server and run it with two commands", async () => {
    const port = await freePort();
    const issuer = `http://localhost:${port}/`;
    const behalf = join(folder, "node_modules", ".bin", "behalf");
    const run = (args: readonly string[]) =>
      execFileSync(process.execPath, [behalf, ...args], { cwd: folder, encoding: "utf8" });
    run(["init", "--issuer", issuer, "--email", "admin@example.com", "--json"]);
    const server = spawn(process.execPath, [behalf, "serve"], { cwd: folder, stdio: "ignore" });
    try {
      const deadline = Date.now() + 20_000;
      while (!(await answers(`${issuer}healthz`))) {
        assert.ok(server.exitCode === null && Date.now() < deadline, "the server runs");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const metadata = await (await fetch(`${issuer}.well-known/openid-configuration`)).json();
      assert.equal(metadata.issuer, issuer);
    } finally {
      const gone = new Promise((resolve) => server.once("exit", resolve));
      server.kill();
      await gone;
    }
  });
});
