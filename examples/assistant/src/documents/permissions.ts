import type { FgaClient, Tuple, TupleKey } from "@behalf/sdk";
import type { SourceDocument } from "./corpus.ts";

/**
 * The authorization model of the documents, in the JSON that the OpenFGA API takes. In its language:
 *
 *     type user
 *     type group
 *       relations
 *         define member: [user]
 *     type doc
 *       relations
 *         define owner: [user]
 *         define viewer: [user, user:*, group#member]
 *         define can_view: owner or viewer
 */
export const DOCUMENT_MODEL = {
  schema_version: "1.1",
  type_definitions: [
    { type: "user" },
    {
      type: "group",
      relations: { member: { this: {} } },
      metadata: { relations: { member: { directly_related_user_types: [{ type: "user" }] } } },
    },
    {
      type: "doc",
      relations: {
        owner: { this: {} },
        viewer: { this: {} },
        can_view: {
          union: {
            child: [{ computedUserset: { relation: "owner" } }, { computedUserset: { relation: "viewer" } }],
          },
        },
      },
      metadata: {
        relations: {
          owner: { directly_related_user_types: [{ type: "user" }] },
          viewer: {
            directly_related_user_types: [
              { type: "user" },
              { type: "user", wildcard: {} },
              { type: "group", relation: "member" },
            ],
          },
          can_view: { directly_related_user_types: [] },
        },
      },
    },
  ],
};

/** Who may read a document, as one tuple. */
export function tupleOf({ id, access }: Pick<SourceDocument, "id" | "access">): TupleKey {
  const object = `doc:${id}`;
  if (access === "everyone") return { user: "user:*", relation: "viewer", object };
  if (access.startsWith("group:")) return { user: `${access}#member`, relation: "viewer", object };
  return { user: access, relation: "owner", object };
}

/**
 * Makes the tuples of a document what its `access` says, and takes back what it said before. Viewers that
 * were added one by one stay. Safe to call again.
 */
export async function grantAccess(fga: FgaClient, document: SourceDocument): Promise<void> {
  const wanted = tupleOf(document);
  const stored = await readAll(fga, wanted.object);
  const deletes = stored.filter((tuple) => isSharedWith(tuple) && !isSame(tuple, wanted));
  const writes = stored.some((tuple) => isSame(tuple, wanted)) ? [] : [wanted];
  if (deletes.length + writes.length > 0) await fga.write({ writes, deletes });
}

/** Takes back everything that was granted on a document that is no more. */
export async function withdrawAccess(fga: FgaClient, documentId: string): Promise<void> {
  const deletes = (await readAll(fga, `doc:${documentId}`)).map(({ user, relation, object }) => ({
    user,
    relation,
    object,
  }));
  if (deletes.length > 0) await fga.write({ deletes });
}

async function readAll(fga: FgaClient, object: string): Promise<Tuple[]> {
  const tuples: Tuple[] = [];
  let continuationToken: string | undefined;
  do {
    const page = await fga.read({ object, ...(continuationToken ? { continuationToken } : {}) });
    tuples.push(...page.tuples);
    continuationToken = page.continuationToken;
  } while (continuationToken);
  return tuples;
}

function isSharedWith({ user }: TupleKey): boolean {
  return user === "user:*" || user.startsWith("group:");
}

function isSame(a: TupleKey, b: TupleKey): boolean {
  return a.user === b.user && a.relation === b.relation && a.object === b.object;
}
