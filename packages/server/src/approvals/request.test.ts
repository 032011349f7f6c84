import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import { approvalOAuthErrors } from "./errors.ts";
import { type ApprovalRequest, coolDownMs, MAX_EXPIRY_SECONDS, validateRequest } from "./request.ts";
import { type Bench, createBench, purchase, SHOP, shopApi } from "./testing.ts";

const strictApi = { ...shopApi, audience: "https://strict.example/", requireDetails: true };
const validate = (over: Partial<ApprovalRequest>) =>
  validateRequest([shopApi, strictApi], {
    bindingMessage: "Buy a lamp",
    authorizationDetails: undefined,
    requestedExpiry: undefined,
    audience: SHOP,
    ...over,
  });
const details = JSON.stringify([purchase]);

describe("validating a request", () => {
  it("gives a request of nothing but a message five minutes and no details", () => {
    assert.deepEqual(validate({}), { bindingMessage: "Buy a lamp", details: [], expirySeconds: 300 });
  });

  it("takes details without a message", () => {
    const valid = validate({ bindingMessage: undefined, authorizationDetails: details });
    assert.deepEqual(valid.details, [purchase]);
    assert.equal(valid.bindingMessage, undefined);
  });

  for (const [value, seconds] of [
    [1, 1],
    ["1", 1],
    ["300", 300],
    [MAX_EXPIRY_SECONDS, MAX_EXPIRY_SECONDS],
    ["259200", MAX_EXPIRY_SECONDS],
  ] as const)
    it(`takes requested_expiry ${JSON.stringify(value)}`, () => {
      assert.equal(validate({ requestedExpiry: value }).expirySeconds, seconds);
    });

  for (const value of [
    0,
    "0",
    -1,
    "-1",
    1.5,
    "1.5",
    "",
    " 5",
    "5s",
    "0x10",
    "1e3",
    "259201",
    259_201,
    Number.NaN,
  ])
    it(`refuses requested_expiry ${JSON.stringify(value)}`, () => {
      assert.throws(() => validate({ requestedExpiry: value }), {
        code: "approval.expiry_invalid",
        status: 400,
      });
    });

  it("refuses a message that cannot be shown, as invalid_binding_message", () => {
    const code = "approval.binding_message_invalid";
    assert.throws(() => validate({ bindingMessage: "Pay \u202e001" }), { code });
    assert.throws(() => validate({ bindingMessage: "", authorizationDetails: details }), { code });
    assert.equal(approvalOAuthErrors[code], "invalid_binding_message");
  });

  it("refuses a request that says nothing", () => {
    assert.throws(() => validate({ bindingMessage: undefined }), {
      code: "approval.binding_message_invalid",
      message: /required/,
    });
    assert.throws(() => validate({ bindingMessage: undefined, authorizationDetails: "[]" }), {
      code: "approval.binding_message_invalid",
    });
  });

  it("refuses a detail type of another API, and any but tool_call without an API", () => {
    const refusal = { code: "approval.details_invalid", message: /type is not one/ };
    const other = JSON.stringify([{ type: "payment" }]);
    assert.throws(() => validate({ authorizationDetails: other }), refusal);
    assert.throws(() => validate({ authorizationDetails: details, audience: undefined }), refusal);
    const call = JSON.stringify([{ type: "tool_call", tool: "buy", arguments: {} }]);
    assert.equal(validate({ authorizationDetails: call, audience: undefined }).details.length, 1);
    assert.equal(approvalOAuthErrors["approval.details_invalid"], "invalid_authorization_details");
  });

  it("refuses a request without details where the API requires them", () => {
    const audience = strictApi.audience;
    assert.throws(() => validate({ audience }), { code: "approval.details_required" });
    assert.throws(() => validate({ audience, authorizationDetails: "[]" }), {
      code: "approval.details_required",
    });
    assert.equal(validate({ audience, authorizationDetails: details }).details.length, 1);
  });
});

describe("cool-down", () => {
  it("begins at the third denial with 15 seconds and doubles", () => {
    assert.deepEqual([0, 1, 2, 3, 4, 5, 8].map(coolDownMs), [0, 0, 0, 15_000, 30_000, 60_000, 480_000]);
  });
});

