import { resolveConfig } from "../config.ts";
import { createOAuthClient } from "../oauth.ts";
import { createSealer } from "../seal.ts";
import { createMemoryStore } from "../store.ts";
import { createFgaClient, type FgaClient, type FgaConsistency, type FgaQuery } from "./client.ts";

/** How documents are checked. */
export interface FgaFilterOptions<Document> {
  /** The relation that a document's reader must have. */
  buildQuery: (document: Document) => FgaQuery;
  /** Default `HIGHER_CONSISTENCY`. */
  consistency?: FgaConsistency;
  /** `behalf.fga`. Default: a client that the environment configures (`BEHALF_*`). */
  fga?: FgaClient;
}

export interface FgaFilter<Document> {
  /** The documents whose relation holds, in their order. Throws when one could not be decided. */
  filter(documents: readonly Document[]): Promise<Document[]>;
}

/** Anything that finds documents for a query, such as a vector store. */
export interface Retriever<Query, Document> {
  retrieve(query: Query): Promise<readonly Document[]>;
}

/** Keeps the documents that the reader may see. Equal relations are checked once, 50 a request. */
export const FGAFilter = {
  create<Document>({ buildQuery, consistency, fga }: FgaFilterOptions<Document>): FgaFilter<Document> {
    const client = fga ?? fgaFromEnvironment();
    return {
      async filter(documents) {
        const queries = documents.map(buildQuery);
        const allowed = await client.batchCheck(queries, consistency ? { consistency } : {});
        return documents.filter((_, i) => allowed[i] === true);
      },
    };
  },
};

/** A retriever that returns only what the reader may see: it retrieves first and checks every document. */
export const FGARetriever = {
  create<Query, Document>({
    retriever,
    ...options
  }: FgaFilterOptions<Document> & { retriever: Retriever<Query, Document> }): Retriever<Query, Document> {
    const { filter } = FGAFilter.create(options);
    return {
      async retrieve(query) {
        return filter(await retriever.retrieve(query));
      },
    };
  },
};

function fgaFromEnvironment(): FgaClient {
  const config = resolveConfig({ store: createMemoryStore() }); // checks keep no state
  return createFgaClient({
    config,
    oauth: createOAuthClient(config),
    sealer: createSealer(config.storeKeys),
  });
}
