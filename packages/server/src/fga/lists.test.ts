import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import { openTestFga, tuple } from "./testing.ts";

const TUPLES = [
  "group:eng#member@user:anne",
  "folder:1#viewer@group:eng#member",
  "document:1#parent@folder:1",
  "document:2#viewer@user:*",
];

for (const engine of testEngines())
  describe(`lists on ${engine.name}`, () => {
    let fga: Awaited<ReturnType<typeof openTestFga>>;
    let store: Awaited<ReturnType<typeof fga.store>>;
    before(async () => {
      fga = await openTestFga(engine.open);
      store = await fga.store();
      await store.write(...TUPLES);
    });
    after(() => fga.close());

    it("list-objects names every object, and no other type's", async () => {
      const { body } = await store.at("list-objects", {
        type: "document",
        relation: "viewer",
        user: "user:anne",
      });
      assert.deepEqual(body.objects.sort(), ["document:1", "document:2"]);
    });

    const badLists: readonly [what: string, body: object, code: string][] = [
      ["an unknown type", { type: "nothing", relation: "viewer", user: "user:anne" }, "type_not_found"],
      ["an unknown relation", { type: "document", relation: "x", user: "user:anne" }, "relation_not_found"],
      ["no user", { type: "document", relation: "viewer" }, "validation_error"],
      ["a user without type", { type: "document", relation: "viewer", user: "anne" }, "validation_error"],
      ["no type", { relation: "viewer", user: "user:anne" }, "type_invalid_pattern"],
    ];
    for (const [what, body, code] of badLists)
      it(`list-objects and its stream refuse ${what} with ${code}`, async () => {
        const unary = await store.at("list-objects", body);
        assert.deepEqual([unary.status, unary.body.code], [400, code]);
        const streamed = await store.at("streamed-list-objects", body);
        assert.deepEqual([streamed.status, streamed.body.code], [400, code]);
        assert.deepEqual(streamed.body.error, { code: 3, message: streamed.body.message, details: [] });
      });

    it("list-objects ends at a thousand, its stream does not", async () => {
      const large = await fga.store();
      for (let page = 0; page < 11; page++)
        await large.write(...Array.from({ length: 100 }, (_, i) => `document:${page}-${i}#viewer@user:anne`));
      const request = { type: "document", relation: "viewer", user: "user:anne" };
      assert.equal((await large.at("list-objects", request)).body.objects.length, 1_000);
      const lines: { result: { object: string } }[] = (await large.at("streamed-list-objects", request)).body;
      assert.equal(new Set(lines.map(({ result }) => result.object)).size, 1_100);
    });

    it("list-users names users, everyone and groups, each by its kind", async () => {
      const ask = async (object: string, filter: object) =>
        (
          await store.at("list-users", {
            object: { type: object.split(":")[0], id: object.split(":")[1] },
            relation: "viewer",
            user_filters: [filter],
          })
        ).body.users;
      assert.deepEqual(await ask("document:1", { type: "user" }), [{ object: { type: "user", id: "anne" } }]);
      assert.deepEqual(await ask("document:2", { type: "user" }), [{ wildcard: { type: "user" } }]);
      assert.deepEqual(await ask("folder:1", { type: "group", relation: "member" }), [
        { userset: { type: "group", id: "eng", relation: "member" } },
      ]);
    });

    it("list-users takes contextual tuples as a bare list", async () => {
      const { body } = await store.at("list-users", {
        object: { type: "document", id: "7" },
        relation: "viewer",
        user_filters: [{ type: "user" }],
        contextual_tuples: [tuple("document:7#viewer@user:dora")],
      });
      assert.deepEqual(body.users, [{ object: { type: "user", id: "dora" } }]);
    });

    const users = { object: { type: "document", id: "1" }, relation: "viewer" };
    const badUsers: readonly [what: string, body: object, code: string][] = [
      ["no object", { relation: "viewer", user_filters: [{ type: "user" }] }, "validation_error"],
      ["no filter", users, "validation_error"],
      ["two filters", { ...users, user_filters: [{ type: "user" }, { type: "group" }] }, "validation_error"],
      ["an unknown type", { ...users, user_filters: [{ type: "nothing" }] }, "type_not_found"],
      [
        "an unknown relation",
        { ...users, user_filters: [{ type: "group", relation: "x" }] },
        "relation_not_found",
      ],
    ];
    for (const [what, body, code] of badUsers)
      it(`list-users refuses ${what} with ${code}`, async () => {
        const answer = await store.at("list-users", body);
        assert.deepEqual([answer.status, answer.body.code], [400, code]);
      });

    it("expand shows one level of a relation", async () => {
      const { body } = await store.at("expand", { tuple_key: { object: "document:1", relation: "viewer" } });
      assert.deepEqual(body, {
        tree: {
          root: {
            name: "document:1#viewer",
            union: {
              nodes: [
                { name: "document:1#viewer", leaf: { users: { users: [] } } },
                {
                  name: "document:1#viewer",
                  leaf: {
                    tupleToUserset: {
                      tupleset: "document:1#parent",
                      computed: [{ userset: "folder:1#viewer" }],
                    },
                  },
                },
              ],
            },
          },
        },
      });
    });

    const badExpands: readonly [what: string, key: object | undefined, code: string][] = [
      ["no tuple key", undefined, "tuple_key_value_not_specified"],
      ["no object", { relation: "viewer" }, "invalid_expand_input"],
      ["no relation", { object: "document:1" }, "invalid_expand_input"],
      ["an unknown relation", { object: "document:1", relation: "nothing" }, "validation_error"],
    ];
    for (const [what, key, code] of badExpands)
      it(`expand refuses ${what} with ${code}`, async () => {
        const { status, body } = await store.at("expand", key === undefined ? {} : { tuple_key: key });
        assert.deepEqual([status, body.code], [400, code]);
      });
  });
