import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Hono } from "hono";
import { randomBytes } from "../crypto/random.ts";
import { systemClock } from "../lib/clock.ts";
import { createIds } from "../lib/ids.ts";
import { createLog } from "../lib/log.ts";
import { currentRequest } from "./context.ts";
import { type NodeHandler, startHttpServer } from "./server.ts";

const ids = createIds({ clock: systemClock, random: randomBytes });

async function start(app: Hono, nodeHandlers: readonly NodeHandler[] = []) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    write: (line) => void lines.push(JSON.parse(line)),
    clock: systemClock,
    level: "info",
  });
  const server = await startHttpServer(
    { app, nodeHandlers, log, ids, clock: systemClock },
    { host: "127.0.0.1", port: 0 },
  );
  return { server, lines, url: `http://127.0.0.1:${server.port}` };
}

/** The log line of a request is written when its response has closed, which is after the client has it. */
async function lineOf(lines: Record<string, unknown>[], message: string) {
  for (let i = 0; i < 100; i++) {
    const found = lines.find((line) => line["message"] === message);
    if (found) return found;
    await delay(10);
  }
  return assert.fail(`no log line "${message}"`);
}

describe("HTTP server", () => {
  it("gives each request an id that handler, answer and log share", async () => {
    const { server, lines, url } = await start(
      new Hono().get("/who", (context) => context.text(currentRequest()?.requestId ?? "")),
    );
    const response = await fetch(`${url}/who?token=secret`);
    const id = await response.text();
    assert.match(id, /^req_[0-9a-z]{26}$/);
    assert.equal(response.headers.get("x-request-id"), id);
    const line = await lineOf(lines, "request");
    assert.equal(line["request_id"], id);
    assert.equal(line["status"], 200);
    await server.close();
  });

  it("does not log the query, where codes and states travel", async () => {
    const { server, lines, url } = await start(new Hono().get("/cb", (context) => context.text("ok")));
    await (await fetch(`${url}/cb?code=canary`)).text();
    assert.equal((await lineOf(lines, "request"))["path"], "/cb");
    assert.ok(!JSON.stringify(lines).includes("canary"));
    await server.close();
  });

  it("asks node handlers first and the application for everything else", async () => {
    const handler: NodeHandler = {
      serves: (path) => path === "/raw",
      handle: (_request, response) => void response.end("raw"),
    };
    const { server, url } = await start(
      new Hono().get("*", (context) => context.text("app")),
      [handler],
    );
    assert.equal(await (await fetch(`${url}/raw?x`)).text(), "raw");
    assert.equal(await (await fetch(`${url}/other`)).text(), "app");
    await server.close();
  });

  it("answers 500 without details when a handler throws, and logs why", async () => {
    const handler: NodeHandler = {
      serves: () => true,
      handle: async () => {
        throw new Error("canary of the database");
      },
    };
    const { server, lines, url } = await start(new Hono(), [handler]);
    const response = await fetch(`${url}/`);
    assert.equal(response.status, 500);
    const text = await response.text();
    assert.equal(JSON.parse(text).error, "server_error");
    assert.ok(!text.includes("canary"));
    assert.match(String((await lineOf(lines, "unhandled"))["error"]), /canary of the database/);
    await server.close();
  });

  it("refuses headers above 32 KiB", async () => {
    const { server, url } = await start(new Hono().get("/", (context) => context.text("ok")));
    assert.equal((await fetch(url, { headers: { x: "y".repeat(30_000) } })).status, 200);
    assert.equal((await fetch(url, { headers: { x: "y".repeat(40_000) } })).status, 431);
    await server.close();
  });

  it("says when the port is taken", async () => {
    const { server } = await start(new Hono());
    const log = createLog({ write: () => undefined, clock: systemClock, level: "silent" });
    const second = startHttpServer(
      { app: new Hono(), nodeHandlers: [], log, ids, clock: systemClock },
      { host: "127.0.0.1", port: server.port },
    );
    await assert.rejects(second, { code: "EADDRINUSE" });
    await server.close();
  });

  it("lets a running request end before it has closed, and takes no new one", async () => {
    const { server, url } = await start(
      new Hono().get("/slow", async (context) => {
        await delay(200);
        return context.text("done");
      }),
    );
    const running = fetch(`${url}/slow`);
    await delay(50);
    const startedAt = performance.now();
    const closed = server.close();
    await assert.rejects(fetch(`${url}/slow`), { name: "TypeError" });
    assert.equal(await (await running).text(), "done");
    await closed;
    assert.ok(performance.now() - startedAt < 3_000, "closed soon after the last answer");
  });
});
