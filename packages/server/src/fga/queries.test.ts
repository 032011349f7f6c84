import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import { CONDITIONAL_MODEL, openTestFga, tuple } from "./testing.ts";

const UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const TUPLES = [
  "group:eng#member@user:anne",
  "folder:1#viewer@group:eng#member",
  "document:1#parent@folder:1",
  "document:2#viewer@user:*",
  "document:2#blocked@user:bob",
];
const check = (text: string, more: object = {}) => ({ tuple_key: tuple(text), ...more });

for (const engine of testEngines())
  describe(`queries on ${engine.name}`, () => {
    let fga: Awaited<ReturnType<typeof openTestFga>>;
    let store: Awaited<ReturnType<typeof fga.store>>;
    before(async () => {
      fga = await openTestFga(engine.open);
      store = await fga.store();
      await store.write(...TUPLES);
    });
    after(() => fga.close());

    it("check follows groups and parents", async () => {
      const { status, body, headers } = await store.at("check", check("document:1#viewer@user:anne"));
      assert.deepEqual([status, body], [200, { allowed: true, resolution: "" }]);
      assert.equal(headers.get("openfga-authorization-model-id"), store.modelId);
      assert.equal(await store.allowed("document:1#viewer@user:bob"), false);
    });

    it("check subtracts who is excluded from everyone", async () => {
      assert.equal(await store.allowed("document:2#reader@user:carol"), true);
      assert.equal(await store.allowed("document:2#reader@user:bob"), false);
    });

    it("check counts contextual tuples for one request alone", async () => {
      const contextual_tuples = { tuple_keys: [tuple("group:eng#member@user:dora")] };
      assert.equal(await store.allowed("document:1#viewer@user:dora", { contextual_tuples }), true);
      assert.equal(await store.allowed("document:1#viewer@user:dora"), false);
    });

    for (const consistency of ["UNSPECIFIED", "MINIMIZE_LATENCY", "HIGHER_CONSISTENCY", 2])
      it(`check takes the consistency ${consistency}`, async () => {
        assert.equal(await store.allowed("document:1#viewer@user:anne", { consistency }), true);
      });

    it("check takes camel case, ignores unknown members and what is null", async () => {
      const { tuple_key: tupleKey } = check("document:1#viewer@user:anne");
      const { body } = await store.at("check", { tupleKey, contextualTuples: null, other: [{}] });
      assert.equal(body.allowed, true);
    });

    const refused: readonly [what: string, body: unknown, code: string][] = [
      ["a body without tuple key", {}, "tuple_key_value_not_specified"],
      ["an unknown type", check("nothing:1#viewer@user:anne"), "validation_error"],
      ["an unknown relation", check("document:1#nothing@user:anne"), "validation_error"],
      ["a relation with a space", check("document:1#a b@user:anne"), "validation_error"],
      ["a user without type", check("document:1#viewer@anne"), "validation_error"],
      ["a control character", check("document:1\u0001#viewer@user:anne"), "validation_error"],
      ["an unknown consistency", check(TUPLES[0] ?? "", { consistency: "SOME" }), "validation_error"],
      [
        "a model id that is none",
        check(TUPLES[0] ?? "", { authorization_model_id: "x" }),
        "validation_error",
      ],
      [
        "an unknown model",
        check(TUPLES[0] ?? "", { authorization_model_id: UNKNOWN }),
        "authorization_model_not_found",
      ],
      [
        "a contextual tuple that the model does not take",
        check(TUPLES[0] ?? "", { contextual_tuples: { tuple_keys: [tuple("document:1#viewer@group:x")] } }),
        "invalid_tuple",
      ],
      [
        "a hundred and one contextual tuples",
        check(TUPLES[0] ?? "", {
          contextual_tuples: {
            tuple_keys: Array.from({ length: 101 }, (_, i) => tuple(`document:${i}#viewer@user:anne`)),
          },
        }),
        "validation_error",
      ],
      ["a context that is no object", check(TUPLES[0] ?? "", { context: [] }), "validation_error"],
      ["a context that nests too deep", check(TUPLES[0] ?? "", { context: nested(101) }), "validation_error"],
    ];
    for (const [what, body, code] of refused)
      it(`check refuses ${what} with ${code}`, async () => {
        const answer = await store.at("check", body);
        assert.deepEqual([answer.status, answer.body.code], [400, code], answer.body.message);
      });

    it("check answers for an unknown store as for one without models", async () => {
      const { status, body } = await fga.call("POST", `/stores/${UNKNOWN}/check`, check(TUPLES[0] ?? ""));
      assert.equal(status, 400);
      assert.deepEqual(body, {
        code: "latest_authorization_model_not_found",
        message: `No authorization models found for store '${UNKNOWN}'`,
      });
      const empty = await fga.call("POST", "/stores", { name: "empty" });
      const same = await fga.call("POST", `/stores/${empty.body.id}/check`, check(TUPLES[0] ?? ""));
      assert.equal(same.body.code, "latest_authorization_model_not_found");
    });

    it("check refuses a store id that is none", async () => {
      const { body } = await fga.call("POST", "/stores/nope/check", check(TUPLES[0] ?? ""));
      assert.deepEqual(body, {
        code: "validation_error",
        message:
          'invalid CheckRequest.StoreId: value does not match regex pattern "^[ABCDEFGHJKMNPQRSTVWXYZ0-9]{26}$"',
      });
    });

    it("check past 25 nested groups is too complex", async () => {
      const model = {
        schema_version: "1.1",
        type_definitions: [
          { type: "user" },
          {
            type: "group",
            relations: { member: { this: {} } },
            metadata: {
              relations: {
                member: {
                  directly_related_user_types: [{ type: "user" }, { type: "group", relation: "member" }],
                },
              },
            },
          },
        ],
      };
      const deep = await fga.store(model);
      const chain = Array.from({ length: 27 }, (_, i) => `group:${i}#member@group:${i + 1}#member`);
      await deep.write(...chain, "group:27#member@user:anne");
      const { status, body } = await deep.at("check", check("group:0#member@user:anne"));
      assert.deepEqual([status, body.code], [400, "authorization_model_resolution_too_complex"]);
    });

    it("check never lets through what a condition would have to decide", async () => {
      const conditional = await fga.store(CONDITIONAL_MODEL);
      const condition = { name: "in_office", context: { place: "office" } };
      const text = "document:1#viewer@user:anne";
      await conditional.at("write", { writes: { tuple_keys: [{ ...tuple(text), condition }] } });
      const { status, body } = await conditional.at("check", check(text));
      assert.deepEqual([status, body.code, body.allowed], [400, "validation_error", undefined]);
      await conditional.write("document:2#viewer@user:anne");
      assert.equal(await conditional.allowed("document:2#viewer@user:anne"), true);
    });

    it("batch-check answers each check by its id, errors beside answers", async () => {
      const { status, body } = await store.at("batch-check", {
        checks: [
          { correlation_id: "yes", ...check("document:1#viewer@user:anne") },
          { correlation_id: "no", ...check("document:1#viewer@user:bob") },
          { correlation_id: "__proto__", ...check("document:2#viewer@user:bob") },
          { correlation_id: "odd", ...check("document:1#nothing@user:anne") },
          {
            correlation_id: "with",
            ...check("document:9#viewer@user:anne", {
              contextual_tuples: { tuple_keys: [tuple("document:9#viewer@user:anne")] },
            }),
          },
        ],
      });
      assert.equal(status, 200);
      assert.deepEqual(Object.entries(body.result), [
        ["yes", { allowed: true }],
        ["no", { allowed: false }],
        ["__proto__", { allowed: true }],
        [
          "odd",
          { error: { input_error: "validation_error", message: "relation 'document#nothing' not found" } },
        ],
        ["with", { allowed: true }],
      ]);
    });

    const item = (id: string) => ({ correlation_id: id, ...check("document:1#viewer@user:anne") });
    const badBatches: readonly [what: string, checks: unknown, message: RegExp][] = [
      ["no checks", [], /value must contain at least 1 item/],
      [
        "51 checks",
        Array.from({ length: 51 }, (_, i) => item(String(i))),
        /^batchCheck received 51 checks, the maximum allowed is 50$/,
      ],
      ["an id twice", [item("a"), item("a")], /^received duplicate correlation id: a$/],
      ["an empty id", [item("")], /CorrelationId/],
      ["an id that is too long", [item("a".repeat(37))], /CorrelationId/],
    ];
    for (const [what, checks, message] of badBatches)
      it(`batch-check refuses ${what}`, async () => {
        const { status, body } = await store.at("batch-check", { checks });
        assert.deepEqual([status, body.code], [400, "validation_error"]);
        assert.match(body.message, message);
      });

    it("batch-check takes 50 checks", async () => {
      const checks = Array.from({ length: 50 }, (_, i) => item(String(i)));
      const { body } = await store.at("batch-check", { checks });
      assert.equal(Object.keys(body.result).length, 50);
    });

    for (const endpoint of ["check", "batch-check", "write", "authorization-models"])
      it(`${endpoint} refuses a body that is too large, no JSON or no UTF-8`, async () => {
        const path = `/stores/${store.id}/${endpoint}`;
        const large = await fga.call("POST", path, `{"a":"${"x".repeat(616_448)}"}`);
        assert.deepEqual([large.status, large.body.code], [400, "exceeded_entity_limit"]);
        const broken = await fga.call("POST", path, '{"a":');
        assert.deepEqual(broken.body, { code: "validation_error", message: "malformed JSON" });
      });
  });

/** An object of `depth` levels. */
function nested(depth: number): object {
  let value: object = {};
  for (let i = 1; i < depth; i++) value = { value };
  return value;
}
