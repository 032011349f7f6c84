import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import type { RunningProvider } from "./provider/provider.ts";
import { callApi, connect, folder, refresh } from "./provider/testing.ts";

const BIN = join(import.meta.dirname, "bin.ts");
const REDIRECT = ["--redirect-uri", "http://127.0.0.1:9/callback?tenant=1"];
const SECRET = ["--client-id", "app", "--client-secret", "app secret"];

type Run = { process: ChildProcess; out: () => string; err: () => string; exited: Promise<unknown[]> };

function run(t: TestContext, args: readonly string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, ["-C", "@behalf/source", BIN, ...args], {
    env: { ...process.env, ...env },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const exited = once(child, "close");
  t.after(() => child.kill("SIGKILL"));
  return { process: child, out: () => out, err: () => err, exited };
}

/** The ready line; fails with what the program said instead. */
async function ready(started: Run): Promise<Record<string, string>> {
  const line = once(started.process.stdout!, "data");
  await Promise.race([line, started.exited]);
  assert.match(started.out(), /^\{"ready":true/, started.err());
  // The first line is this program's own JSON; the test looks at each member.
  return JSON.parse(started.out()) as Record<string, string>;
}

const asProvider = (url: string) => ({ url }) as RunningProvider; // The helpers use the address alone.

test("a provider that is killed keeps tokens, switches and log", async (t) => {
  const args = [
    "provider",
    "--data",
    join(folder(t), "p.sqlite"),
    "--port",
    "0",
    "--json",
    ...REDIRECT,
    ...SECRET,
  ];
  const first = run(t, args);
  const before = asProvider((await ready(first))["url"]!);
  const tokens = await connect(before);
  await fetch(`${before.url}/_sandbox/switches`, {
    method: "PUT",
    body: JSON.stringify({ rotation: "strict" }),
    headers: { "content-type": "application/json" },
  });
  first.process.kill("SIGKILL");
  await first.exited;
  const after = asProvider((await ready(run(t, args)))["url"]!);
  assert.equal((await callApi(after, "/calendar/v1/me", tokens.access_token)).status, 200);
  assert.equal((await refresh(after, tokens.refresh_token)).status, 200);
  assert.equal((await refresh(after, tokens.refresh_token)).status, 400);
  assert.match(await (await fetch(`${after.url}/_sandbox/log`)).text(), /authorization_code/);
});

test("a mailbox that is killed keeps what arrived", async (t) => {
  const args = [
    "mailbox",
    "--data",
    join(folder(t), "m.sqlite"),
    "--port",
    "0",
    "--smtp-port",
    "0",
    "--json",
  ];
  const first = run(t, args);
  const { smsUrl } = await ready(first);
  const body = new URLSearchParams({ To: "+15005550009", From: "+15005550006", Body: "hello" });
  assert.equal((await fetch(smsUrl!, { method: "POST", body })).status, 201);
  first.process.kill("SIGKILL");
  await first.exited;
  const { url } = await ready(run(t, args));
  assert.match(await (await fetch(`${url}/mailbox.json`)).text(), /"text":"hello"/);
});

test("the secret is generated once, for its owner alone", async (t) => {
  const data = join(folder(t), "sub", "p.sqlite");
  const args = ["provider", "--data", data, "--port", "0", "--json", ...REDIRECT];
  const first = run(t, args);
  const { clientSecretFile } = await ready(first);
  assert.equal(clientSecretFile, `${data}.client-secret`);
  const secret = readFileSync(clientSecretFile, "utf8").trim();
  assert.equal(Buffer.from(secret, "base64url").length, 32);
  assert.equal(statSync(clientSecretFile).mode & 0o777, 0o600);
  first.process.kill("SIGTERM");
  await first.exited;
  await ready(run(t, args));
  assert.equal(readFileSync(clientSecretFile, "utf8").trim(), secret);
});

test("an empty secret file is refused, saying what to do", async (t) => {
  const data = join(folder(t), "p.sqlite");
  writeFileSync(`${data}.client-secret`, "");
  const started = run(t, ["provider", "--data", data, "--port", "0", ...REDIRECT]);
  assert.deepEqual(await started.exited, [1, null]);
  assert.match(started.err(), /Delete it/);
});

test("a signal stops the program with exit code 0", async (t) => {
  const args = [
    "shop",
    "--data",
    join(folder(t), "s.sqlite"),
    "--port",
    "0",
    "--issuer",
    "http://127.0.0.1:9/",
    "--json",
  ];
  const started = run(t, args);
  const { audience, issuer } = await ready(started);
  assert.deepEqual([audience, issuer], ["https://shop.sandbox.example/", "http://127.0.0.1:9/"]);
  started.process.kill("SIGTERM");
  assert.deepEqual(await started.exited, [0, null]);
});

test("without --json the ready line is a sentence with the address", async (t) => {
  const started = run(t, [
    "shop",
    "--data",
    join(folder(t), "s.sqlite"),
    "--port",
    "0",
    "--issuer",
    "http://127.0.0.1:9/",
  ]);
  await Promise.race([once(started.process.stdout!, "data"), started.exited]);
  assert.match(started.out(), /^Sandbox shop: http:\/\/127\.0\.0\.1:\d+ /);
});

test("a port that is taken is refused with exit code 1 and what to do", async (t) => {
  const data = folder(t);
  const shop = (name: string, port: string) =>
    run(t, ["shop", "--data", join(data, name), "--port", port, "--issuer", "http://127.0.0.1:9/", "--json"]);
  const { url } = await ready(shop("one.sqlite", "0"));
  const second = shop("two.sqlite", new URL(url!).port);
  assert.deepEqual(await second.exited, [1, null]);
  assert.match(
    second.err(),
    /^\{"error":"cannot_start","message":"Port \d+ cannot be used \(EADDRINUSE\).*--port/,
  );
});

test("a data file that is no database is refused with exit code 1", async (t) => {
  const data = join(folder(t), "s.sqlite");
  writeFileSync(data, "not a database at all, but long enough to look at".repeat(20));
  const started = run(t, ["shop", "--data", data, "--port", "0", "--issuer", "http://127.0.0.1:9/"]);
  assert.deepEqual(await started.exited, [1, null]);
  assert.match(started.err(), /^The data file .* cannot be opened/);
});

test("a data file with the tables of another program is refused", async (t) => {
  const data = join(folder(t), "s.sqlite");
  const other = new DatabaseSync(data);
  other.exec("PRAGMA user_version = 99");
  other.close();
  const started = run(t, ["shop", "--data", data, "--port", "0", "--issuer", "http://127.0.0.1:9/"]);
  assert.deepEqual(await started.exited, [1, null]);
  assert.match(started.err(), /tables of version 99/);
});
