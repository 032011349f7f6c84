import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { FgaClient, FgaQuery } from "@behalf/sdk";
import { openDatabase } from "../database.ts";
import { leaveStatement, parseDocument, readCorpus } from "./corpus.ts";
import { createOfflineEmbedder, type Embedder } from "./embeddings.ts";
import { tupleOf } from "./permissions.ts";
import { createDocumentSearch } from "./search.ts";
import { createDocumentStore } from "./store.ts";

const CORPUS = fileURLToPath(new URL("../../corpus/", import.meta.url));
/** The real one; each text is embedded once for all tests of this file, because it takes a while. */
const embedder = remembering(createOfflineEmbedder());

function remembering(real: Embedder): Embedder {
  const known = new Map<string, Promise<Float32Array>>();
  const embedOne = async (text: string): Promise<Float32Array> => (await real.embed([text]))[0]!;
  return {
    embed: (texts) =>
      Promise.all(
        texts.map((text) => {
          const vector = known.get(text) ?? embedOne(text);
          known.set(text, vector);
          return vector;
        }),
      ),
  };
}

function newStore(t: TestContext, using: Embedder = embedder) {
  const folder = mkdtempSync(join(tmpdir(), "assistant-test-"));
  const db = openDatabase(folder);
  t.after(() => {
    db.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return createDocumentStore(db, using);
}

/** The relation API of an engine that knows who may read what; nothing else of it is used. */
function engine(readable: Record<string, string[]>, taken: { lists: boolean } = { lists: true }): FgaClient {
  const may = ({ user, object }: FgaQuery) =>
    (readable[user] ?? []).includes(object.slice("doc:".length)) && taken.lists;
  return {
    listObjects: async ({ user }: { user: string }) => (readable[user] ?? []).map((id) => `doc:${id}`),
    batchCheck: async (queries: readonly FgaQuery[]) => queries.map(may),
  } as unknown as FgaClient; // the two calls that a search makes
}

describe("the documents", () => {
  it("are 16, four of them for the group finance", () => {
    const documents = readCorpus(CORPUS);
    assert.equal(documents.length, 16);
    assert.equal(documents.filter(({ access }) => access === "group:finance").length, 4);
    for (const { id, sections } of documents) assert.ok(sections.length >= 2, `${id} has sections`);
  });

  it("are refused without a title or a known access", () => {
    assert.throws(() => parseDocument("x", "## A\ntext"), /front matter/);
    assert.throws(() => parseDocument("x", "---\ntitle: T\naccess: all\n---\n## A\ntext"), /access/);
  });

  it("become one tuple each", () => {
    assert.deepEqual(tupleOf({ id: "a", access: "everyone" }).user, "user:*");
    assert.deepEqual(tupleOf({ id: "a", access: "group:finance" }).user, "group:finance#member");
    assert.deepEqual(tupleOf({ id: "a", access: "user:anne" }), {
      user: "user:anne",
      relation: "owner",
      object: "doc:a",
    });
  });

  it("hold a leave statement that is the same each time and another for everybody", () => {
    assert.deepEqual(leaveStatement("anne"), leaveStatement("anne"));
    const [anne, ben] = [leaveStatement("anne"), leaveStatement("ben")];
    assert.notEqual(anne.id, ben.id);
    assert.notEqual(anne.sections[0]?.text, ben.sections[0]?.text);
  });
});

describe("the search", () => {
  async function filled(t: TestContext) {
    const store = newStore(t);
    for (const document of [...readCorpus(CORPUS), leaveStatement("anne"), leaveStatement("ben")])
      await store.put(document);
    return store;
  }

  it("finds what answers each of these questions", async (t) => {
    const store = await filled(t);
    const all = readCorpus(CORPUS).map(({ id }) => id);
    const search = createDocumentSearch(
      store,
      embedder,
      engine({ "user:anne": [...all, leaveStatement("anne").id] }),
    );
    for (const [question, document] of [
      ["How many days of leave do I have left?", "Your leave statement"],
      ["What may a hotel cost?", "Travel policy"],
      ["I lost my laptop, what now?", "Security basics"],
      ["Can I work from home?", "Working from elsewhere"],
      ["What is the salary band of level 4?", "Salary table"],
      ["May I accept gifts?", "Expense policy"],
    ] as const) {
      const { passages } = await search("anne", question);
      assert.equal(passages[0]?.document, document, question);
    }
  });

  it("returns nothing of a document that the person may not read, however well it fits", async (t) => {
    const store = await filled(t);
    const search = createDocumentSearch(
      store,
      embedder,
      engine({ "user:ben": ["handbook", "office-guide"] }),
    );
    const { passages, readable } = await search("ben", "What is the salary band of level 4?");
    assert.equal(readable, 2);
    for (const { document } of passages)
      assert.ok(["Employee handbook", "Office guide"].includes(document), document);
  });

  it("returns nothing to somebody who may read nothing", async (t) => {
    const search = createDocumentSearch(await filled(t), embedder, engine({}));
    assert.deepEqual(await search("eve", "What may a hotel cost?"), { readable: 0, passages: [] });
  });

  it("checks each passage on its way out, after the list was made", async (t) => {
    const store = await filled(t);
    const gone = engine({ "user:anne": ["handbook"] }, { lists: false });
    const { passages } = await createDocumentSearch(store, embedder, gone)("anne", "How much leave?");
    assert.deepEqual(passages, []);
  });
});

describe("the document store", () => {
  const vector = Float32Array.of(1, 0);

  it("embeds a document once for each form of it", async (t) => {
    let embedded = 0;
    const counting: Embedder = {
      async embed(texts) {
        embedded += texts.length;
        return texts.map(() => vector);
      },
    };
    const store = newStore(t, counting);
    const document = parseDocument("a", "---\ntitle: T\naccess: everyone\n---\n## A\none\n## B\ntwo");
    await store.put(document);
    await store.put(document);
    assert.equal(embedded, 2);
    await store.put(parseDocument("a", "---\ntitle: T\naccess: everyone\n---\n## A\nnew"));
    assert.equal(embedded, 3);
    assert.deepEqual(
      store.chunksOf(["a"]).map(({ text }) => text),
      ["new"],
    );
  });

  it("drops shared documents that are gone and keeps personal ones", async (t) => {
    const store = newStore(t, { embed: async (texts) => texts.map(() => vector) });
    await store.put(parseDocument("old", "---\ntitle: T\naccess: everyone\n---\n## A\none"));
    await store.put(leaveStatement("anne"));
    assert.deepEqual(store.dropSharedExcept(new Set(["new"])), ["old"]);
    assert.equal(store.chunksOf(["old"]).length, 0);
    assert.equal(store.chunksOf([leaveStatement("anne").id]).length, 1);
  });
});
