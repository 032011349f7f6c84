import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import { CONDITIONAL_MODEL, createTestFga, openTestFga, tuple } from "./testing.ts";

const ANNE = "document:1#viewer@user:anne";
const CALLERS = 40;

for (const engine of testEngines())
  describe(`writing tuples on ${engine.name}`, () => {
    let fga: Awaited<ReturnType<typeof openTestFga>>;
    before(async () => {
      fga = await openTestFga(engine.open);
    });
    after(() => fga.close());

    it("answers {} and names store and model in headers", async () => {
      const store = await fga.store();
      const { status, body, headers } = await store.write(ANNE);
      assert.deepEqual([status, body], [200, {}]);
      assert.equal(headers.get("openfga-store-id"), store.id);
      assert.equal(headers.get("openfga-authorization-model-id"), store.modelId);
    });

    it("is seen by the next check, and so is deleting", async () => {
      const store = await fga.store();
      assert.equal(await store.allowed(ANNE), false);
      await store.write(ANNE);
      assert.equal(await store.allowed(ANNE), true);
      await store.remove(ANNE);
      assert.equal(await store.allowed(ANNE), false);
    });

    it("deletes and writes in one request", async () => {
      const store = await fga.store();
      await store.write(ANNE);
      const { status } = await store.at("write", {
        writes: { tuple_keys: [tuple("document:2#viewer@user:anne")] },
        deletes: { tuple_keys: [tuple(ANNE)] },
      });
      assert.equal(status, 200);
      assert.deepEqual(
        [await store.allowed(ANNE), await store.allowed("document:2#viewer@user:anne")],
        [false, true],
      );
    });

    it("refuses a tuple that is there, and does nothing of that request", async () => {
      const store = await fga.store();
      await store.write(ANNE);
      const { status, body } = await store.write("document:2#viewer@user:anne", ANNE);
      assert.equal(status, 400);
      assert.deepEqual(body, {
        code: "write_failed_due_to_invalid_input",
        message:
          "cannot write a tuple which already exists: user: 'user:anne', relation: 'viewer', object: 'document:1': tuple to be written already existed or the tuple to be deleted did not exist",
      });
      assert.equal(await store.allowed("document:2#viewer@user:anne"), false);
      assert.equal((await store.get("changes")).body.changes.length, 1);
    });

    it("refuses to delete a tuple that is not there", async () => {
      const store = await fga.store();
      await store.write("document:2#viewer@user:anne");
      const { status, body } = await store.remove("document:2#viewer@user:anne", ANNE);
      assert.deepEqual([status, body.code], [400, "write_failed_due_to_invalid_input"]);
      assert.match(body.message, /^cannot delete a tuple which does not exist: user: 'user:anne'/);
      assert.equal(await store.allowed("document:2#viewer@user:anne"), true);
    });

    it("takes a tuple that is there for done when asked to ignore, and logs no change", async () => {
      const store = await fga.store();
      await store.write(ANNE);
      const keys = [tuple(ANNE), tuple("document:2#viewer@user:anne")];
      const { status } = await store.at("write", { writes: { tuple_keys: keys, on_duplicate: "ignore" } });
      assert.equal(status, 200);
      assert.equal((await store.get("changes")).body.changes.length, 2);
      assert.equal(await store.allowed("document:2#viewer@user:anne"), true);
    });

    it("takes a tuple that is not there for deleted when asked to ignore, and logs no change", async () => {
      const store = await fga.store();
      const deletes = { tuple_keys: [tuple(ANNE)], on_missing: "ignore" };
      assert.equal((await store.at("write", { deletes })).status, 200);
      assert.deepEqual((await store.get("changes")).body.changes, []);
      await store.write(ANNE);
      assert.equal(await store.allowed(ANNE), true);
    });

    it("answers 409 when asked to ignore a tuple that is there under another condition", async () => {
      const store = await fga.store(CONDITIONAL_MODEL);
      const conditioned = (context: object) => ({
        tuple_keys: [{ ...tuple(ANNE), condition: { name: "in_office", context } }],
        on_duplicate: "ignore",
      });
      await store.at("write", { writes: conditioned({ place: "office" }) });
      const same = await store.at("write", { writes: conditioned({ place: "office" }) });
      assert.equal(same.status, 200);
      const other = await store.at("write", { writes: conditioned({ place: "home" }) });
      assert.deepEqual([other.status, other.body.code], [409, "Aborted"]);
      assert.match(other.body.message, /^transactional write failed due to conflict: attempted to write/);
      const none = { tuple_keys: [tuple(ANNE)], on_duplicate: "ignore" };
      assert.equal((await store.at("write", { writes: none })).status, 409);
    });

    it("keeps the condition of a tuple and never lets it through undecided", async () => {
      const store = await fga.store(CONDITIONAL_MODEL);
      const condition = { name: "in_office", context: { place: "office" } };
      await store.at("write", { writes: { tuple_keys: [{ ...tuple(ANNE), condition }] } });
      const read = (await store.at("read", {})).body.tuples[0].key;
      assert.deepEqual(read, { ...tuple(ANNE), condition });
      const check = await store.at("check", { tuple_key: tuple(ANNE), context: { place: "office" } });
      assert.notEqual(check.body.allowed, true);
    });

    it("takes a hundred tuples and refuses a hundred and one", async () => {
      const store = await fga.store();
      const keys = Array.from({ length: 101 }, (_, i) => `document:${i}#viewer@user:anne`);
      assert.equal((await store.write(...keys.slice(0, 100))).status, 200);
      const { status, body } = await store.write(...keys.map((key) => key.replace("anne", "bob")));
      assert.deepEqual(
        [status, body],
        [
          400,
          {
            code: "exceeded_entity_limit",
            message: "The number of write operations exceeds the allowed limit of 100",
          },
        ],
      );
    });

    for (const [what, request, code] of refusals())
      it(`refuses ${what}`, async () => {
        const store = await fga.store();
        const { status, body } = await store.at("write", request);
        assert.deepEqual([status, body.code], [400, code], body.message);
        assert.deepEqual((await store.get("changes")).body.changes, []);
      });

    it("says why a tuple does not fit the model", async () => {
      const store = await fga.store();
      const { body } = await store.write("document:1#viewer@group:eng");
      assert.deepEqual(body, {
        code: "validation_error",
        message:
          "Invalid tuple 'document:1#viewer@group:eng'. Reason: type 'group' is not an allowed type restriction for 'document#viewer'",
      });
    });

    it("is refused for a model that is unknown", async () => {
      const store = await fga.store();
      const { body } = await store.at("write", {
        writes: { tuple_keys: [tuple(ANNE)] },
        authorization_model_id: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
      });
      assert.equal(body.code, "authorization_model_not_found");
    });

    it("is refused when the store is deleted while the request is checked", async () => {
      const { id, modelId } = await fga.store();
      const late = createTestFga({
        ...fga.storage,
        async transaction(work) {
          await fga.call("DELETE", `/stores/${id}`);
          return fga.storage.transaction(work);
        },
      });
      const store = await late.openStore(id);
      const { body } = await store.at("write", {
        writes: { tuple_keys: [tuple(ANNE)] },
        authorization_model_id: modelId,
      });
      assert.equal(body.code, "latest_authorization_model_not_found");
      assert.deepEqual((await store.at("read", {})).body.tuples, []);
    });

    it("lets exactly one of 40 writers of one key win", async () => {
      const store = await fga.store();
      const answers = await Promise.all(Array.from({ length: CALLERS }, () => store.write(ANNE)));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      const others = answers.filter(({ status }) => status !== 200).map(({ body }) => body.code);
      assert.deepEqual(others, Array(CALLERS - 1).fill("write_failed_due_to_invalid_input"));
      assert.equal(await store.allowed(ANNE), true);
    });

    it("keeps index, tuples and log in step while 40 callers write and delete the same keys", async () => {
      const store = await fga.store();
      await store.allowed(ANNE);
      const keys = Array.from({ length: 4 }, (_, i) => `document:${i}#viewer@user:anne`);
      const answers = await Promise.all(
        Array.from({ length: CALLERS }, (_, i) => {
          const key = keys[i % keys.length] ?? "";
          return i % 3 === 0 ? store.remove(key) : store.write(key);
        }),
      );
      const done = answers.filter(({ status }) => status === 200).length;
      const { changes } = (await store.get("changes")).body;
      assert.equal(changes.length, done);
      const expected = new Map<string, boolean>();
      for (const { tuple_key: key, operation } of changes)
        expected.set(key.object, operation === "TUPLE_OPERATION_WRITE");
      for (const key of keys) {
        const object = tuple(key).object;
        assert.equal(await store.allowed(key), expected.get(object) ?? false, object);
      }
      const read = (await store.at("read", {})).body.tuples;
      assert.equal(read.length, [...expected.values()].filter(Boolean).length);
    });
  });

