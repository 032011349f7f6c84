import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { behalfOf, type Peer, type PeerRequest, startPeer, TOKEN } from "../testing.ts";
import type { FgaQuery } from "./client.ts";
import { FGAFilter, FGARetriever } from "./retrieval.ts";

const CHECK = "/stores/store-1/check";
const BATCH = "/stores/store-1/batch-check";

interface BatchBody {
  checks: { tuple_key: FgaQuery; correlation_id: string }[];
  consistency: string;
}
// The SDK under test wrote these bodies; the assertions on their members are the check.
const bodyOf = (request: PeerRequest | undefined) => JSON.parse(request?.body ?? "{}") as BatchBody;

/** Allows what `allowed` says. */
const batch = (allowed: (query: FgaQuery) => boolean) => (request: PeerRequest) => ({
  body: {
    result: Object.fromEntries(
      bodyOf(request).checks.map((check) => [check.correlation_id, { allowed: allowed(check.tuple_key) }]),
    ),
  },
});

const fgaOf = (peer: Peer) =>
  behalfOf(peer, { fga: { url: peer.issuer, storeId: "store-1", presharedKey: "preshared" } }).fga;
const query = (object: string, user = "user:anne"): FgaQuery => ({ user, relation: "viewer", object });

test("a check sends the relation with the preshared key and returns the decision", async (t) => {
  const peer = await startPeer(t, { [CHECK]: { body: { allowed: true, resolution: "" } } });
  const contextualTuples = [{ user: "user:anne", relation: "member", object: "team:a" }];
  assert.equal(await fgaOf(peer).check({ ...query("doc:1"), contextualTuples, context: { hour: 9 } }), true);
  const [request] = peer.to(CHECK);
  assert.equal(request?.headers.authorization, "Bearer preshared");
  assert.deepEqual(JSON.parse(request?.body ?? ""), {
    tuple_key: { user: "user:anne", relation: "viewer", object: "doc:1" },
    contextual_tuples: { tuple_keys: contextualTuples },
    context: { hour: 9 },
    consistency: "HIGHER_CONSISTENCY",
  });
});

test("without a preshared key the client's own token is fetched once and used until it ends", async (t) => {
  const peer = await startPeer(t, {
    [CHECK]: { body: { allowed: false } },
    [TOKEN]: { body: { access_token: "fga-token", expires_in: 3600 } },
  });
  const { fga } = behalfOf(peer, { fga: { url: peer.issuer, storeId: "store-1" } });
  assert.equal(await fga.check(query("doc:1")), false);
  assert.equal(await fga.check(query("doc:2")), false);
  assert.equal(peer.to(CHECK)[1]?.headers.authorization, "Bearer fga-token");
  assert.equal(peer.to(TOKEN).length, 1);
  const form = peer.to(TOKEN)[0]?.form;
  assert.equal(form?.get("grant_type"), "client_credentials");
  assert.equal(form?.get("audience"), `${peer.issuer}fga/`);
});

test("many checks are sent by fifty and answered in their order", async (t) => {
  const peer = await startPeer(t, { [BATCH]: batch(({ object }) => Number(object.slice(4)) % 3 === 0) });
  const queries = Array.from({ length: 120 }, (_, i) => query(`doc:${i}`));
  const decisions = await fgaOf(peer).batchCheck(queries);
  assert.deepEqual(
    decisions,
    queries.map((_, i) => i % 3 === 0),
  );
  assert.deepEqual(
    peer
      .to(BATCH)
      .map((request) => bodyOf(request).checks.length)
      .sort(),
    [20, 50, 50],
  );
});

test("equal checks are sent once", async (t) => {
  const peer = await startPeer(t, { [BATCH]: batch(() => true) });
  assert.deepEqual(await fgaOf(peer).batchCheck([query("doc:1"), query("doc:1"), query("doc:2")]), [
    true,
    true,
    true,
  ]);
  assert.equal(bodyOf(peer.to(BATCH)[0]).checks.length, 2);
});

test("checks that only look equal when they are joined are told apart", async (t) => {
  const tricky: FgaQuery[] = [
    { user: "user:a|viewer", relation: "b", object: "doc:1" },
    { user: "user:a", relation: "viewer|b", object: "doc:1" },
    { user: "user:a", relation: "viewer", object: "b|doc:1" },
    { user: "user:a", relation: "viewer", object: "doc:1" },
    { user: "user:a", relation: "viewer", object: "doc:1", context: { hour: 1 } },
    { user: "user:a", relation: "viewer", object: "doc:1", context: { hour: 2 } },
  ];
  const peer = await startPeer(t, { [BATCH]: batch(({ user }) => user === "user:a|viewer") });
  assert.deepEqual(await fgaOf(peer).batchCheck(tricky), [true, false, false, false, false, false]);
  assert.equal(bodyOf(peer.to(BATCH)[0]).checks.length, tricky.length);
});

test("no checks ask nobody", async (t) => {
  const peer = await startPeer(t);
  assert.deepEqual(await fgaOf(peer).batchCheck([]), []);
  assert.equal(peer.requests.length, 0);
});

