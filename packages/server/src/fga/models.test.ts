import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import { MODEL, openTestFga } from "./testing.ts";

const UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const USERS_ONLY = { schema_version: "1.1", type_definitions: [{ type: "user" }] };

for (const engine of testEngines())
  describe(`authorization models on ${engine.name}`, () => {
    let fga: Awaited<ReturnType<typeof openTestFga>>;
    before(async () => {
      fga = await openTestFga(engine.open);
    });
    after(() => fga.close());

    it("are kept and shown with every field of the wire", async () => {
      const store = await fga.store(USERS_ONLY);
      const { status, body, headers } = await store.get(`authorization-models/${store.modelId}`);
      assert.equal(status, 200);
      assert.deepEqual(body, {
        authorization_model: {
          id: store.modelId,
          schema_version: "1.1",
          type_definitions: [{ type: "user", relations: {}, metadata: null }],
          conditions: {},
        },
      });
      assert.equal(headers.get("openfga-authorization-model-id"), store.modelId);
    });

    it("are answered with 201 and an id", async () => {
      const store = await fga.store();
      const { status, body } = await store.at("authorization-models", MODEL);
      assert.equal(status, 201);
      assert.deepEqual(Object.keys(body), ["authorization_model_id"]);
    });

    it("take member names in either form of protobuf JSON", async () => {
      const store = await fga.store({ schemaVersion: "1.1", typeDefinitions: [{ type: "user" }] });
      assert.match(store.modelId, /^[0-9A-Z]{26}$/);
    });

    it("are listed newest first, in pages", async () => {
      const store = await fga.store(USERS_ONLY);
      const ids = [store.modelId];
      for (let i = 0; i < 2; i++)
        ids.unshift((await store.at("authorization-models", USERS_ONLY)).body.authorization_model_id);
      const first = (await store.get("authorization-models?page_size=2")).body;
      const idsOf = (page: { authorization_models: { id: string }[] }) =>
        page.authorization_models.map(({ id }) => id);
      assert.deepEqual(idsOf(first), ids.slice(0, 2));
      const second = (
        await store.get(`authorization-models?page_size=2&continuation_token=${first.continuation_token}`)
      ).body;
      assert.deepEqual(idsOf(second), ids.slice(2));
      assert.equal(second.continuation_token, "");
    });

    it("that are newest answer queries that name none", async () => {
      const store = await fga.store();
      await store.write("document:1#viewer@user:anne");
      assert.equal(await store.allowed("document:1#viewer@user:anne"), true);
      const second = await store.at("authorization-models", USERS_ONLY);
      const check = { tuple_key: { user: "user:anne", relation: "viewer", object: "document:1" } };
      const latest = await store.at("check", check);
      assert.deepEqual([latest.status, latest.body.code], [400, "validation_error"]);
      const named = await store.at("check", { ...check, authorization_model_id: store.modelId });
      assert.equal(named.body.allowed, true);
      assert.equal(named.headers.get("openfga-authorization-model-id"), store.modelId);
      assert.notEqual(second.body.authorization_model_id, store.modelId);
    });

    const refused: readonly [what: string, model: unknown, code: string][] = [
      ["a model without types", { schema_version: "1.1" }, "type_definitions_too_few_items"],
      [
        "a type that is defined twice",
        { schema_version: "1.1", type_definitions: [{ type: "user" }, { type: "user" }] },
        "invalid_authorization_model",
      ],
      [
        "schema 1.0",
        { schema_version: "1.0", type_definitions: [{ type: "user" }] },
        "invalid_authorization_model",
      ],
      [
        "a type name with a colon",
        { schema_version: "1.1", type_definitions: [{ type: "a:b" }] },
        "type_invalid_pattern",
      ],
      [
        "a relation name with a space",
        { schema_version: "1.1", type_definitions: [{ type: "doc", relations: { "a b": { this: {} } } }] },
        "relations_invalid_pattern",
      ],
      [
        "more than a hundred types",
        {
          schema_version: "1.1",
          type_definitions: Array.from({ length: 101 }, (_, i) => ({ type: `t${i}` })),
        },
        "exceeded_entity_limit",
      ],
      ["a list of types that is none", { schema_version: "1.1", type_definitions: {} }, "validation_error"],
      ["text that is no JSON", "{", "validation_error"],
      ["JSON that is no object", "[]", "validation_error"],
    ];
    for (const [what, model, code] of refused)
      it(`refuse ${what} with ${code}`, async () => {
        const { id } = await fga.store();
        const answer = await fga.call("POST", `/stores/${id}/authorization-models`, model);
        assert.deepEqual([answer.status, answer.body.code], [400, code]);
      });

    it("are refused for a store that is unknown", async () => {
      const { status, body } = await fga.call("POST", `/stores/${UNKNOWN}/authorization-models`, MODEL);
      assert.deepEqual([status, body.code], [404, "store_id_not_found"]);
    });

    it("that are unknown are named in the answer", async () => {
      const { id } = await fga.store();
      const { status, body } = await fga.call("GET", `/stores/${id}/authorization-models/${UNKNOWN}`);
      assert.equal(status, 400);
      assert.deepEqual(body, {
        code: "authorization_model_not_found",
        message: `Authorization Model '${UNKNOWN}' not found`,
      });
    });

    it("belong to their store alone", async () => {
      const [one, other] = [await fga.store(), await fga.store()];
      assert.equal(
        (await other.get(`authorization-models/${one.modelId}`)).body.code,
        "authorization_model_not_found",
      );
      const check = {
        authorization_model_id: one.modelId,
        tuple_key: { user: "user:anne", relation: "viewer", object: "document:1" },
      };
      assert.equal((await other.at("check", check)).body.code, "authorization_model_not_found");
    });
  });
