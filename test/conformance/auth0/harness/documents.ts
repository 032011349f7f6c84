import assert from "node:assert/strict";
import { tokenRequest } from "../../../support/person.ts";
import { TEST_SECRET } from "../../../support/server.ts";

/** A document has an owner and viewers; both may see it. */
const MODEL = {
  schema_version: "1.1",
  type_definitions: [
    { type: "user" },
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
          viewer: { directly_related_user_types: [{ type: "user" }, { type: "user", wildcard: {} }] },
        },
      },
    },
  ],
};

/** More than the packages' batch of 50, so that several requests carry one question. */
export const DOCUMENTS = Array.from({ length: 120 }, (_, i) => ({ id: `d${i}` }));

/** A store with the model: anne owns d3 and views d77; everybody views d119; ben owns d5. */
export async function createStore(issuer: string): Promise<string> {
  const token = await tokenRequest(issuer, {
    grant_type: "client_credentials",
    audience: `${issuer}fga/`,
    client_id: "assistant",
    client_secret: TEST_SECRET,
  });
  const { access_token: accessToken } = await token.json();
  const post = async (path: string, body: object) => {
    const response = await fetch(`${issuer}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, text);
    return JSON.parse(text);
  };
  const { id } = await post("stores", { name: "documents" });
  await post(`stores/${id}/authorization-models`, MODEL);
  const tuple = (user: string, relation: string, object: string) => ({ user, relation, object });
  const tuples = [
    tuple("user:anne", "owner", "doc:d3"),
    tuple("user:anne", "viewer", "doc:d77"),
    tuple("user:*", "viewer", "doc:d119"),
    tuple("user:ben", "owner", "doc:d5"),
  ];
  await post(`stores/${id}/write`, { writes: { tuple_keys: tuples } });
  return id;
}
