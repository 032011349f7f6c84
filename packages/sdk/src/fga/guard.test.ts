import assert from "node:assert/strict";
import { test } from "node:test";
import { asAnne, behalfOf, type Peer, startPeer } from "../testing.ts";

const CHECK = "/stores/store-1/check";
const run = { toolCallId: "call-1" };
const options = {
  toolName: "deleteFile",
  buildQuery: (file: string, { userId }: { userId: string }) => ({
    user: userId,
    relation: "owner",
    object: `file:${file}`,
  }),
};
const configured = (peer: Peer) =>
  behalfOf(peer, { fga: { url: peer.issuer, storeId: "store-1", presharedKey: "preshared" } });

test("a tool runs when the relation holds between the context's user and what the arguments name", async (t) => {
  const peer = await startPeer(t, { [CHECK]: { body: { allowed: true } } });
  const tool = configured(peer).withFGA(options, (file: string) => `deleted ${file}`);
  assert.equal(await asAnne(() => tool("a", run)), "deleted a");
  const { tuple_key } = JSON.parse(peer.to(CHECK)[0]?.body ?? "");
  assert.deepEqual(tuple_key, { user: "user:anne", relation: "owner", object: "file:a" });
});

test("a tool does not run when the relation does not hold", async (t) => {
  const peer = await startPeer(t, { [CHECK]: { body: { allowed: false } } });
  let ran = false;
  const tool = configured(peer).withFGA(options, () => {
    ran = true;
  });
  await assert.rejects(
    asAnne(() => tool("a", run)),
    { name: "BehalfError", code: "fga.denied", retryable: false },
  );
  assert.equal(ran, false);
});

test("a refusal becomes a result when the tool is told how", async (t) => {
  const peer = await startPeer(t, { [CHECK]: { body: { allowed: false } } });
  const tool = configured(peer).withFGA(
    { ...options, onUnauthorized: (file) => `may not delete ${file}` },
    () => "x",
  );
  assert.equal(await asAnne(() => tool("a", run)), "may not delete a");
});

test("an engine that cannot be asked is neither a yes nor a result", async (t) => {
  const peer = await startPeer(t, { [CHECK]: { status: 503, body: {} } });
  const tool = configured(peer).withFGA({ ...options, onUnauthorized: () => "refused" }, () => "ran");
  await assert.rejects(
    asAnne(() => tool("a", run)),
    { code: "fga.status_503", retryable: true },
  );
});
