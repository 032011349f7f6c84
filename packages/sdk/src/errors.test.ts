import assert from "node:assert/strict";
import { test } from "node:test";
import { BehalfError, isTokenRejected, tokenRejected } from "./errors.ts";
import { interruptFromError } from "./interrupt.ts";
import { asAnne, behalfOf, startPeer, TOKEN } from "./testing.ts";

test("a rejected token that no protection turned into an interrupt says so by its code", () => {
  const cause = new Error("401 from the provider");
  const error = tokenRejected(cause);
  assert.ok(BehalfError.is(error, "vault.token_rejected"));
  assert.equal(error.retryable, false);
  assert.equal(error.cause, cause);
  assert.equal(interruptFromError(error), undefined);
});

test("only what tokenRejected made counts as a rejected token", () => {
  assert.equal(isTokenRejected(tokenRejected()), true);
  for (const other of [
    new BehalfError("vault.token_rejected", "made by hand"),
    new Error("401"),
    null,
    "401",
  ])
    assert.equal(isTokenRejected(other), false);
});

test("a tool under an approval alone has no account to connect again: the rejection passes through", async (t) => {
  const details = [{ type: "tool_call", tool: "buy", arguments: null }];
  const peer = await startPeer(t, {
    "/bc-authorize": { body: { auth_req_id: "request-1", expires_in: 300, interval: 5 } },
    [TOKEN]: { body: { access_token: "at-1", expires_in: 300, authorization_details: details } },
  });
  const buy = behalfOf(peer).withAsyncAuthorization(
    { toolName: "buy", scopes: [], bindingMessage: "Buy" },
    () => {
      throw tokenRejected();
    },
  );
  const run = () => asAnne(() => buy(null, { toolCallId: "call-1" }));
  await assert.rejects(run(), { code: "approval.pending" });
  await assert.rejects(run(), { code: "vault.token_rejected" });
  await assert.rejects(run(), { code: "call.already_failed" });
});

test("an error is recognised by its mark and code, whichever copy of the package made it", () => {
  const foreign = { [Symbol.for("behalf.error")]: true, code: "approval.denied", message: "no" };
  assert.equal(BehalfError.is(foreign), true);
  assert.equal(BehalfError.is(foreign, "approval.denied"), true);
  assert.equal(BehalfError.is(foreign, "approval.expired"), false);
  assert.equal(BehalfError.is({ code: "approval.denied" }), false);
});
