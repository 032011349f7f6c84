import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { CLIENT_TOKEN, KEY, OTHER_KEY, openTestFga, USER_TOKEN } from "./testing.ts";

const STORE = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

describe("access to the FGA API", () => {
  let fga: Awaited<ReturnType<typeof openTestFga>>;
  before(async () => {
    fga = await openTestFga();
  });
  after(() => fga.close());

  const get = async (authorization: string | null) => {
    const { status, body } = await fga.call("GET", "/stores", undefined, authorization);
    return [status, body.code];
  };

  for (const key of [KEY, OTHER_KEY])
    it(`is given to the preshared key ${key}`, async () => {
      assert.deepEqual(await get(`Bearer ${key}`), [200, undefined]);
    });

  it("is given to a client's own access token for this API", async () => {
    assert.deepEqual(await get(`Bearer ${CLIENT_TOKEN}`), [200, undefined]);
  });

  it("is refused to a token that stands for a user, and the log says why", async () => {
    assert.deepEqual(await get(`Bearer ${USER_TOKEN}`), [401, "forbidden"]);
    assert.ok(fga.log.some((line) => line.includes("the token stands for a user")));
  });

  it("is refused without a header, in OpenFGA's words", async () => {
    const { status, body, headers } = await fga.call("GET", "/stores", undefined, null);
    assert.equal(status, 401);
    assert.deepEqual(body, { code: "bearer_token_missing", message: "missing bearer token" });
    assert.equal(headers.get("www-authenticate"), "Bearer");
  });

  for (const header of ["Bearer wrong", `Bearer ${KEY}x`, `Basic ${KEY}`, KEY, "Bearer "])
    it(`is refused to "${header}" with one answer for all`, async () => {
      const { status, body } = await fga.call("GET", "/stores", undefined, header);
      assert.deepEqual([status, body], [401, { code: "unauthenticated", message: "unauthenticated" }]);
    });

  const endpoints: readonly [method: string, path: string][] = [
    ["POST", "/stores"],
    ["GET", `/stores/${STORE}`],
    ["DELETE", `/stores/${STORE}`],
    ["POST", `/stores/${STORE}/write`],
    ["POST", `/stores/${STORE}/read`],
    ["GET", `/stores/${STORE}/changes`],
    ["POST", `/stores/${STORE}/check`],
    ["POST", `/stores/${STORE}/batch-check`],
    ["POST", `/stores/${STORE}/list-objects`],
    ["POST", `/stores/${STORE}/streamed-list-objects`],
    ["POST", `/stores/${STORE}/list-users`],
    ["POST", `/stores/${STORE}/expand`],
    ["POST", `/stores/${STORE}/authorization-models`],
    ["PUT", `/stores/${STORE}/assertions/${STORE}`],
    ["GET", `/stores/${STORE}/nothing`],
  ];
  for (const [method, path] of endpoints)
    it(`is refused before ${method} ${path.replace(STORE, "{store}")} reads anything`, async () => {
      const body = method === "GET" ? undefined : "not JSON";
      const answer = await fga.call(method, path, body, "Bearer wrong");
      assert.deepEqual([answer.status, answer.body.code], [401, "unauthenticated"]);
    });
});
