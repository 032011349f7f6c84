import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { type ApprovalTerms, approvalDigest } from "./digest.ts";

const terms: ApprovalTerms = {
  clientId: "agent",
  userId: "usr_1",
  audience: "https://shop.example/",
  scopes: ["openid", "orders:write"],
  details: [{ type: "purchase", item: "Lamp", total: "49.90" }],
  expiresAt: 1_893_499_500_000,
};

describe("approval digest", () => {
  it("is SHA-256 of the canonical terms, in hexadecimal", () => {
    const text =
      '{"audience":"https://shop.example/","client_id":"agent","details":[{"item":"Lamp","total":"49.90","type":"purchase"}],"expires_at":1893499500000,"scopes":["openid","orders:write"],"user_id":"usr_1"}';
    assert.equal(approvalDigest(terms), createHash("sha256").update(text).digest("hex"));
  });

  it("does not depend on the order of scopes and members, nor on repeated scopes", () => {
    const same = {
      ...terms,
      scopes: ["orders:write", "openid", "openid"],
      details: [{ total: "49.90", item: "Lamp", type: "purchase" }],
    };
    assert.equal(approvalDigest(same), approvalDigest(terms));
  });

  const [lamp] = terms.details;
  for (const [what, change] of [
    ["another client", { clientId: "other" }],
    ["another user", { userId: "usr_2" }],
    ["another audience", { audience: "https://shop.example" }],
    ["no audience", { audience: undefined }],
    ["a further scope", { scopes: ["openid", "orders:write", "orders:read"] }],
    ["two scopes joined to one", { scopes: ["openid orders:write"] }],
    ["another value", { details: [{ type: "purchase", item: "Lamp", total: "49.91" }] }],
    ["a number instead of a text", { details: [{ type: "purchase", item: "Lamp", total: 49.9 }] }],
    ["a letter that looks alike", { details: [{ type: "purchase", item: "L\u0430mp", total: "49.90" }] }],
    ["a further member", { details: [{ type: "purchase", item: "Lamp", total: "49.90", tip: null }] }],
    ["the detail twice", { details: [lamp ?? null, lamp ?? null] }],
    ["no detail", { details: [] }],
    ["another end", { expiresAt: terms.expiresAt + 1 }],
  ] as [string, Partial<ApprovalTerms>][])
    it(`differs for ${what}`, () => {
      assert.notEqual(approvalDigest({ ...terms, ...change }), approvalDigest(terms));
    });
});
