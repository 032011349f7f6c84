import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { withRequestContext } from "./context.ts";
import { ApiError, errorsOf, httpError, problemResponse } from "./errors.ts";

const answer = (error: ApiError) => {
  const app = new Hono().get("/", (context) => problemResponse(context, error));
  return withRequestContext({ requestId: "req_1", ip: undefined }, () => app.request("/"));
};

describe("problem documents", () => {
  it("carry code, status, sentence, whether to retry, and the request (RFC 9457 section 3)", async () => {
    const response = await answer(httpError("request.not_found"));
    assert.equal(response.status, 404);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.deepEqual(await response.json(), {
      type: "urn:behalf:error:request.not_found",
      title: "request.not_found",
      status: 404,
      detail: "There is nothing at this address. Check path and method.",
      code: "request.not_found",
      retryable: false,
      request_id: "req_1",
    });
  });

  it("say what happened here when the thrower said so, with members of its own", async () => {
    const error = httpError("request.invalid", { detail: "limit: too big", members: { field: "limit" } });
    const body = await (await answer(error)).json();
    assert.equal(body.detail, "limit: too big");
    assert.equal(body.field, "limit");
  });

  it("never carry the reason or the cause, which are for the operator", async () => {
    const error = httpError("server.error", { reason: "disk sda1", cause: new Error("ENOSPC") });
    assert.equal(error.reason, "disk sda1");
    const text = await (await answer(error)).text();
    assert.ok(!/sda1|ENOSPC/.test(text), text);
  });

  it("challenge without an error code when there was no token (RFC 6750 section 3)", async () => {
    const response = await answer(httpError("auth.token_missing"));
    assert.equal(response.status, 401);
    assert.equal(response.headers.get("www-authenticate"), "Bearer");
  });

  it("challenge with invalid_token when the token was refused", async () => {
    const response = await answer(httpError("auth.token_invalid"));
    assert.equal(response.headers.get("www-authenticate"), 'Bearer error="invalid_token"');
  });

  it("do not challenge when the token lacks a scope", async () => {
    const response = await answer(httpError("auth.insufficient_scope"));
    assert.equal(response.status, 403);
    assert.equal(response.headers.get("www-authenticate"), null);
  });
});

describe("API errors", () => {
  it("take status and retryable from the table of their slice", () => {
    const table = { "toy.busy": { status: 503, retryable: true, message: "Busy. Try again." } };
    const error = errorsOf(table)("toy.busy");
    assert.deepEqual(
      [error.code, error.status, error.retryable, error.message],
      ["toy.busy", 503, true, "Busy. Try again."],
    );
  });

  it("are recognised by their mark, also across copies of the module", () => {
    assert.equal(ApiError.is(httpError("server.error")), true);
    assert.equal(ApiError.is({ [Symbol.for("behalf.server.api-error")]: true }), true);
    for (const other of [new Error("x"), undefined, null, "server.error", { code: "server.error" }])
      assert.equal(ApiError.is(other), false);
  });
});
