import assert from "node:assert/strict";
import { BehalfError, createBehalf, createMemoryStore, runWithContext } from "@behalf/sdk";
import { createReadDocument, createSearch, readableIds, share } from "./documents.ts";

// Needs BEHALF_ISSUER, BEHALF_CLIENT_ID, BEHALF_CLIENT_SECRET, BEHALF_FGA_STORE_ID and BEHALF_FGA_KEY, and a
// store with the model of documents.json that nothing was written to. Exits non-zero when something breaks.

const PASSAGES = [
  { documentId: "handbook", text: "Everybody starts at nine." },
  { documentId: "budget", text: "The budget is 40,000." },
  { documentId: "salaries", text: "Nobody may see this." },
];

const presharedKey = process.env["BEHALF_FGA_KEY"];
const behalf = createBehalf({
  store: createMemoryStore(),
  ...(presharedKey ? { fga: { presharedKey } } : {}),
});
const { fga } = behalf;

await fga.write({
  writes: [
    { user: "user:*", relation: "viewer", object: "doc:handbook" },
    { user: "user:anne", relation: "member", object: "group:finance" },
  ],
});
await share(fga, "budget", "finance");

const search = (userId: string) => createSearch(fga, userId, async () => PASSAGES).retrieve("What?");
const idsOf = (passages: readonly { documentId: string }[]) => passages.map(({ documentId }) => documentId);
assert.deepEqual(idsOf(await search("anne")), ["handbook", "budget"]);
assert.deepEqual(idsOf(await search("ben")), ["handbook"]);
assert.deepEqual((await readableIds(fga, "anne")).sort(), ["budget", "handbook"]);

const readDocument = createReadDocument(behalf, async (documentId) => `text of ${documentId}`);
const readAs = (userId: string, documentId: string) =>
  runWithContext({ userId, threadId: "check" }, () => readDocument({ documentId }, { toolCallId: "call-1" }));
assert.equal(await readAs("anne", "budget"), "text of budget");
await assert.rejects(readAs("ben", "budget"), (error) => BehalfError.is(error, "fga.denied"));

process.stdout.write("anne reads handbook and budget, ben the handbook. Everything held.\n");