for (const engine of testEngines())
  describe(`opening a request on ${engine.name}`, () => {
    it("stores it pending with its digest, an audit event and a message for the channels", async () => {
      await using bench = await createBench(engine);
      const expiresAt = bench.clock.now() + 60_000;
      const opened = await bench.approvals.open({
        authReqIdHash: "h",
        userId: bench.anne.id,
        clientId: "agent",
        audience: SHOP,
        scopes: ["orders:write", "openid", "openid"],
        bindingMessage: "Buy",
        details: [purchase],
        expiresAt,
      });
      assert.match(opened.id, /^apr_[0-9a-z]{26}$/);
      assert.match(opened.digest, /^[0-9a-f]{64}$/);
      assert.deepEqual(
        [opened.status, opened.intervalSeconds, opened.expiresAt, opened.scopes, opened.details],
        ["pending", 5, expiresAt, ["openid", "orders:write"], [purchase]],
      );
      const { events } = await bench.deps.audit.list({ action: "approval.requested" });
      assert.equal(events.length, 1);
      assert.deepEqual([events[0]?.object_id, events[0]?.details["digest"]], [opened.id, opened.digest]);
      const seen: unknown[] = [];
      await bench.deps.outbox.deliver({
        "approval.requested": async ({ payload }) => void seen.push(payload),
      });
      assert.deepEqual(seen, [{ approvalId: opened.id, userId: bench.anne.id }]);
    });

    it("asks nobody who does not exist or is switched off", async () => {
      await using bench = await createBench(engine);
      const refusal = { code: "approval.user_unavailable" };
      await assert.rejects(bench.open({ userId: "usr_nobody" }), refusal);
      await bench.switchOff(bench.anne);
      await assert.rejects(bench.open(), refusal);
      assert.deepEqual(await bench.actions(), []);
    });

    it("keeps the fourth open request of an agent from a user, and no other agent's or user's", async () => {
      await using bench = await createBench(engine);
      for (let i = 0; i < 3; i++) await bench.open();
      await assert.rejects(bench.open(), { code: "approval.too_many", status: 429, retryable: true });
      await bench.open({ clientId: "other" });
      await bench.open({ userId: bench.ben.id });
    });

    it("makes room again when a request is answered", async () => {
      await using bench = await createBench(engine);
      const first = await bench.open();
      await bench.open();
      await bench.open();
      await assert.rejects(bench.open(), { code: "approval.too_many" });
      await bench.answer(first, "approve");
      await bench.open();
    });

    it("makes room again when a request has expired, but not within a minute of its opening", async () => {
      await using bench = await createBench(engine);
      for (let i = 0; i < 3; i++) await bench.open({ expiresAt: bench.clock.now() + 1_000 });
      bench.clock.advance(59_999);
      await assert.rejects(bench.open(), { code: "approval.too_many" });
      bench.clock.advance(1);
      await bench.open();
    });

    it("lets at most three of 64 requests at once through, and tells the user of three", async () => {
      await using bench = await createBench(engine);
      const results = await Promise.allSettled(Array.from({ length: 64 }, () => bench.open()));
      const refused = results.filter((result) => result.status === "rejected");
      assert.equal(refused.length, 61);
      for (const { reason } of refused) assert.equal(reason.code, "approval.too_many");
      assert.equal(await bench.deps.outbox.deliver({ "approval.requested": async () => undefined }), 3);
    });

    it("tells the user of at most three of 1000 short-lived requests within 60 seconds", async () => {
      await using bench = await createBench(engine);
      const count = engine.name === "SQLite" ? 1_000 : 100;
      let notified = 0;
      for (let i = 0; i < count; i++) {
        await bench.open({ expiresAt: bench.clock.now() + 1 }).then(
          () => (notified += 1),
          (error) => assert.equal(error.code, "approval.too_many"),
        );
        bench.clock.advance(59_000 / count);
      }
      assert.equal(notified, 3);
    });

    const deny = async (bench: Bench, times: number) => {
      for (let i = 0; i < times; i++) await bench.answer(await bench.open(), "deny");
    };

    it("lets an agent ask again at once after two denials", async () => {
      await using bench = await createBench(engine);
      await deny(bench, 2);
      await bench.open();
    });

    it("makes an agent wait 15 seconds after the third denial, and 30 after the fourth", async () => {
      await using bench = await createBench(engine);
      await deny(bench, 3);
      await assert.rejects(bench.open(), (error: { code: string; members: object }) => {
        assert.equal(error.code, "approval.cooling_down");
        assert.deepEqual(error.members, { retry_after_seconds: 15 });
        return true;
      });
      await bench.open({ clientId: "other" });
      await bench.open({ userId: bench.ben.id });
      bench.clock.advance(14_999);
      await assert.rejects(bench.open(), { code: "approval.cooling_down" });
      bench.clock.advance(1);
      await deny(bench, 1);
      bench.clock.advance(29_999);
      await assert.rejects(bench.open(), { code: "approval.cooling_down" });
      bench.clock.advance(1);
      await bench.open();
    });

    it("forgets denials after 15 minutes", async () => {
      await using bench = await createBench(engine);
      await deny(bench, 2);
      bench.clock.advance(15 * 60_000);
      await deny(bench, 2);
      await bench.open();
    });

    it("finds the pending request with the same content, whatever the order of members and scopes", async () => {
      await using bench = await createBench(engine);
      const { id } = await bench.open();
      const content = {
        userId: bench.anne.id,
        clientId: "agent",
        audience: SHOP,
        scopes: ["orders:write", "openid"],
        bindingMessage: "Buy a lamp",
        details: [{ currency: "EUR", total: "49.90", item: "Desk lamp", type: "purchase" }],
      };
      assert.equal((await bench.approvals.findOpenDuplicate(content))?.id, id);
      for (const change of [
        { userId: bench.ben.id },
        { clientId: "other" },
        { audience: undefined },
        { scopes: ["openid"] },
        { bindingMessage: undefined },
        { bindingMessage: "Buy a lamp " },
        { details: [] },
        { details: [{ ...purchase, total: 49.9 }] },
      ])
        assert.equal(await bench.approvals.findOpenDuplicate({ ...content, ...change }), undefined);
    });

    it("finds a request without audience and message, and none that is answered or expired", async () => {
      await using bench = await createBench(engine);
      const bare = { audience: undefined, bindingMessage: undefined };
      const content = {
        ...bare,
        userId: bench.anne.id,
        clientId: "agent",
        scopes: ["openid"],
        details: [purchase],
      };
      const first = await bench.open({ ...bare, scopes: ["openid"] });
      assert.equal((await bench.approvals.findOpenDuplicate(content))?.id, first.id);
      await bench.answer(first, "approve");
      assert.equal(await bench.approvals.findOpenDuplicate(content), undefined);
      await bench.open({ ...bare, scopes: ["openid"] });
      bench.clock.advance(300_000);
      assert.equal(await bench.approvals.findOpenDuplicate(content), undefined);
    });
  });
