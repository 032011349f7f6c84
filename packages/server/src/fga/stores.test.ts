import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import { openTestFga } from "./testing.ts";

const UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

for (const engine of testEngines())
  describe(`stores on ${engine.name}`, () => {
    let fga: Awaited<ReturnType<typeof openTestFga>>;
    before(async () => {
      fga = await openTestFga(engine.open);
    });
    after(() => fga.close());

    it("are made with an id that is a ULID and shown as they were made", async () => {
      const { status, body, headers } = await fga.call("POST", "/stores", { name: "demo", unknown: 1 });
      assert.equal(status, 201);
      assert.match(body.id, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
      const time = "2026-01-01T00:00:00.000Z";
      assert.deepEqual(body, { id: body.id, name: "demo", created_at: time, updated_at: time });
      assert.equal(headers.get("openfga-store-id"), body.id);
      const found = await fga.call("GET", `/stores/${body.id}`);
      assert.deepEqual([found.status, found.body], [200, { ...body, deleted_at: null }]);
    });

    for (const name of ["", "ab", "a".repeat(65), "semi;colon", "nul\u0000byte"])
      it(`refuse the name ${JSON.stringify(name)}`, async () => {
        const { status, body } = await fga.call("POST", "/stores", { name });
        assert.deepEqual([status, body.code], [400, "validation_error"]);
        assert.match(body.message, /CreateStoreRequest\.Name/);
      });

    it("that are unknown are told apart from ids that are none", async () => {
      const unknown = await fga.call("GET", `/stores/${UNKNOWN}`);
      assert.deepEqual(
        [unknown.status, unknown.body],
        [404, { code: "store_id_not_found", message: "Store ID not found" }],
      );
      const malformed = await fga.call("GET", "/stores/nope");
      assert.deepEqual([malformed.status, malformed.body.code], [400, "validation_error"]);
    });

    it("are listed in pages, each store once, and the last page has no token", async () => {
      const ids = [];
      for (let i = 0; i < 5; i++)
        ids.push((await fga.call("POST", "/stores", { name: "paged-stores" })).body.id);
      const seen: string[] = [];
      let token = "";
      do {
        const page = await fga.call(
          "GET",
          `/stores?name=paged-stores&page_size=2&continuation_token=${token}`,
        );
        seen.push(...page.body.stores.map((store: { id: string }) => store.id));
        token = page.body.continuation_token;
      } while (token !== "");
      assert.deepEqual(seen, ids);
    });

    it("are listed by exact name", async () => {
      await fga.call("POST", "/stores", { name: "Exact" });
      await fga.call("POST", "/stores", { name: "Exact two" });
      const { body } = await fga.call("GET", "/stores?name=Exact");
      assert.deepEqual(
        body.stores.map((store: { name: string }) => store.name),
        ["Exact"],
      );
    });

    for (const size of ["0", "101", "-1"])
      it(`refuse a page of ${size}`, async () => {
        const { status, body } = await fga.call("GET", `/stores?page_size=${size}`);
        assert.deepEqual([status, body.code], [400, "page_size_invalid"]);
      });

    it("refuse a page size that is no number", async () => {
      const { status, body } = await fga.call("GET", "/stores?page_size=many");
      assert.deepEqual([status, body.code], [400, "validation_error"]);
    });

    it("refuse a continuation token of a list with another filter", async () => {
      for (let i = 0; i < 2; i++) await fga.call("POST", "/stores", { name: "filtered" });
      const { body } = await fga.call("GET", "/stores?name=filtered&page_size=1");
      const other = await fga.call("GET", `/stores?continuation_token=${body.continuation_token}`);
      assert.deepEqual([other.status, other.body.code], [400, "invalid_continuation_token"]);
    });

    it("are deleted with all that is in them, and deleting again or the unknown is no error", async () => {
      const store = await fga.store();
      await store.write("document:1#viewer@user:anne");
      assert.equal(await store.allowed("document:1#viewer@user:anne"), true);
      for (let i = 0; i < 2; i++) assert.equal((await fga.call("DELETE", `/stores/${store.id}`)).status, 204);
      assert.equal((await fga.call("DELETE", `/stores/${UNKNOWN}`)).status, 204);
      assert.equal((await fga.call("GET", `/stores/${store.id}`)).body.code, "store_id_not_found");
      const check = { tuple_key: { user: "user:anne", relation: "viewer", object: "document:1" } };
      const latest = await store.at("check", check);
      assert.equal(latest.body.code, "latest_authorization_model_not_found");
      const named = await store.at("check", { ...check, authorization_model_id: store.modelId });
      assert.equal(named.body.code, "authorization_model_not_found");
      const write = await store.write("document:2#viewer@user:anne");
      assert.equal(write.body.code, "latest_authorization_model_not_found");
      assert.deepEqual((await store.get("changes")).body.changes, []);
      assert.deepEqual((await store.at("read", {})).body.tuples, []);
      assert.equal((await store.at("authorization-models", {})).status, 400);
    });

    it("that are deleted are no longer listed", async () => {
      const { body } = await fga.call("POST", "/stores", { name: "short-lived" });
      await fga.call("DELETE", `/stores/${body.id}`);
      assert.deepEqual((await fga.call("GET", "/stores?name=short-lived")).body.stores, []);
    });

    it("cannot be renamed, as in OpenFGA", async () => {
      const { id } = await fga.store();
      const { status, body } = await fga.call("PATCH", `/stores/${id}`, { name: "other" });
      assert.deepEqual([status, body.code], [404, "unimplemented"]);
    });

    it("have no other endpoints", async () => {
      const { id } = await fga.store();
      const { status, body } = await fga.call("POST", `/stores/${id}/nothing`, {});
      assert.deepEqual([status, body.code], [404, "undefined_endpoint"]);
    });
  });
