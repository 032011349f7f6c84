// #region retriever
import { type Behalf, FGARetriever, type FgaClient } from "@behalf/sdk";

export interface Passage {
  documentId: string;
  text: string;
}

/** A search that returns what the user may read: `find` may return anything. */
export function createSearch(
  fga: FgaClient,
  userId: string,
  find: (question: string) => Promise<readonly Passage[]>,
) {
  return FGARetriever.create<string, Passage>({
    fga,
    retriever: { retrieve: find },
    buildQuery: ({ documentId }) => ({
      user: `user:${userId}`,
      relation: "can_view",
      object: `doc:${documentId}`,
    }),
  });
}
// #endregion

// #region list
/** Ids of the documents that the user may read, to search in those alone. */
export async function readableIds(fga: FgaClient, userId: string): Promise<string[]> {
  const objects = await fga.listObjects({ user: `user:${userId}`, relation: "can_view", type: "doc" });
  return objects.map((object) => object.slice("doc:".length));
}
// #endregion

// #region write
/** Shares a document with a group. Writing a tuple that is there already is an error of the engine. */
export async function share(fga: FgaClient, documentId: string, group: string): Promise<void> {
  const tuple = { user: `group:${group}#member`, relation: "viewer", object: `doc:${documentId}` };
  await fga.write({ writes: [tuple] });
}
// #endregion

// #region guard
/** A tool that runs only for those who may see the document. */
export function createReadDocument(behalf: Behalf, read: (documentId: string) => Promise<string>) {
  return behalf.withFGA(
    {
      toolName: "readDocument",
      buildQuery: ({ documentId }: { documentId: string }, { userId }) => ({
        user: `user:${userId}`,
        relation: "can_view",
        object: `doc:${documentId}`,
      }),
    },
    ({ documentId }) => read(documentId),
  );
}
// #endregion
