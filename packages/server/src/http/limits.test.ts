import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, it } from "node:test";
import { ApiError } from "./errors.ts";
import { readBody, readJson, readText } from "./limits.ts";

const post = (body: BodyInit | null, type?: string, headers: Record<string, string> = {}) =>
  new Request("http://host.invalid/", {
    method: "POST",
    body,
    headers: { ...(type === undefined ? {} : { "content-type": type }), ...headers },
    // Needed by the platform for bodies that are streams.
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
  } as RequestInit);

const refusal = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(ApiError.is(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

describe("reading a JSON body", () => {
  for (const type of ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON ;x=1"])
    it(`takes the content type ${type}`, async () => {
      assert.deepEqual(await readJson(post('{"a":"ü"}', type)), { a: "ü" });
    });

  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "application/json5",
    "text/html; application/json",
    undefined,
  ])
    it(`refuses the content type ${type}`, async () => {
      const body = new Blob(['{"a":1}']);
      await assert.rejects(
        readJson(post(body, type)),
        refusal("request.unsupported_media_type", /Send application\/json/),
      );
    });

  for (const body of ["", "{", "{'a':1}", '{"a":1}x', "\ufeff{}", "NaN"])
    it(`refuses ${JSON.stringify(body)}, which is no JSON`, async () => {
      await assert.rejects(
        readJson(post(body, "application/json")),
        refusal("request.invalid", /The body is not JSON/),
      );
    });

  for (const body of ["null", "[]", '"a"', "1", "true"])
    it(`refuses ${body}, which is no object`, async () => {
      await assert.rejects(
        readJson(post(body, "application/json")),
        refusal("request.invalid", /must be a JSON object/),
      );
    });

  it("refuses bytes that are no UTF-8 instead of replacing them", async () => {
    const body = Buffer.from([...Buffer.from('{"a":"'), 0xc3, 0x28, ...Buffer.from('"}')]);
    await assert.rejects(
      readJson(post(body, "application/json")),
      refusal("request.invalid", /The body is not UTF-8/),
    );
  });

  it("does not let a member called __proto__ reach the prototype", async () => {
    const value = await readJson(post('{"__proto__":{"admin":true}}', "application/json"));
    assert.equal(value["admin"], undefined);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  });
});

describe("reading a body within a limit", () => {
  const endless = () =>
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_024)) });

  it("takes one of exactly the limit and refuses one byte more", async () => {
    assert.equal((await readText(post("x".repeat(10)), 10)).length, 10);
    await assert.rejects(
      readText(post("x".repeat(11)), 10),
      refusal("request.too_large", /at most 10 bytes/),
    );
  });

  it("counts bytes, not characters", async () => {
    await assert.rejects(readText(post("ü".repeat(6)), 10), refusal("request.too_large", /at most 10 bytes/));
  });

  it("refuses by the announced length before reading", async () => {
    const request = post(endless(), undefined, { "content-length": "11" });
    await assert.rejects(readText(request, 10), refusal("request.too_large", /at most 10 bytes/));
    assert.equal(request.bodyUsed, false);
  });

  it("stops reading a body without an announced length at the limit", async () => {
    await assert.rejects(readText(post(endless()), 4_096), refusal("request.too_large", /at most 4096/));
  });

  it("reads nothing when there is no body", async () => {
    assert.equal(await readText(new Request("http://host.invalid/"), 10), "");
  });
});

describe("reading a node:http request", () => {
  /** Sends raw bytes to a server that reads at most 10 bytes; resolves with its answer. */
  async function answerTo(raw: string): Promise<string> {
    const server = createServer(async (request, response) => {
      try {
        response.end(`read ${(await readBody(request, 10)).length}`);
      } catch (error) {
        response.writeHead(ApiError.is(error) ? error.status : 500).end(ApiError.is(error) ? error.code : "");
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    // A server that listens on a port has an address with one.
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    socket.end(raw);
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    server.close();
    return answer;
  }
  const head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";

  it("takes a body of the limit", async () => {
    assert.match(await answerTo(`${head}content-length: 10\r\n\r\n0123456789`), /read 10$/);
  });

  it("answers 413 to an announced length above it", async () => {
    assert.match(
      await answerTo(`${head}content-length: 11\r\n\r\n01234567890`),
      /^HTTP\/1.1 413 .*request\.too_large/s,
    );
  });

  it("answers 413 to chunks that exceed it", async () => {
    const chunks = "6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n";
    assert.match(await answerTo(`${head}transfer-encoding: chunked\r\n\r\n${chunks}`), /^HTTP\/1.1 413 /);
  });

  it("answers 413 to an endless chunked body while it is still being sent", async () => {
    assert.match(
      await answerTo(`${head}transfer-encoding: chunked\r\n\r\nff\r\n${"x".repeat(255)}\r\n`),
      /^HTTP\/1.1 413 /,
    );
  });
});