test("a check that could not be decided fails all of them", async (t) => {
  const answers = [
    {
      body: { result: { 0: { allowed: true }, 1: { error: { code: "validation_error", message: "bad" } } } },
    },
    { body: { result: { 0: { allowed: true } } } },
    { body: {} },
    { status: 400, body: { code: "validation_error", message: "bad" } },
    { status: 500, body: { code: "internal_error", message: "oops" } },
    { status: 200, body: "[]" },
  ];
  for (const answer of answers) {
    const peer = await startPeer(t, { [BATCH]: answer });
    await assert.rejects(fgaOf(peer).batchCheck([query("doc:1"), query("doc:2")]), { name: "BehalfError" });
  }
});

test("the engine's refusal keeps the engine's code", async (t) => {
  const peer = await startPeer(t, {
    [CHECK]: { status: 400, body: { code: "validation_error", message: "type 'x' not found" } },
  });
  await assert.rejects(fgaOf(peer).check(query("x:1")), {
    code: "fga.validation_error",
    message: "The FGA engine did not decide: type 'x' not found",
    retryable: false,
  });
});

test("a decision that is not a boolean is no decision", async (t) => {
  for (const body of [{}, { allowed: "true" }, { allowed: 1 }]) {
    const peer = await startPeer(t, { [CHECK]: { body } });
    await assert.rejects(fgaOf(peer).check(query("doc:1")), { code: "server.bad_answer" });
  }
});

test("a store that is not configured is named with its variable at the first check", async (t) => {
  const { fga } = behalfOf(await startPeer(t));
  await assert.rejects(fga.check(query("doc:1")), { code: "config.invalid", message: /BEHALF_FGA_STORE_ID/ });
});

test("objects are listed, tuples read page by page, and changes written", async (t) => {
  const key = { user: "user:anne", relation: "viewer", object: "doc:1" };
  const peer = await startPeer(t, {
    "/stores/store-1/list-objects": { body: { objects: ["doc:1", "doc:2"] } },
    "/stores/store-1/read": {
      body: { tuples: [{ key: { ...key, condition: null }, timestamp: "t" }], continuation_token: "next" },
    },
    "/stores/store-1/write": { body: {} },
  });
  const fga = fgaOf(peer);
  assert.deepEqual(await fga.listObjects({ user: "user:anne", relation: "viewer", type: "doc" }), [
    "doc:1",
    "doc:2",
  ]);
  assert.deepEqual(await fga.read({ object: "doc:1" }), { tuples: [key], continuationToken: "next" });
  await fga.write({ writes: [key], deletes: [{ ...key, object: "doc:2" }] });
  assert.deepEqual(JSON.parse(peer.to("/stores/store-1/write")[0]?.body ?? ""), {
    writes: { tuple_keys: [key] },
    deletes: { tuple_keys: [{ ...key, object: "doc:2" }] },
  });
});

interface Document {
  id: string;
  text: string;
}
const documents: Document[] = ["a", "b", "a", "c"].map((id, i) => ({ id, text: `chunk ${i}` }));
const buildQuery = ({ id }: Document) => query(`doc:${id}`);

async function startEngine(t: TestContext) {
  return startPeer(t, { [BATCH]: batch(({ object }) => object !== "doc:b") });
}

test("a filter keeps what the reader may see, in order, chunks of one document alike", async (t) => {
  const fga = fgaOf(await startEngine(t));
  const kept = await FGAFilter.create({ buildQuery, fga }).filter(documents);
  assert.deepEqual(
    kept.map(({ text }) => text),
    ["chunk 0", "chunk 2", "chunk 3"],
  );
});

test("a filter tells apart two users who read one object", async (t) => {
  const peer = await startPeer(t, { [BATCH]: batch(({ user }) => user === "user:anne") });
  const filter = FGAFilter.create({ fga: fgaOf(peer), buildQuery: (user: string) => query("doc:1", user) });
  assert.deepEqual(await filter.filter(["user:anne", "user:bob", "user:anne"]), ["user:anne", "user:anne"]);
});

test("a filter passes the consistency on", async (t) => {
  const peer = await startEngine(t);
  await FGAFilter.create({ buildQuery, fga: fgaOf(peer), consistency: "MINIMIZE_LATENCY" }).filter(documents);
  assert.equal(bodyOf(peer.to(BATCH)[0]).consistency, "MINIMIZE_LATENCY");
});

test("a retriever returns only what the reader may see", async (t) => {
  const fga = fgaOf(await startEngine(t));
  const retriever = {
    retrieve: async (wanted: string) => documents.filter(({ text }) => text.includes(wanted)),
  };
  const guarded = FGARetriever.create({ retriever, buildQuery, fga });
  assert.deepEqual((await guarded.retrieve("chunk 1")).length, 0);
  assert.deepEqual(
    (await guarded.retrieve("chunk 3")).map(({ id }) => id),
    ["c"],
  );
});

test("a retriever whose engine is down returns nothing but the error", async (t) => {
  const peer = await startPeer(t, { [BATCH]: { status: 503, body: {} } });
  const guarded = FGARetriever.create({
    retriever: { retrieve: async () => documents },
    buildQuery,
    fga: fgaOf(peer),
  });
  await assert.rejects(guarded.retrieve("x"), { code: "fga.status_503", retryable: true });
});
