import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import { openTestFga, tuple } from "./testing.ts";

const UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const ANNE = tuple("document:1#viewer@user:anne");

for (const engine of testEngines())
  describe(`assertions on ${engine.name}`, () => {
    let fga: Awaited<ReturnType<typeof openTestFga>>;
    before(async () => {
      fga = await openTestFga(engine.open);
    });
    after(() => fga.close());

    async function setUp() {
      const store = await fga.store();
      const path = `/stores/${store.id}/assertions/${store.modelId}`;
      return {
        store,
        put: (assertions: readonly unknown[]) => fga.call("PUT", path, { assertions }),
        get: () => fga.call("GET", path),
      };
    }

    it("are none until some are written", async () => {
      const { store, get } = await setUp();
      const { status, body } = await get();
      assert.deepEqual([status, body], [200, { authorization_model_id: store.modelId, assertions: [] }]);
    });

    it("are kept as they were written last", async () => {
      const { put, get } = await setUp();
      await put([{ tuple_key: ANNE, expectation: false }]);
      const contextual = tuple("document:1#viewer@user:anne");
      const answer = await put([{ tuple_key: ANNE, expectation: true, contextual_tuples: [contextual] }]);
      assert.equal(answer.status, 204);
      assert.deepEqual((await get()).body.assertions, [
        {
          tuple_key: ANNE,
          expectation: true,
          contextual_tuples: [{ ...contextual, condition: null }],
          context: null,
        },
      ]);
    });

    const refused: readonly [what: string, assertions: readonly unknown[], code: string][] = [
      ["one without tuple key", [{ expectation: true }], "tuple_key_value_not_specified"],
      ["an unknown relation", [{ tuple_key: tuple("document:1#x@user:anne") }], "validation_error"],
      ["a user of an unknown type", [{ tuple_key: tuple("document:1#viewer@x:anne") }], "validation_error"],
      [
        "a hundred and one",
        Array.from({ length: 101 }, () => ({ tuple_key: ANNE })),
        "assertions_too_many_items",
      ],
      [
        "21 contextual tuples",
        [
          {
            tuple_key: ANNE,
            contextual_tuples: Array.from({ length: 21 }, (_, i) => tuple(`document:${i}#viewer@user:anne`)),
          },
        ],
        "validation_error",
      ],
      [
        "more than 64,000 bytes",
        Array.from({ length: 100 }, (_, i) => ({
          tuple_key: { ...ANNE, user: `user:${String(i).repeat(200)}` },
          context: { text: "x".repeat(500) },
        })),
        "exceeded_entity_limit",
      ],
    ];
    for (const [what, assertions, code] of refused)
      it(`refuse ${what} with ${code}`, async () => {
        const { put, get } = await setUp();
        const { status, body } = await put(assertions);
        assert.deepEqual([status, body.code], [400, code]);
        assert.deepEqual((await get()).body.assertions, []);
      });

    it("are refused for an unknown model", async () => {
      const { store } = await setUp();
      const { body } = await fga.call("PUT", `/stores/${store.id}/assertions/${UNKNOWN}`, { assertions: [] });
      assert.equal(body.code, "authorization_model_not_found");
    });
  });
