import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import { createTestFga, openTestFga, tuple } from "./testing.ts";

const TUPLES = [
  "document:1#viewer@user:anne",
  "document:1#viewer@user:bob",
  "document:1#blocked@user:bob",
  "document:2#viewer@user:anne",
  "folder:1#viewer@user:anne",
];

for (const engine of testEngines())
  describe(`reading tuples and changes on ${engine.name}`, () => {
    let fga: Awaited<ReturnType<typeof openTestFga>>;
    before(async () => {
      fga = await openTestFga(engine.open);
    });
    after(() => fga.close());

    async function filled() {
      const store = await fga.store();
      await store.write(...TUPLES);
      return store;
    }
    const textOf = ({ object, relation, user }: ReturnType<typeof tuple>) => `${object}#${relation}@${user}`;

    it("shows a tuple with its time and every field", async () => {
      const store = await fga.store();
      await store.write("document:1#viewer@user:anne");
      assert.deepEqual((await store.at("read", {})).body, {
        tuples: [
          {
            key: { user: "user:anne", relation: "viewer", object: "document:1", condition: null },
            timestamp: "2026-01-01T00:00:00.000Z",
          },
        ],
        continuation_token: "",
      });
    });

    const filters: readonly [what: string, key: object | undefined, expected: readonly number[]][] = [
      ["everything without a tuple key", undefined, [0, 1, 2, 3, 4]],
      ["one object", { object: "document:1" }, [0, 1, 2]],
      ["one object and relation", { object: "document:1", relation: "viewer" }, [0, 1]],
      ["one tuple", tuple("document:1#viewer@user:bob"), [1]],
      ["one user's tuples of a type", { object: "document:", user: "user:anne" }, [0, 3]],
      ["nothing where nothing matches", { object: "document:9" }, []],
    ];
    for (const [what, key, expected] of filters)
      it(`gives ${what}`, async () => {
        const store = await filled();
        const { body } = await store.at("read", key === undefined ? {} : { tuple_key: key });
        const keys = body.tuples.map((item: { key: ReturnType<typeof tuple> }) => textOf(item.key));
        assert.deepEqual(
          keys,
          expected.map((i) => TUPLES[i]),
        );
      });

    it("gives every tuple once over pages", async () => {
      const store = await filled();
      const seen: string[] = [];
      let token = "";
      do {
        const { body } = await store.at("read", { page_size: 2, continuation_token: token });
        seen.push(...body.tuples.map((item: { key: ReturnType<typeof tuple> }) => textOf(item.key)));
        token = body.continuation_token;
      } while (token !== "");
      assert.deepEqual(seen, TUPLES);
    });

    const badReads: readonly [what: string, body: object, code: string][] = [
      ["a tuple key without object", { tuple_key: { user: "user:anne" } }, "validation_error"],
      ["a type alone", { tuple_key: { object: "document:" } }, "validation_error"],
      ["an object without type", { tuple_key: { object: "document" } }, "validation_error"],
      ["a control character", { tuple_key: { object: "document:\u0000" } }, "validation_error"],
      ["a page of none", { page_size: 0 }, "page_size_invalid"],
      ["a page of a hundred and one", { page_size: 101 }, "page_size_invalid"],
      ["a page of a half", { page_size: 1.5 }, "validation_error"],
      ["a token that nobody issued", { continuation_token: "AAAA" }, "invalid_continuation_token"],
      ["a token that is no token", { continuation_token: "not a token" }, "invalid_continuation_token"],
    ];
    for (const [what, body, code] of badReads)
      it(`refuses ${what} with ${code}`, async () => {
        const store = await filled();
        const answer = await store.at("read", body);
        assert.deepEqual([answer.status, answer.body.code], [400, code]);
      });

    it("Keto CVE-2026-33505: refuses a token that was changed, of another store or of another filter", async () => {
      const [store, other] = [await filled(), await filled()];
      const { continuation_token: token } = (await store.at("read", { page_size: 1 })).body;
      const bytes = Buffer.from(token, "base64url");
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      const attempts = [
        await store.at("read", { continuation_token: bytes.toString("base64url") }),
        await other.at("read", { continuation_token: token }),
        await store.at("read", { continuation_token: token, tuple_key: { object: "document:1" } }),
        await store.get(`changes?continuation_token=${token}`),
      ];
      assert.deepEqual(
        attempts.map(({ body }) => body.code),
        Array(attempts.length).fill("invalid_continuation_token"),
      );
      assert.equal((await store.at("read", { continuation_token: token })).status, 200);
    });

    it("logs writes and deletes in the order in which they were committed", async () => {
      const store = await fga.store();
      await store.write("document:1#viewer@user:anne");
      await store.remove("document:1#viewer@user:anne");
      const { changes } = (await store.get("changes")).body;
      const key = { user: "user:anne", relation: "viewer", object: "document:1", condition: null };
      const timestamp = "2026-01-01T00:00:00.000Z";
      assert.deepEqual(changes, [
        { tuple_key: key, operation: "TUPLE_OPERATION_WRITE", timestamp },
        { tuple_key: key, operation: "TUPLE_OPERATION_DELETE", timestamp },
      ]);
    });

    it("gives the same token until there is news, then the news alone", async () => {
      const store = await fga.store();
      assert.deepEqual((await store.get("changes")).body, { changes: [], continuation_token: "" });
      await store.write("document:1#viewer@user:anne");
      const first = (await store.get("changes")).body.continuation_token;
      const idle = (await store.get(`changes?continuation_token=${first}`)).body;
      assert.deepEqual(idle, { changes: [], continuation_token: first });
      await store.write("document:2#viewer@user:anne");
      const news = (await store.get(`changes?continuation_token=${first}`)).body;
      assert.deepEqual(
        news.changes.map((change: { tuple_key: { object: string } }) => change.tuple_key.object),
        ["document:2"],
      );
      assert.notEqual(news.continuation_token, first);
    });

    it("gives the changes of one type, and refuses the token for another", async () => {
      const store = await filled();
      const { changes, continuation_token: token } = (await store.get("changes?type=folder")).body;
      assert.equal(changes.length, 1);
      for (const query of ["", "&type=document"]) {
        const { status, body } = await store.get(`changes?continuation_token=${token}${query}`);
        assert.deepEqual([status, body.code], [400, "query_string_type_continuation_token_mismatch"]);
      }
      assert.equal((await store.get(`changes?type=folder&continuation_token=${token}`)).status, 200);
    });

    it("gives the changes since a time, which a token overrides", async () => {
      const own = createTestFga(fga.storage);
      const store = await own.store();
      await store.write("document:1#viewer@user:anne");
      own.time.now += 10_000;
      await store.write("document:2#viewer@user:anne");
      own.time.now += 10_000;
      const since = "2026-01-01T00:00:05Z";
      const late = (await store.get(`changes?start_time=${since}`)).body.changes;
      assert.deepEqual(
        late.map((change: { tuple_key: { object: string } }) => change.tuple_key.object),
        ["document:2"],
      );
      const { continuation_token: token } = (await store.get("changes?page_size=1")).body;
      const rest = (await store.get(`changes?start_time=2026-01-01T00:00:15Z&continuation_token=${token}`))
        .body.changes;
      assert.equal(rest.length, 1);
    });

    it("finds the first change of any time in a log with gaps", async () => {
      const own = createTestFga(fga.storage);
      const store = await own.store();
      const start = own.time.now;
      for (let i = 0; i < 20; i++) {
        own.time.now = start + i * 1_000;
        await store.write(`document:${i}#viewer@user:anne`);
        // A refused write changes nothing, one that is ignored leaves a gap in the numbers.
        const again = { tuple_keys: [tuple(`document:${i}#viewer@user:anne`)], on_duplicate: "ignore" };
        await store.at("write", { writes: again });
      }
      own.time.now = start + 60_000;
      for (let i = 0; i <= 20; i++) {
        const since = new Date(start + i * 1_000 - 500).toISOString();
        const { changes } = (await store.get(`changes?start_time=${since}`)).body;
        assert.equal(changes.length, 20 - i, since);
      }
    });

    it("never lets the time of changes fall, also where a clock does", async () => {
      const own = createTestFga(fga.storage);
      const store = await own.store();
      await store.write("document:1#viewer@user:anne");
      own.time.now -= 5_000;
      await store.write("document:2#viewer@user:anne");
      const { changes } = (await store.get("changes")).body;
      assert.equal(changes[0].timestamp, changes[1].timestamp);
    });

    const badTimes: readonly [text: string, code: string][] = [
      ["yesterday", "validation_error"],
      ["2026-13-01T00:00:00Z", "validation_error"],
      ["2099-01-01T00:00:00Z", "validation_error"],
      ["1969-12-31T00:00:00Z", "invalid_start_time"],
    ];
    for (const [text, code] of badTimes)
      it(`refuses changes since ${text} with ${code}`, async () => {
        const store = await fga.store();
        const { status, body } = await store.get(`changes?start_time=${text}`);
        assert.deepEqual([status, body.code], [400, code]);
      });

    it("refuses a type that is none and a page past the limit", async () => {
      const store = await fga.store();
      assert.equal((await store.get("changes?type=a%20b")).body.code, "type_invalid_pattern");
      assert.equal((await store.get("changes?page_size=101")).body.code, "page_size_invalid");
    });
  });
