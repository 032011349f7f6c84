import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { KEY, openTestFga, tuple } from "./testing.ts";

const ANNE = "document:1#viewer@user:anne";

describe("query endpoints on node:http", () => {
  let fga: Awaited<ReturnType<typeof openTestFga>>;
  let store: Awaited<ReturnType<typeof fga.store>>;
  let port = 0;
  const unserved: string[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    if (fga.handler.serves(path, request.method ?? "")) return void fga.handler.handle(request, response);
    unserved.push(`${request.method} ${path}`);
    response.writeHead(404).end();
  });

  before(async () => {
    fga = await openTestFga();
    store = await fga.store();
    await store.write(ANNE);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    port = typeof address === "object" && address ? address.port : 0;
  });
  after(async () => {
    await new Promise((resolve) => server.close(resolve));
    await fga.close();
  });

  const post = (
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    authorization: string | null = `Bearer ${KEY}`,
  ) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      headers: authorization === null ? {} : { authorization },
      body,
    });

  const key = JSON.stringify({ tuple_key: tuple(ANNE) });
  const bodies: readonly [endpoint: string, body: string][] = [
    ["check", key],
    ["check", '{"tuple_key":'],
    ["check", "{}"],
    ["check", `{"a":"${"x".repeat(620_000)}"}`],
    ["batch-check", `{"checks":[{"correlation_id":"a","tuple_key":${JSON.stringify(tuple(ANNE))}}]}`],
    ["list-objects", '{"type":"document","relation":"viewer","user":"user:anne"}'],
    ["list-objects", '{"type":"nothing","relation":"viewer","user":"user:anne"}'],
    [
      "list-users",
      '{"object":{"type":"document","id":"1"},"relation":"viewer","user_filters":[{"type":"user"}]}',
    ],
    ["expand", '{"tuple_key":{"object":"document:1","relation":"viewer"}}'],
  ];
  for (const [endpoint, body] of bodies)
    for (const authorization of [`Bearer ${KEY}`, "Bearer wrong", null])
      it(`answer ${endpoint} with ${body.slice(0, 40)} and ${authorization} as the routes do`, async () => {
        const path = `/stores/${store.id}/${endpoint}`;
        const served = await post(path, body, authorization);
        const routed = await fga.call("POST", path, body, authorization);
        assert.equal(served.status, routed.status);
        assert.deepEqual(await served.json(), routed.body);
        for (const name of ["content-type", "openfga-store-id", "openfga-authorization-model-id"])
          assert.equal(served.headers.get(name), routed.headers.get(name), name);
      });

  it("take a query behind the path, and leave every other path to the routes", async () => {
    assert.equal((await post(`/stores/${store.id}/check?a=b`, key)).status, 200);
    for (const path of ["check/", "check/x", "write", "checks", ""])
      await post(`/stores/${store.id}/${path}`, key);
    await post("/stores", key);
    await fetch(`http://127.0.0.1:${port}/stores/${store.id}/check`);
    assert.equal(unserved.length, 7);
  });

  it("refuse a body that is no UTF-8", async () => {
    const response = await post(`/stores/${store.id}/check`, Buffer.from([0x7b, 0xff, 0x7d]));
    assert.deepEqual(await response.json(), { code: "validation_error", message: "the body is not UTF-8" });
  });

  it("log no error when a caller goes away in the middle of a body", async () => {
    const before = fga.log.length;
    await new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.write(`POST /stores/${store.id}/check HTTP/1.1\r\nhost: x\r\n`);
        socket.write(`authorization: Bearer ${KEY}\r\ncontent-length: 100\r\n\r\n{"tuple`, () =>
          setTimeout(() => socket.destroy(), 20),
        );
      });
      socket.once("close", () => setTimeout(resolve, 20));
    });
    assert.deepEqual(fga.log.slice(before), []);
    assert.equal((await post(`/stores/${store.id}/check`, key)).status, 200);
  });
});