function refusals(): readonly [what: string, request: unknown, code: string][] {
  const write = (key: object) => ({ writes: { tuple_keys: [key] } });
  const same = { ...tuple(ANNE) };
  return [
    ["a request without tuples", {}, "invalid_write_input"],
    ["an empty list of writes", { writes: { tuple_keys: [] } }, "validation_error"],
    [
      "a tuple twice",
      { writes: { tuple_keys: [same, same] } },
      "cannot_allow_duplicate_tuples_in_one_request",
    ],
    [
      "a tuple to write and to delete",
      { writes: { tuple_keys: [same] }, deletes: { tuple_keys: [same] } },
      "cannot_allow_duplicate_tuples_in_one_request",
    ],
    ["an unknown type", write(tuple("nothing:1#viewer@user:anne")), "validation_error"],
    ["an unknown relation", write(tuple("document:1#nothing@user:anne")), "validation_error"],
    ["a user without type", write(tuple("document:1#viewer@anne")), "validation_error"],
    ["an object without id", write(tuple("document:#viewer@user:anne")), "validation_error"],
    ["every object of a type", write(tuple("document:*#viewer@user:anne")), "validation_error"],
    ["a relation that is computed", write(tuple("document:1#reader@user:anne")), "validation_error"],
    [
      "a condition that the model does not know",
      write({ ...same, condition: { name: "c1" } }),
      "validation_error",
    ],
    ["a control character in the user", write({ ...same, user: "user:an\u0000ne" }), "validation_error"],
    ["half of a surrogate pair", '{"writes":{"tuple_keys":[{"user":"user:\\ud800"}]}}', "validation_error"],
    ["a user that is no text", write({ ...same, user: 1 }), "validation_error"],
    ["a user that is too long", write({ ...same, user: `user:${"a".repeat(512)}` }), "validation_error"],
    [
      "a user to delete that is malformed",
      { deletes: { tuple_keys: [{ ...same, user: "anne" }] } },
      "validation_error",
    ],
    [
      "an unknown on_duplicate",
      { writes: { tuple_keys: [same], on_duplicate: "maybe" } },
      "validation_error",
    ],
    ["an unknown on_missing", { deletes: { tuple_keys: [same], on_missing: "maybe" } }, "validation_error"],
  ];
}
