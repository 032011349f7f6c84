import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { getAsyncAuthorizationCredentials } from "./context.ts";
import { createSqliteStore } from "./stores/sqlite.ts";
import { asAnne, BACKCHANNEL, behalfOf, startPeer, TOKEN } from "./testing.ts";

// This file is also the host that gets killed: forked with an issuer and a store, it runs the call.
const [, , issuer, path, mode] = process.argv;
const purchase = { item: "kettle", amount: 39.9 };
const run = { toolCallId: "call-1" };

/** The host's tool: announces its token and then, in the mode `hang`, is at work until it is killed. */
function createTool(issuer: string, path: string, work: (token: string) => unknown) {
  const behalf = behalfOf({ issuer }, { store: createSqliteStore({ path }) });
  return behalf.withAsyncAuthorization(
    { toolName: "buy", scopes: ["orders:create"], bindingMessage: "Buy" },
    (_: typeof purchase) => work(getAsyncAuthorizationCredentials().accessToken),
  );
}

if (issuer && path && process.send) {
  const tool = createTool(issuer, path, (token) => {
    process.send?.({ token });
    return mode === "hang" ? new Promise((resolve) => setTimeout(resolve, 60_000)) : "bought";
  });
  asAnne(() => tool(purchase, run)).then(
    (result) => process.send?.({ result }),
    (error: { code?: string }) => process.send?.({ error: error.code }),
  );
} else {
  defineTests();
}

function startHost(t: TestContext, issuer: string, path: string, mode: "hang" | "finish"): ChildProcess {
  const host = fork(import.meta.filename, [issuer, path, mode], { execArgv: ["-C", "@behalf/source"] });
  t.after(() => host.kill("SIGKILL"));
  return host;
}

async function message(host: ChildProcess): Promise<unknown> {
  const [value] = await once(host, "message");
  return value;
}

async function startApproved(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "behalf-crash-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  let redeemed = 0;
  const peer = await startPeer(t, {
    [BACKCHANNEL]: { body: { auth_req_id: "request-1", expires_in: 300, interval: 5 } },
    [TOKEN]: () => {
      redeemed += 1;
      if (redeemed > 1) return { status: 400, body: { error: "invalid_grant", code: "approval.redeemed" } };
      const authorization_details = [{ type: "tool_call", tool: "buy", arguments: purchase }];
      return { body: { access_token: "token-1", expires_in: 300, authorization_details } };
    },
  });
  return { peer, path: join(folder, "store.db"), redeemed: () => redeemed };
}

function defineTests(): void {
  test("a host killed after it redeemed the approval runs the same call with the same token when it is back", async (t) => {
    const { peer, path, redeemed } = await startApproved(t);
    const asking = startHost(t, peer.issuer, path, "hang");
    assert.deepEqual(await message(asking), { error: "approval.pending" });
    const killed = startHost(t, peer.issuer, path, "hang");
    assert.deepEqual(await message(killed), { token: "token-1" });
    const dead = once(killed, "exit");
    killed.kill("SIGKILL");
    await dead;

    const restarted = startHost(t, peer.issuer, path, "finish");
    assert.deepEqual(await message(restarted), { token: "token-1" });
    assert.deepEqual(await message(restarted), { result: "bought" });
    assert.equal(redeemed(), 1);
    assert.equal(peer.to(BACKCHANNEL).length, 1);
  });

  test("of two hosts that resume one call at once, one runs it and both have its result", async (t) => {
    const { peer, path, redeemed } = await startApproved(t);
    assert.deepEqual(await message(startHost(t, peer.issuer, path, "finish")), { error: "approval.pending" });
    const seen: unknown[] = [];
    const hosts = [1, 2].map(() => startHost(t, peer.issuer, path, "finish"));
    const results = hosts.map(
      (host) =>
        new Promise<void>((resolve) =>
          host.on("message", (value) => {
            seen.push(value);
            if (typeof value === "object" && value !== null && "result" in value) resolve();
          }),
        ),
    );
    await Promise.all(results);
    assert.deepEqual(seen.map((value) => JSON.stringify(value)).sort(), [
      '{"result":"bought"}',
      '{"result":"bought"}',
      '{"token":"token-1"}',
    ]);
    assert.equal(redeemed(), 1);
  });
}
