import { FGARetriever, type FgaClient } from "@behalf/sdk";
import type { DocumentsOutput } from "../tools/ask-my-documents.ts";
import type { Embedder } from "./embeddings.ts";
import { rank } from "./rank.ts";
import type { Chunk, DocumentStore } from "./store.ts";

/** The best passages for a question, from what this user may read and nothing else. */
export type DocumentSearch = (userId: string, question: string) => Promise<DocumentsOutput>;

const MAX_PASSAGES = 4;

/**
 * The permitted documents first (ListObjects), then an exact scan over their pieces alone: with the filter in
 * front, nothing that is permitted can be pushed out of the best few by something that is not. Each passage
 * is checked once more on its way out, in case a permission ended in between.
 */
export function createDocumentSearch(
  store: DocumentStore,
  embedder: Embedder,
  fga: FgaClient,
): DocumentSearch {
  return async (userId, question) => {
    const user = `user:${userId}`;
    const objects = await fga.listObjects({ user, relation: "can_view", type: "doc" });
    const ids = objects.map((object) => object.slice("doc:".length));
    const { retrieve } = FGARetriever.create<string, Chunk & { score: number }>({
      fga,
      buildQuery: ({ documentId }) => ({ user, relation: "can_view", object: `doc:${documentId}` }),
      retriever: {
        async retrieve(text) {
          const [query] = await embedder.embed([text]);
          return query ? rank(store.chunksOf(ids), query, text).slice(0, MAX_PASSAGES) : [];
        },
      },
    });
    const passages = await retrieve(question);
    return {
      readable: ids.length,
      passages: passages.map(({ document, heading, text, score }) => ({
        document,
        heading,
        text,
        score: Math.round(score * 1000) / 1000,
      })),
    };
  };
}
