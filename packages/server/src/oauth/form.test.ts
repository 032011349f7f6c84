import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EXTRA_PARAM, mapQuery, parseForm, parseFormAsQuery, unpackExtra } from "./form.ts";

const FORM = "application/x-www-form-urlencoded";
const extraOf = (query: string) =>
  unpackExtra(new URLSearchParams(mapQuery(query)).get(EXTRA_PARAM) ?? undefined);

describe("parameters of the app's own", () => {
  it("are carried by their names, and leave the rest as it was", () => {
    assert.deepEqual(extraOf("client_id=a&ext-plan=gold&ext-src=mail"), {
      "ext-plan": "gold",
      "ext-src": "mail",
    });
    assert.equal(new URLSearchParams(mapQuery("client_id=a&ext-plan=gold")).get("client_id"), "a");
    assert.deepEqual(extraOf("client_id=a"), {});
  });

  it("are dropped when they come twice, are too long, or have a strange name", () => {
    assert.deepEqual(extraOf("ext-a=1&ext-a=2&ext-b=3"), { "ext-b": "3" });
    assert.deepEqual(extraOf(`ext-a=${"x".repeat(501)}`), {});
    assert.deepEqual(extraOf("ext-%3Cb%3E=1&ext-=1&extra=1"), {});
  });

  it("are at most twenty", () => {
    const many = Array.from({ length: 30 }, (_, i) => `ext-n${i}=1`).join("&");
    assert.equal(Object.keys(extraOf(many)).length, 20);
  });

  it("cannot be set past the edge", () => {
    assert.deepEqual(extraOf(`${EXTRA_PARAM}=${encodeURIComponent('{"ext-a":"forged"}')}`), {});
  });
});

describe("an authorization request that comes as a form", () => {
  it("becomes a query", () => {
    assert.equal(
      parseFormAsQuery(Buffer.from("client_id=a&scope=openid%20email"), FORM),
      "client_id=a&scope=openid+email",
    );
  });

  for (const [what, body, type] of [
    ["a parameter twice", "client_id=a&client_id=b", FORM],
    ["JSON", '{"client_id":"a"}', "application/json"],
    ["more than fits into an address", `state=${"x".repeat(9_000)}`, FORM],
    ["bytes that are no UTF-8", Buffer.from([0x61, 0x3d, 0xff]), FORM],
  ] as const)
    it(`is refused with ${what}`, () => {
      assert.throws(() => parseFormAsQuery(Buffer.from(body), type), { error: "invalid_request" });
    });
});

describe("a body of JSON", () => {
  const parse = (body: string) => parseForm(Buffer.from(body), "application/json");

  it("may have one member that is an object, which goes on as its text", () => {
    const answer = '{"id":"a","response":{"transports":["usb",{"x":1}],"signature":"b: \\"c\\":"}}';
    assert.deepEqual(parse(`{"grant_type":"g","authn_response":${answer}}`), {
      grant_type: "g",
      authn_response: answer,
    });
    assert.deepEqual(parse(`{"authn_response":${JSON.stringify(answer)}}`), { authn_response: answer });
  });

  for (const [what, body] of [
    ["another object", '{"scope":{"a":"b"}}'],
    ["a list", '{"scope":["a"]}'],
    ["a number", '{"scope":1}'],
    ["a number in place of the object", '{"authn_response":1}'],
    ["a member twice", '{"scope":"a","scope":"b"}'],
    ["the object twice", '{"authn_response":{"a":"b"},"authn_response":{}}'],
    ["a member of the object twice", '{"authn_response":{"a":{"id":"b","id":"c"}}}'],
    ["a member of an object in a list twice", '{"authn_response":{"a":[{"id":"b","id":"c"}]}}'],
  ] as const)
    it(`is refused with ${what}`, () => {
      assert.throws(() => parse(body), { error: "invalid_request" });
    });
});
